package signin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"portico/shared/account"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/oauth"
	"portico/shared/pages"
	"portico/shared/pages/permission"
	"portico/shared/session"
	"portico/shared/signin"
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
		r, err := s.Desk.Apps.Read(ctxOf(v), v.Request.URL.Query())
		if errors.Is(err, oauth.ErrStranger) {
			return pages.Answer{Status: http.StatusBadRequest, View: "done", Title: "authorize.stranger.title", Data: "authorize.stranger.text"}, nil
		}
		if err != nil {
			return s.tell(v, r, err)
		}
		own, in, err := s.session(v)
		if in {
			own, err = s.Policies.Stays(ctxOf(v), own)
		}
		if errors.As(err, new(session.Ended)) {
			in, err = false, nil
		}
		switch {
		case err != nil:
			return pages.Answer{}, err
		case r.Silent && !in:
			return s.tell(v, r, oauth.Error{Code: oauth.LoginRequired, Description: "the person is not signed in"})
		case r.Silent:
			return s.tell(v, r, oauth.Error{Code: oauth.ConsentRequired, Description: "the person is always asked"})
		case !in:
			return s.signInFirst(v), nil
		case r.Stale(own.SignedInAt, s.Clock.Now()):
			s.returns(v)
			return again(v, oauth.AuthorizePath), nil
		}
		return page(v, own, r)
	}
}

// signInFirst leads a person to signing in, and then back.
func (s *Site) signInFirst(v *pages.Visit) pages.Answer {
	s.returns(v)
	return v.Go(signInPath)
}

// returns leads the person back here after signing in. They have then signed in lately, so
// the page does not demand it once more; the app checks auth_time.
func (s *Site) returns(v *pages.Visit) {
	query := v.Request.URL.Query()
	query.Del("prompt")
	query.Del("max_age")
	v.SetCookie(toCookie, oauth.AuthorizePath+"?"+query.Encode(), toFor)
}

// tell leads back to the app with an error. Any other error is returned.
func (s *Site) tell(v *pages.Visit, r oauth.Request, err error) (pages.Answer, error) {
	var known oauth.Error
	if !errors.As(err, &known) {
		return pages.Answer{}, err
	}
	return v.Redirect(r.Reply(s.Desk.Apps.Resource, "error", known.Code, "error_description", known.Description)), nil
}

// consent is what the page shows.
type consent struct {
	oauth.Question
	permitted
}

func (s *Site) person(v *pages.Visit, own session.Session) oauth.Person {
	return oauth.Person{
		User: own.User, Org: own.Org, ProvedAt: own.SignedInAt, Methods: signin.References(own.Factors), Bound: account.Bound(own), By: visitor(v).Origin,
		Live: func(ctx context.Context) error { return s.Sessions.Live(ctx, own) },
	}
}

func (s *Site) showConsent(v *pages.Visit, own session.Session, r oauth.Request) (pages.Answer, error) {
	q, err := s.Desk.Apps.Ask(ctxOf(v), r, s.person(v, own))
	if err != nil {
		return s.tell(v, r, err)
	}
	v.Leads(r.Redirect)
	shown := consent{q, permittedBy(r.Scopes, v.Lang())}
	return pages.Answer{View: "authorize", Title: "authorize.title", Data: shown}, nil
}

func (s *Site) consent(v *pages.Visit, own session.Session, r oauth.Request) (pages.Answer, error) {
	if v.Form("decision") != "allow" {
		return s.tell(v, r, oauth.Error{Code: oauth.AccessDenied, Description: "the person has refused"})
	}
	code, err := s.Desk.Apps.Allow(ctxOf(v), r, s.person(v, own))
	switch {
	case errors.Is(err, session.ErrNone), errors.As(err, new(session.Ended)): // just now
		return s.signInFirst(v), nil
	case err != nil:
		return s.tell(v, r, err)
	}
	return v.Redirect(r.Reply(s.Desk.Apps.Resource, "code", code)), nil
}

const appsPath = accountPath + "/apps"

// letIn is an app as the page shows it.
type letIn struct {
	oauth.LetIn
	Grants []ownGrant
}

type ownGrant struct {
	oauth.OwnGrant
	permitted
}

// showApps lists the apps that the person has let in: who has come by an organization's
// connection sees those of this organization.
func (s *Site) showApps(v *pages.Visit, own session.Session) (pages.Answer, error) {
	list, err := s.Desk.Apps.LetIn(ctxOf(v), own.User, reach(own))
	if err != nil {
		return pages.Answer{}, err
	}
	var shown []letIn
	for _, app := range list {
		one := letIn{LetIn: app}
		for _, g := range app.Grants {
			one.Grants = append(one.Grants, ownGrant{g, permittedBy(g.Scopes, v.Lang())})
		}
		shown = append(shown, one)
	}
	return pages.Answer{View: "apps", Title: "apps.title", Data: shown}, nil
}

// takeAway ends the access of an app.
func (s *Site) takeAway(v *pages.Visit, own session.Session) (pages.Answer, error) {
	if app, err := id.Parse[id.OAuthClient](v.Form("app")); err == nil {
		err = s.Desk.TakeAway(ctxOf(v), own.User, reach(own), app, visitor(v))
		if err != nil && !errors.Is(err, oauth.ErrNotFound) { // one that is not there does not show up again either
			return pages.Answer{}, err
		}
	}
	return v.Go(appsPath), nil
}

// reach is the only organization whose apps a session may see; zero: it may see all.
func reach(own session.Session) id.Org {
	if account.Bound(own) {
		return own.Org
	}
	return id.Org{}
}

// permitted is what an app may do, in words.
type permitted struct {
	About       []string // the keys of texts: what the app learns of the person
	Permissions []string
	Lasting     bool
}

func permittedBy(scopes []string, lang string) (p permitted) {
	for _, scope := range scopes {
		switch {
		case scope == oauth.OfflineAccess:
			p.Lasting = true
		case slices.Contains(oauth.About, scope):
			p.About = append(p.About, "authorize."+scope)
		default:
			p.Permissions = append(p.Permissions, permission.In(lang, auth.Permission(scope)))
		}
	}
	return p
}
