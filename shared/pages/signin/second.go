package signin

import (
	"errors"
	"net/http"

	"portico/shared/account"
	"portico/shared/pages"
	"portico/shared/session"
	"portico/shared/signin"
)

const (
	secondPath  = "/sign-in/second"
	passkeyPath = "/sign-in/passkey"
)

// attempt leads to the beginning whoever has no attempt, and to its next step whoever has
// one in another state.
func (s *Site) attempt(page func(*pages.Visit, signin.Flow) (pages.Answer, error), in ...signin.State) func(*pages.Visit) (pages.Answer, error) {
	return func(v *pages.Visit) (pages.Answer, error) {
		f, err := s.flow(v)
		switch {
		case errors.Is(err, signin.ErrOver):
			return v.Go(signInPath), nil
		case err != nil:
			return pages.Answer{}, err
		}
		for _, state := range in {
			if f.State == state {
				return page(v, f)
			}
		}
		return v.Go(stepOf(f)), nil
	}
}

// stepOf returns the page of the next step of an attempt.
func stepOf(f signin.Flow) string {
	switch f.State {
	case signin.Identified:
		return passwordPath
	case signin.Second:
		return secondPath
	case signin.Enrol:
		return enrolPath
	}
	return signInPath
}

// showSecond asks for a second factor. Only who has proved the first one sees which there
// are.
func (s *Site) showSecond(v *pages.Visit, f signin.Flow) (pages.Answer, error) {
	own, err := s.Desk.SecondFactors(ctxOf(v), f.User)
	return pages.Answer{View: "second", Title: "second.title", Data: own}, err
}

func (s *Site) second(v *pages.Visit, f signin.Flow) (pages.Answer, error) {
	previous, _, err := s.session(v)
	if err != nil {
		return pages.Answer{}, err
	}
	next, err := s.Desk.WithSecondCode(ctxOf(v), f, v.Form("code"), v.Lang(), previous, visitor(v))
	switch {
	case errors.Is(err, account.ErrWrong):
		v.Mark("code", "wrong.code")
		return v.Again(), nil
	case err != nil:
		return s.over(v, err)
	}
	return s.proceed(v, next)
}

// asked is what the page shows that asks for a passkey.
type asked struct {
	account.Ceremony
	Auto  bool   // ask at once
	Other string // the page with the other ways
}

func (s *Site) showPasskey(v *pages.Visit, f signin.Flow) (pages.Answer, error) {
	ceremony, err := s.Desk.AskPasskey(f)
	return pages.Answer{
		View: "passkey", Title: "passkey.title", Script: "passkey",
		Data: asked{ceremony, v.Request.Method == http.MethodGet && v.Captcha == nil, stepOf(f)},
	}, err
}

// passkey begins an attempt without an address, or takes what a passkey has answered.
func (s *Site) passkey(v *pages.Visit) (pages.Answer, error) {
	if !v.Request.PostForm.Has("response") {
		token, err := s.Desk.Begin(ctxOf(v), "", visitor(v))
		if err != nil {
			return pages.Answer{}, err
		}
		v.SetCookie(flowCookie, token.Text(), flowFor)
		return v.Go(passkeyPath), nil
	}
	f, err := s.flow(v)
	if err != nil {
		return s.over(v, err)
	}
	var previous session.Session
	if previous, _, err = s.session(v); err != nil {
		return pages.Answer{}, err
	}
	next, err := s.Desk.WithPasskey(ctxOf(v), f, v.Form("challenge"), v.Form("response"), previous, visitor(v))
	switch {
	case errors.Is(err, account.ErrWrong):
		v.Because(err)
		v.Tell("wrong.passkey")
		return v.Again(), nil
	case err != nil:
		return s.over(v, err)
	}
	return s.proceed(v, next)
}
