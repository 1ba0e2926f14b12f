// Package admin has the pages on which people of staff sign in. shared/account/admin decides.
package admin

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"net/http"
	"time"

	"portico/shared/account"
	"portico/shared/account/admin"
	"portico/shared/captcha"
	"portico/shared/pages"
	"portico/shared/provider"
	"portico/shared/secret"
	"portico/shared/session"
	"portico/shared/signin"
	"portico/shared/staff"
)

//go:embed *.html texts
var files embed.FS

// Files are the templates and texts of the pages.
func Files() fs.FS { return files }

// Site serves the pages.
type Site struct {
	Desk *admin.Desk
}

// The function is that of signing in, which alone may read credentials.
const function = "sign-in"

const (
	home        = "/admin"
	passkeyPath = home + "/passkey"
)

// The cookies of staff are not those of customers: who is both stays both.
const (
	sessionCookie = "portico-staff"
	flowCookie    = "portico-staff-flow"
	flowFor       = 10 * time.Minute
	sessionFor    = 8 * time.Hour
)

// Pages lists all pages of the site, for the frame and for the gateway.
func (s *Site) Pages() []pages.Page {
	limit := captcha.Challenge{Name: "admin", After: 20, Window: time.Minute}
	return []pages.Page{
		{ID: "admin", Path: home, Function: function, Show: s.show},
		{ID: "adminPasskey", Path: passkeyPath, Function: function, Show: s.showPasskey, Act: s.passkey, Limit: limit, Records: "staff.enter"},
		{ID: "adminCompany", Path: home + "/company", Function: function, Act: s.visit, Limit: limit, Records: "none: the provider's answer signs in"},
		{ID: "adminCallback", Path: admin.CallbackPath, Function: function, Show: s.arrive},
		{ID: "adminSignOut", Path: home + "/sign-out", Function: function, Act: s.signOut, Limit: limit, Records: "session.end"},
	}
}

// show is the first page: who of staff has signed in, or how to.
func (s *Site) show(v *pages.Visit) (pages.Answer, error) {
	own, person, err := s.present(v)
	switch {
	case err != nil:
		return pages.Answer{}, err
	case own.ID.IsZero():
		return pages.Answer{View: "admin_sign_in", Title: "admin.sign_in", Data: s.Desk.Company != nil}, nil
	}
	return pages.Answer{View: "admin", Title: "admin.title", Data: struct {
		Person staff.Person
		EndsAt time.Time
	}{person, own.EndsAt.UTC()}}, nil
}

// present returns the session of the browser and whose it is; zero: there is none.
func (s *Site) present(v *pages.Visit) (session.Session, staff.Person, error) {
	cookie, err := session.Parse(v.Cookie(sessionCookie))
	if err != nil {
		return session.Session{}, staff.Person{}, nil
	}
	own, person, err := s.Desk.Present(ctxOf(v), cookie)
	var ended session.Ended
	if errors.Is(err, session.ErrNone) || errors.As(err, &ended) {
		return session.Session{}, staff.Person{}, nil
	}
	return own, person, err
}

func (s *Site) showPasskey(v *pages.Visit) (pages.Answer, error) {
	f, err := s.flow(v)
	switch {
	case errors.Is(err, signin.ErrOver):
		return v.Go(home), nil
	case err != nil:
		return pages.Answer{}, err
	}
	ceremony, err := s.Desk.AskPasskey(f)
	return pages.Answer{View: "admin_passkey", Title: "passkey.title", Script: "passkey", Data: ceremony}, err
}

// passkey begins an attempt, or takes what a passkey has answered.
func (s *Site) passkey(v *pages.Visit) (pages.Answer, error) {
	if !v.Request.PostForm.Has("response") {
		token, err := s.Desk.Begin(ctxOf(v))
		if err != nil {
			return pages.Answer{}, err
		}
		v.SetCookie(flowCookie, token.Text(), flowFor)
		return v.Go(passkeyPath), nil
	}
	return s.enter(v, func(f signin.Flow, previous session.Session) (session.Cookie, error) {
		return s.Desk.WithPasskey(ctxOf(v), f, v.Form("challenge"), v.Form("response"), previous, visitor(v))
	})
}

func (s *Site) visit(v *pages.Visit) (pages.Answer, error) {
	url, token, err := s.Desk.Visit(ctxOf(v))
	if err != nil {
		return refused(v, err)
	}
	v.SetCookie(flowCookie, token.Text(), flowFor)
	return v.Leave(url), nil
}

// arrive is where the company's provider sends the browser back to.
func (s *Site) arrive(v *pages.Visit) (pages.Answer, error) {
	return s.enter(v, func(f signin.Flow, previous session.Session) (session.Cookie, error) {
		answer := provider.Answer{Code: v.Query("code"), State: v.Query("state"), Issuer: v.Query("iss"), Error: v.Query("error")}
		return s.Desk.Arrive(ctxOf(v), f, answer, previous, visitor(v))
	})
}

// enter lets whoever proves in the attempt of the browser that they are staff in.
func (s *Site) enter(v *pages.Visit, prove func(signin.Flow, session.Session) (session.Cookie, error)) (pages.Answer, error) {
	f, err := s.flow(v)
	if err != nil {
		return refused(v, err)
	}
	previous, _, err := s.present(v)
	if err != nil {
		return pages.Answer{}, err
	}
	cookie, err := prove(f, previous)
	if err != nil {
		return refused(v, err)
	}
	v.SetCookie(flowCookie, "", 0)
	v.SetCookie(sessionCookie, cookie.Text(), sessionFor)
	return v.Go(home), nil
}

// flow returns the attempt of the browser, or signin.ErrOver.
func (s *Site) flow(v *pages.Visit) (signin.Flow, error) {
	token, err := secret.ParseToken(v.Cookie(flowCookie))
	if err != nil {
		return signin.Flow{}, signin.ErrOver
	}
	return s.Desk.Find(ctxOf(v), token)
}

func (s *Site) signOut(v *pages.Visit) (pages.Answer, error) {
	own, _, err := s.present(v)
	if err == nil && !own.ID.IsZero() {
		err = s.Desk.Leave(ctxOf(v), own.User, own.ID, session.SignedOut, visitor(v))
	}
	if err != nil {
		return pages.Answer{}, err
	}
	v.SetCookie(sessionCookie, "", 0)
	return v.Go(home), nil
}

// refused is the one page for whoever is not let in, and does not say why: the log does.
func refused(v *pages.Visit, err error) (pages.Answer, error) {
	for _, known := range []error{account.ErrWrong, account.ErrNoProvider, provider.ErrCancelled, provider.ErrAway, provider.ErrRefused, signin.ErrOver, signin.ErrStep} {
		if errors.Is(err, known) {
			v.Note(err)
			return pages.Answer{Status: http.StatusForbidden, View: "admin_refused", Title: "admin.refused"}, nil
		}
	}
	return pages.Answer{}, err
}

func visitor(v *pages.Visit) account.Visitor {
	return account.Visitor{Host: v.Host(), Locale: v.Lang(), Human: v.Solve, Origin: v.Origin()}
}

func ctxOf(v *pages.Visit) context.Context { return v.Request.Context() }
