package signin

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"portico/shared/pages"
	"portico/shared/secret"
	"portico/shared/session"
	"portico/shared/signin"
)

// People sign in at the site's own host only. The host of an organization sends them there
// and takes them over when they come back.
const (
	handOffPath  = signInPath + "/hand-off"
	takeOverPath = signInPath + "/take-over"
	// stateCookie binds what comes back to the browser that was sent away.
	stateCookie = "portico-state"
	stateFor    = 30 * time.Minute
)

func (s *Site) handOffPages() []pages.Page {
	return []pages.Page{
		{ID: "handOff", Path: handOffPath, Function: function, Show: s.handOff},
		{ID: "takeOver", Path: takeOverPath, Function: function, AtOrganizations: true, Show: s.takeOver},
	}
}

// sendHome sends a browser from the host of an organization to the site's own.
func (s *Site) sendHome(v *pages.Visit) (pages.Answer, error) {
	state := secret.NewToken()
	v.SetCookie(stateCookie, state.Text(), stateFor)
	return v.Redirect(s.Desk.Public + handOffPath + "?" + url.Values{"host": {v.Host()}, "state": {state.Hash()}}.Encode()), nil
}

// handOff leads a person, after signing in, back to the host of an organization. Nothing
// but a code comes of it, which works in the browser that this host has sent.
func (s *Site) handOff(v *pages.Visit) (pages.Answer, error) {
	host := v.Query("host")
	org, err := s.Hosts.Org(ctxOf(v), host)
	if err != nil {
		return pages.Answer{}, err
	}
	if org.IsZero() || strings.Contains(host, ":") { // Org ignores a port
		return told("done", "hand_off.none")(v)
	}
	own, in, err := s.session(v)
	if err != nil {
		return pages.Answer{}, err
	}
	if !in {
		v.SetCookie(toCookie, v.Request.URL.RequestURI(), toFor)
		return v.Go(signInPath), nil
	}
	code, err := s.Desk.HandOver(ctxOf(v), own, org, host, v.Query("state"), visitor(v))
	if err != nil {
		return s.notHandedOver(v, err)
	}
	return v.Redirect(s.Hosts.At(host, takeOverPath) + "?" + url.Values{"code": {code.Text()}}.Encode()), nil
}

// notHandedOver says why an organization does not let the session in. Who signs in again
// comes back.
func (s *Site) notHandedOver(v *pages.Visit, err error) (pages.Answer, error) {
	key := notEntered(err)
	switch {
	case errors.Is(err, session.ErrNone): // it has just ended elsewhere
		return v.Go(signInPath), nil
	case key == "":
		return pages.Answer{}, err
	}
	v.SetCookie(toCookie, v.Request.URL.RequestURI(), toFor)
	return pages.Answer{View: "not_entered", Title: "hand_off.title", Data: key}, nil
}

// takeOver gives the browser a session at the host of an organization.
func (s *Site) takeOver(v *pages.Visit) (pages.Answer, error) {
	code, bad := secret.ParseToken(v.Query("code"))
	state, worse := secret.ParseToken(v.Cookie(stateCookie))
	if v.Org().IsZero() || bad != nil || worse != nil {
		return told("done", "hand_off.again")(v)
	}
	v.SetCookie(stateCookie, "", 0)
	begun, cookie, err := s.Desk.TakeOver(ctxOf(v), code, state, visitor(v))
	switch {
	case err == nil:
		s.keep(v, begun, cookie)
		return v.Go(accountPath), nil
	case notEntered(err) != "", errors.Is(err, signin.ErrNone), errors.Is(err, signin.ErrUsed), errors.Is(err, signin.ErrElsewhere), errors.Is(err, signin.ErrChanged), errors.Is(err, signin.ErrSuspended), errors.Is(err, session.ErrNone):
		v.Note(err)
		return told("done", "hand_off.again")(v)
	}
	return pages.Answer{}, err
}

// atOrganization is what a person sees of the account at the host of an organization.
func (s *Site) atOrganization(v *pages.Visit, own session.Session) (pages.Answer, error) {
	email, err := s.Desk.Address(ctxOf(v), own.User)
	return pages.Answer{View: "account_here", Title: "account.title", Data: struct{ Email, Account string }{email, s.Desk.Public + accountPath}}, err
}
