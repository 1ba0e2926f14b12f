package signin

import (
	"cmp"

	"errors"

	"portico/shared/account"
	"portico/shared/captcha"
	"portico/shared/mail"
	"portico/shared/pages"
	"portico/shared/secret"
	"portico/shared/session"
	"portico/shared/signin"
	"portico/shared/sso"
)

const passwordPath = "/sign-in/password"

func (s *Site) showSignIn(v *pages.Visit) (pages.Answer, error) {
	_, in, err := s.session(v)
	switch {
	case err != nil:
		return pages.Answer{}, err
	case in:
		return v.Go(accountPath), nil
	case !v.Org().IsZero():
		return s.sendHome(v)
	}
	return pages.Answer{View: "sign_in", Title: "sign_in.title", Data: s.offered()}, nil
}

// flowCookie names the attempt of the browser.
const (
	flowCookie = signin.FlowCookie
	flowFor    = signin.FlowFor
)

// address begins an attempt and leads on to the password, whether the address is known or
// not.
func (s *Site) address(v *pages.Visit) (pages.Answer, error) {
	if !v.Org().IsZero() {
		return v.Go(signInPath), nil
	}
	address := readAddress(v)
	if address == "" {
		return v.Again(), nil
	}
	// The link of an attempt works in its browser only, so the attempt goes on.
	if f, err := s.flow(v); err == nil && f.Mailed() && f.State == signin.Identified && f.Email == address {
		return v.Go(passwordPath), nil
	}
	token, err := s.Desk.Begin(ctxOf(v), address, visitor(v))
	if err != nil {
		return pages.Answer{}, err
	}
	v.SetCookie(flowCookie, token.Text(), flowFor)
	return s.after(v, address)
}

// flow returns the attempt of the browser, or signin.ErrOver.
func (s *Site) flow(v *pages.Visit) (signin.Flow, error) {
	token, err := secret.ParseToken(v.Cookie(flowCookie))
	if err != nil {
		return signin.Flow{}, signin.ErrOver
	}
	return s.Desk.Attempts.Find(ctxOf(v), token, v.Host())
}

// readAddress reads the address of a form, or marks it.
func readAddress(v *pages.Visit) string {
	address := mail.CleanAddress(v.Form("email"))
	if address == "" {
		v.Mark("email", "wrong.email")
	}
	return address
}

// showPassword asks for the password of the address before.
func (s *Site) showPassword(v *pages.Visit) (pages.Answer, error) {
	f, err := s.flow(v)
	switch {
	case errors.Is(err, signin.ErrOver):
		return v.Go(signInPath), nil
	case err != nil:
		return pages.Answer{}, err
	case f.State != signin.Identified:
		return v.Go(stepOf(f)), nil
	}
	c, err := s.connectionFor(v, f.Email)
	if errors.Is(err, sso.ErrNotFound) {
		err = nil
	}
	return pages.Answer{View: "password", Title: "password.title", Data: struct{ Email, Connection string }{f.Email, c.Name}}, err
}

func (s *Site) password(v *pages.Visit) (pages.Answer, error) {
	f, err := s.flow(v)
	if err != nil {
		return s.over(v, err)
	}
	previous, _, err := s.session(v)
	if err != nil {
		return pages.Answer{}, err
	}
	next, err := s.Desk.WithPassword(ctxOf(v), f, v.Form("password"), previous, visitor(v))
	switch {
	case errors.Is(err, account.ErrWrong):
		v.Mark("password", "wrong.password")
		return v.Again(), nil
	case err != nil:
		return s.over(v, err)
	}
	return s.proceed(v, next)
}

// proceed leads to what is demanded, or gives the browser its session.
func (s *Site) proceed(v *pages.Visit, next account.Next) (pages.Answer, error) {
	if next.Demand != "" {
		return v.Go(stepOf(signin.Flow{State: next.Demand})), nil
	}
	v.SetCookie(flowCookie, "", 0)
	begun, err := s.begin(v, next.Session, next.Cookie)
	if err == nil && next.To != "" {
		return v.Go(next.To), nil
	}
	return begun, err
}

// over leads back to the beginning when an attempt has ended, or another request of the
// same browser was faster. It shows the form again if too many proofs of the account have
// failed. Any other error is returned.
func (s *Site) over(v *pages.Visit, err error) (pages.Answer, error) {
	var wait signin.Wait
	switch {
	case errors.Is(err, account.ErrNotAdmitted):
		return notProven(v, err, signInPath)
	case errors.As(err, &wait):
		return v.Later("wrong.wait", wait.Until.Sub(s.Clock.Now())), nil
	case errors.Is(err, captcha.ErrRequired), errors.Is(err, captcha.ErrInvalid):
		return v.Again(), nil // with the CAPTCHA
	}
	if !errors.Is(err, signin.ErrOver) && !errors.Is(err, signin.ErrStep) {
		return pages.Answer{}, err
	}
	v.SetCookie(flowCookie, "", 0)
	return v.Go(signInPath), nil
}

func (s *Site) showSignOut(*pages.Visit) (pages.Answer, error) {
	return pages.Answer{View: "sign_out", Title: "sign_out.title"}, nil
}

// signOut ends the session, if there is one, and with it the one that has handed over:
// otherwise whoever has the browser next would be signed in again by a click.
func (s *Site) signOut(v *pages.Visit) (pages.Answer, error) {
	found, in, err := s.session(v)
	if in {
		err = s.Desk.Leave(ctxOf(v), found.User, cmp.Or(found.Parent, found.ID), session.SignedOut, visitor(v))
	}
	if err != nil {
		return pages.Answer{}, err
	}
	v.SetCookie(sessionCookie, "", 0)
	return v.Go(signInPath), nil
}
