package signin

import (
	"errors"
	"net/http"
	"time"

	"portico/shared/auth"
	"portico/shared/oauth"
	"portico/shared/pages"
	"portico/shared/session"
)

// toCookie says where a person goes after signing in, if an app has led them here.
const (
	toCookie = "portico-to"
	toFor    = 30 * time.Minute
)

// asked is a page that answers the request of an app to a person who is signed in. The
// app is told of errors only if it is known where it may be told.
func (s *Site) asked(page func(*pages.Visit, session.Session, oauth.Request) (pages.Answer, error)) func(*pages.Visit) (pages.Answer, error) {
	return func(v *pages.Visit) (pages.Answer, error) {
		r, err := s.Apps.Read(ctxOf(v), v.Request.URL.Query())
		if errors.Is(err, oauth.ErrStranger) {
			return pages.Answer{Status: http.StatusBadRequest, View: "done", Title: "authorize.stranger.title", Data: "authorize.stranger.text"}, nil
		}
		if err != nil {
			return s.tell(v, r, err)
		}
		own, in, err := s.session(v)
		switch {
		case err != nil:
			return pages.Answer{}, err
		case r.Silent && !in:
			return s.tell(v, r, oauth.Error{Code: oauth.LoginRequired, Description: "the person is not signed in"})
		case r.Silent:
			return s.tell(v, r, oauth.Error{Code: oauth.ConsentRequired, Description: "the person is always asked"})
		case !in:
			v.SetCookie(toCookie, v.Request.URL.RequestURI(), toFor)
			return v.Go(signInPath), nil
		}
		return page(v, own, r)
	}
}

// tell leads back to the app with an error. Any other error is returned.
func (s *Site) tell(v *pages.Visit, r oauth.Request, err error) (pages.Answer, error) {
	var known oauth.Error
	if !errors.As(err, &known) {
		return pages.Answer{}, err
	}
	return v.Redirect(r.Reply(s.Apps.Resource, "error", known.Code, "error_description", known.Description)), nil
}

// consent is what the page shows.
type consent struct {
	oauth.Question
	Permissions []string // in the words of the registry
	Lasting     bool
}

func person(v *pages.Visit, own session.Session) oauth.Person {
	return oauth.Person{User: own.User, Org: own.Org, ProvedAt: own.SignedInAt, By: visitor(v).Origin}
}

func (s *Site) showConsent(v *pages.Visit, own session.Session, r oauth.Request) (pages.Answer, error) {
	q, err := s.Apps.Ask(ctxOf(v), r, person(v, own))
	if err != nil {
		return s.tell(v, r, err)
	}
	v.Leads(r.Redirect)
	shown := consent{Question: q}
	for _, scope := range r.Scopes {
		if scope == oauth.OfflineAccess {
			shown.Lasting = true
			continue
		}
		shown.Permissions = append(shown.Permissions, auth.Scopes()[auth.Permission(scope)])
	}
	return pages.Answer{View: "authorize", Title: "authorize.title", Data: shown}, nil
}

func (s *Site) consent(v *pages.Visit, own session.Session, r oauth.Request) (pages.Answer, error) {
	if v.Form("decision") != "allow" {
		return s.tell(v, r, oauth.Error{Code: oauth.AccessDenied, Description: "the person has refused"})
	}
	code, err := s.Apps.Allow(ctxOf(v), r, person(v, own))
	if err != nil {
		return s.tell(v, r, err)
	}
	return v.Redirect(r.Reply(s.Apps.Resource, "code", code)), nil
}
