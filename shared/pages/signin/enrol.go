package signin

import (
	"cmp"
	"errors"
	"net/url"

	"portico/shared/account"
	"portico/shared/pages"
	"portico/shared/session"
	"portico/shared/signin"
)

const enrolPath = "/sign-in/enrol"

// enrolment is a page on which a person sets up a second factor. It is there twice: below
// /account for who is signed in, and below /sign-in for an attempt that demands it.
type enrolment func(v *pages.Visit, at account.Standing, base string) (pages.Answer, error)

// inAccount serves the page for who has signed in lately.
func (s *Site) inAccount(path string, page enrolment) func(*pages.Visit) (pages.Answer, error) {
	return s.recent(accountPath+path, func(v *pages.Visit, own session.Session) (pages.Answer, error) {
		return unconfirmed(v, account.Standing{Session: own}, accountPath, page)
	})
}

// inAttempt serves the page in an attempt that demands a second factor.
func (s *Site) inAttempt(page enrolment) func(*pages.Visit) (pages.Answer, error) {
	return s.attempt(func(v *pages.Visit, f signin.Flow) (pages.Answer, error) {
		previous, _, err := s.session(v)
		if err != nil {
			return pages.Answer{}, err
		}
		a, err := unconfirmed(v, account.Standing{Session: previous, Flow: f}, signInPath, page)
		if err != nil {
			return s.over(v, err)
		}
		return a, nil
	}, signin.Enrol)
}

// unconfirmed leads whoever has not shown that the mailbox is theirs to do so.
func unconfirmed(v *pages.Visit, at account.Standing, base string, page enrolment) (pages.Answer, error) {
	a, err := page(v, at, base)
	if errors.Is(err, account.ErrUnconfirmed) {
		return v.Go(base + "/confirm?" + url.Values{"to": {v.Request.URL.Path}}.Encode()), nil
	}
	return a, err
}

// backOf returns the page from which a page for setting up a factor was reached.
func backOf(base string) string {
	if base == signInPath {
		return enrolPath
	}
	return accountPath
}

// showEnrol offers what can be set up.
func (s *Site) showEnrol(v *pages.Visit, at account.Standing, _ string) (pages.Answer, error) {
	return pages.Answer{View: "enrol", Title: "enrol.title"}, s.Desk.MayEnrol(ctxOf(v), at)
}

// enrolled gives the browser its session, and leads to the recovery codes.
func (s *Site) enrolled(v *pages.Visit, next account.Next) (pages.Answer, error) {
	next.To = recoveryPath
	return s.proceed(v, next)
}

func (s *Site) showConfirmMailbox(v *pages.Visit, _ account.Standing, base string) (pages.Answer, error) {
	return pages.Answer{View: "confirm_mailbox", Title: "confirm_mailbox.title", Data: struct {
		Path, To string
		Sent     bool
	}{base + "/confirm", cmp.Or(v.Form("to"), v.Query("to")), v.Query("sent") != ""}}, nil
}

func (s *Site) confirmMailbox(v *pages.Visit, at account.Standing, base string) (pages.Answer, error) {
	if v.Form("send") != "" {
		return v.Go(base + "/confirm?" + url.Values{"to": {v.Form("to")}, "sent": {"yes"}}.Encode()), s.Desk.MailCode(ctxOf(v), at, v.Lang(), visitor(v))
	}
	next, err := s.Desk.ConfirmMailbox(ctxOf(v), at, v.Form("mailed_code"), visitor(v))
	switch {
	case errors.Is(err, account.ErrWrong):
		v.Mark("mailed_code", "wrong.mailed_code")
		return v.Again(), nil
	case errors.As(err, new(signin.Wait)), v.Captcha != nil:
		return s.over(v, err)
	case err != nil:
		return pages.Answer{}, err
	}
	next.To = inAccount(v.Form("to"))
	return s.proceed(v, next)
}
