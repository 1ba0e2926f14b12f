package signin

import (
	"errors"
	"net/url"
	"strings"

	"portico/shared/account"
	"portico/shared/oauth"
	"portico/shared/pages"
	"portico/shared/session"
)

const againPath = "/sign-in/again"

// recent leads whoever has not signed in lately to do so again; then they come back to a
// page of the account.
func (s *Site) recent(back string, page func(*pages.Visit, session.Session) (pages.Answer, error)) func(*pages.Visit) (pages.Answer, error) {
	return s.signedIn(func(v *pages.Visit, own session.Session) (pages.Answer, error) {
		if !s.Desk.Recent(own) {
			return again(v, back), nil
		}
		a, err := page(v, own)
		if err != nil {
			return stepUp(v, back, err)
		}
		return a, nil
	})
}

// stepUp leads to where a person shows what a change has lacked; any other error is returned.
func stepUp(v *pages.Visit, back string, err error) (pages.Answer, error) {
	switch {
	case errors.Is(err, account.ErrStale):
		return again(v, back), nil
	case errors.Is(err, account.ErrUnconfirmed):
		return v.Go(accountPath + "/confirm?" + url.Values{"to": {back}}.Encode()), nil
	case errors.Is(err, session.ErrNone): // it has just ended elsewhere
		return v.Go(signInPath), nil
	}
	return pages.Answer{}, err
}

func again(v *pages.Visit, back string) pages.Answer {
	return v.Go(againPath + "?" + url.Values{"to": {back}}.Encode())
}

// inAccount returns a page of the account, whatever a form has named.
func inAccount(to string) string {
	if !strings.HasPrefix(to, accountPath) {
		return accountPath
	}
	return to
}

func (s *Site) showAgain(v *pages.Visit, own session.Session) (pages.Answer, error) {
	email, err := s.Desk.Address(ctxOf(v), own.User)
	return pages.Answer{View: "again", Title: "again.title", Data: struct{ Email, To string }{email, v.Query("to")}}, err
}

// beginAgain begins an attempt, whose pages then ask for each factor.
func (s *Site) beginAgain(v *pages.Visit, own session.Session) (pages.Answer, error) {
	to := inAccount(v.Form("to"))
	if v.Form("to") == oauth.AuthorizePath {
		to = "" // a cookie has it
	}
	token, err := s.Desk.Again(ctxOf(v), own, to, visitor(v))
	if err != nil {
		return pages.Answer{}, err
	}
	v.SetCookie(flowCookie, token.Text(), flowFor)
	return v.Go(passwordPath), nil
}
