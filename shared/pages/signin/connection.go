package signin

import (
	"errors"

	"portico/shared/account"
	"portico/shared/pages"
	"portico/shared/provider"
	"portico/shared/signin"
	"portico/shared/sso"
)

// ssoPath offers the connection of an address.
const ssoPath = "/sign-in/sso"

// connectionPages are those of signing in by an organization's connection.
func (s *Site) connectionPages() []pages.Page {
	return []pages.Page{
		{ID: "signInWithConnection", Path: ssoPath, Function: function, Show: s.attempt(s.showConnection, signin.Identified), Act: s.attempt(s.toConnection, signin.Identified), Limit: perMinute("sign-in", 20), Records: "none: the provider's answer signs in"},
		{ID: "backFromConnection", Path: sso.CallbackPath, Function: function, Show: s.arriveOpenID},
	}
}

// connectionFor returns the connection of an address, or sso.ErrNotFound. What it finds
// tells of the domain, and of no person.
func (s *Site) connectionFor(v *pages.Visit, email string) (sso.Found, error) {
	of, err := s.Hosts.Org(ctxOf(v), sso.DomainOf(email))
	if err != nil {
		return sso.Found{}, err
	}
	return s.Desk.ConnectionFor(ctxOf(v), of, email)
}

// after returns the page that follows the address: that of a connection without which nobody
// enters the organization, or the password.
func (s *Site) after(v *pages.Visit, email string) (pages.Answer, error) {
	c, err := s.connectionFor(v, email)
	switch {
	case err == nil && c.Enforced:
		return v.Go(ssoPath), nil
	case err == nil, errors.Is(err, sso.ErrNotFound):
		return v.Go(passwordPath), nil
	}
	return pages.Answer{}, err
}

func (s *Site) showConnection(v *pages.Visit, f signin.Flow) (pages.Answer, error) {
	c, err := s.connectionFor(v, f.Email)
	if errors.Is(err, sso.ErrNotFound) {
		return v.Go(passwordPath), nil
	}
	return pages.Answer{View: "connection", Title: "sign_in.title", Data: struct{ Email, Name string }{f.Email, c.Name}}, err
}

// toConnection sends the browser to the provider.
func (s *Site) toConnection(v *pages.Visit, f signin.Flow) (pages.Answer, error) {
	c, err := s.connectionFor(v, f.Email)
	if errors.Is(err, sso.ErrNotFound) {
		return v.Go(passwordPath), nil
	}
	if err != nil {
		return pages.Answer{}, err
	}
	var url string
	if c.Type == sso.SAML {
		url, err = s.SAML.Begin(ctxOf(v), f, c)
	} else {
		url, err = s.Desk.BeginOpenID(ctxOf(v), f, c)
	}
	if err != nil {
		return s.over(v, err)
	}
	return v.Leave(url), nil
}

// arriveOpenID is where providers of OpenID Connect send the browser back to. Like arrive it
// acts on a GET.
func (s *Site) arriveOpenID(v *pages.Visit) (pages.Answer, error) {
	present, _, err := s.session(v)
	if err != nil {
		return pages.Answer{}, err
	}
	f, err := s.flow(v)
	if err != nil {
		return notProven(v, err, signInPath)
	}
	next, err := s.Desk.ArriveOpenID(ctxOf(v), account.Return{
		Flow: f, Present: present,
		Answer: provider.Answer{Code: v.Query("code"), State: v.Query("state"), Issuer: v.Query("iss"), Error: v.Query("error")},
	}, visitor(v))
	if err != nil {
		return notProven(v, err, signInPath)
	}
	return s.proceed(v, next)
}
