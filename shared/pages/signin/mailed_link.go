package signin

import (
	"errors"

	"portico/shared/account"
	"portico/shared/pages"
	"portico/shared/signin"
)

// codePath is where a person waits for the mailed link, or types its code.
const codePath = "/sign-in/code"

// askLink mails a link instead of asking for the password.
func (s *Site) askLink(v *pages.Visit) (pages.Answer, error) {
	f, err := s.flow(v)
	if err == nil {
		err = s.Desk.AskLink(ctxOf(v), f, v.Lang(), visitor(v))
	}
	if err != nil {
		return s.over(v, err)
	}
	return v.Go(codePath), nil
}

// showCode is the same whether the address has an account or not.
func (s *Site) showCode(v *pages.Visit) (pages.Answer, error) {
	f, err := s.flow(v)
	switch {
	case errors.Is(err, signin.ErrOver):
		return v.Go(signInPath), nil
	case err != nil:
		return pages.Answer{}, err
	}
	return pages.Answer{View: "code", Title: "code.title", Data: f.Email}, nil
}

func (s *Site) code(v *pages.Visit) (pages.Answer, error) {
	f, err := s.flow(v)
	if err != nil {
		return s.over(v, err)
	}
	previous, _, err := s.session(v)
	if err != nil {
		return pages.Answer{}, err
	}
	next, err := s.Desk.WithCode(ctxOf(v), f, v.Form("mailed_code"), previous, visitor(v))
	switch {
	case errors.Is(err, account.ErrWrong):
		v.Mark("mailed_code", "wrong.mailed_code")
		return v.Again(), nil
	case errors.Is(err, account.ErrLink):
		return stale(signInPath), nil
	case err != nil:
		return s.over(v, err)
	}
	return s.proceed(v, next)
}

// showLink shows the button that signs in; in another browser than the one that asked, the
// code to type there. Programs that read links in mails therefore change nothing.
func (s *Site) showLink(v *pages.Visit) (pages.Answer, error) {
	f, err := s.ownFlow(v)
	if err != nil {
		return pages.Answer{}, err
	}
	email, code, err := s.Desk.ReadLink(ctxOf(v), v.Query("token"), f)
	switch {
	case errors.Is(err, account.ErrElsewhere):
		return pages.Answer{View: "link_elsewhere", Title: "link_elsewhere.title", Data: code[:4] + "-" + code[4:]}, nil
	case errors.Is(err, account.ErrLink):
		return stale(signInPath), nil
	case err != nil:
		return pages.Answer{}, err
	}
	return pages.Answer{View: "link", Title: "sign_in.title", Data: email}, nil
}

func (s *Site) link(v *pages.Visit) (pages.Answer, error) {
	f, err := s.ownFlow(v)
	if err != nil {
		return pages.Answer{}, err
	}
	previous, _, err := s.session(v)
	if err != nil {
		return pages.Answer{}, err
	}
	next, err := s.Desk.WithLink(ctxOf(v), v.Query("token"), f, previous, visitor(v))
	switch {
	case errors.Is(err, account.ErrElsewhere):
		return s.showLink(v)
	case errors.Is(err, account.ErrLink):
		return stale(signInPath), nil
	case err != nil:
		return s.over(v, err)
	}
	return s.proceed(v, next)
}

// ownFlow returns the attempt of the browser; zero: it has none.
func (s *Site) ownFlow(v *pages.Visit) (signin.Flow, error) {
	f, err := s.flow(v)
	if errors.Is(err, signin.ErrOver) {
		return signin.Flow{}, nil
	}
	return f, err
}
