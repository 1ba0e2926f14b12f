package signin

import (
	"errors"

	"portico/shared/pages"
	"portico/shared/session"
	"portico/shared/signin"
)

const passwordPath = "/sign-in/password"

func (s *Site) showSignIn(v *pages.Visit) (pages.Answer, error) {
	_, in, err := s.session(v)
	switch {
	case err != nil:
		return pages.Answer{}, err
	case in:
		return v.Go(accountPath), nil
	}
	return pages.Answer{View: "sign_in", Title: "sign_in.title"}, nil
}

// address leads on to the password, whether the address is known or not.
func (s *Site) address(v *pages.Visit) (pages.Answer, error) {
	if readAddress(v) == "" {
		return v.Again(), nil
	}
	return s.showPassword(v)
}

// readAddress reads the address of a form, or marks it.
func readAddress(v *pages.Visit) string {
	address := signin.CleanAddress(v.Form("email"))
	if address == "" {
		v.Mark("email", "wrong.email")
	}
	return address
}

// showPassword asks for the password of the address before.
func (s *Site) showPassword(v *pages.Visit) (pages.Answer, error) {
	address := signin.CleanAddress(v.Form("email"))
	if address == "" {
		return v.Go(signInPath), nil
	}
	return pages.Answer{View: "password", Title: "password.title", Data: address}, nil
}

func (s *Site) password(v *pages.Visit) (pages.Answer, error) {
	begun, cookie, err := s.Desk.WithPassword(ctxOf(v), signin.CleanAddress(v.Form("email")), v.Form("password"), visitor(v))
	switch {
	case errors.Is(err, signin.ErrWrong):
		v.Mark("password", "wrong.password")
		return v.Again(), nil
	case err != nil:
		return pages.Answer{}, err
	}
	return s.begin(v, begun, cookie), nil
}

func (s *Site) showSignOut(*pages.Visit) (pages.Answer, error) {
	return pages.Answer{View: "sign_out", Title: "sign_out.title"}, nil
}

// signOut ends the session, if there is one.
func (s *Site) signOut(v *pages.Visit) (pages.Answer, error) {
	found, in, err := s.session(v)
	if in {
		err = s.Sessions.Revoke(ctxOf(v), found.User, found.ID, session.SignedOut)
	}
	if err != nil && !errors.Is(err, session.ErrNone) {
		return pages.Answer{}, err
	}
	v.SetCookie(sessionCookie, "", 0)
	return v.Go(signInPath), nil
}
