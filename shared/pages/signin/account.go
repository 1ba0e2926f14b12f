package signin

import (
	"errors"

	"portico/shared/account"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/pages"
	"portico/shared/session"
	"portico/shared/signin"
)

// accountView is what the account's page shows.
type accountView struct {
	Email    string
	Own      id.Session
	Sessions []session.Session
	Factors  identity.SecondFactors
}

func (s *Site) showAccount(v *pages.Visit, own session.Session) (pages.Answer, error) {
	if !v.Org().IsZero() {
		return s.atOrganization(v, own)
	}
	if account.Bound(own) {
		return s.byConnection(v, own)
	}
	email, err := s.Desk.Address(ctxOf(v), own.User)
	if err != nil {
		return pages.Answer{}, err
	}
	list, err := s.Sessions.List(ctxOf(v), own.User)
	if err != nil {
		return pages.Answer{}, err
	}
	factors, err := s.Desk.SecondFactors(ctxOf(v), own.User)
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{View: "account", Title: "account.title", Data: accountView{email, own.ID, list, factors}}, nil
}

// byConnection is what a person sees of the account who has come by an organization's
// connection: not what else they do with it.
func (s *Site) byConnection(v *pages.Visit, own session.Session) (pages.Answer, error) {
	email, err := s.Desk.Address(ctxOf(v), own.User)
	return pages.Answer{View: "account_bound", Title: "account.title", Data: struct {
		Email string
		Own   session.Session
	}{email, own}}, err
}

// revoke ends one of the person's sessions.
func (s *Site) revoke(v *pages.Visit, own session.Session) (pages.Answer, error) {
	wanted, err := id.Parse[id.Session](v.Form("session"))
	if err == nil {
		if err := s.Desk.Leave(ctxOf(v), own.User, wanted, session.Revoked, visitor(v)); err != nil {
			return pages.Answer{}, err
		}
	}
	return v.Go(accountPath), nil // one that is not there does not show up again either
}

// revokeAll ends all sessions, also this one.
func (s *Site) revokeAll(v *pages.Visit, own session.Session) (pages.Answer, error) {
	if err := s.Desk.SignOutEverywhere(ctxOf(v), own.User, visitor(v)); err != nil {
		return pages.Answer{}, err
	}
	v.SetCookie(sessionCookie, "", 0)
	return v.Go(signInPath), nil
}

func (s *Site) showChange(*pages.Visit, session.Session) (pages.Answer, error) {
	return pages.Answer{View: "change", Title: "change.title"}, nil
}

func (s *Site) change(v *pages.Visit, own session.Session) (pages.Answer, error) {
	renewed, cookie, err := s.Desk.ChangePassword(ctxOf(v), own, v.Form("current"), v.Form("password"), v.Lang(), visitor(v))
	switch {
	case errors.Is(err, account.ErrWrong):
		v.Mark("current", "wrong.current")
		return v.Again(), nil
	case errors.As(err, new(signin.Wait)), v.Captcha != nil:
		return s.over(v, err)
	case errors.Is(err, session.ErrNone): // it has just ended elsewhere
		return v.Go(signInPath), nil
	case err != nil:
		return refused(v, err)
	}
	return s.begin(v, renewed, cookie)
}
