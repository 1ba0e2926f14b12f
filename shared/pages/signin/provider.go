package signin

import (
	"errors"
	"net/http"

	"portico/shared/account"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/pages"
	"portico/shared/provider"
	"portico/shared/signin"
	"portico/shared/sso"
)

// providers are in the order in which pages show them.
var providers = []string{account.Google, account.GitHub}

// providerPath and backPath are where the way to a provider begins and ends.
func providerPath(name string) string { return signInPath + "/" + name }
func backPath(name string) string     { return providerPath(name) + "/callback" }

// completePath is where somebody who is new completes the account.
const completePath = "/sign-up/complete"

// providerPages are those of each provider, and of what follows.
func (s *Site) providerPages() []pages.Page {
	all := []pages.Page{
		{ID: "completeSignUp", Path: completePath, Function: function, Show: s.showComplete, Act: s.complete, Limit: perMinute("sign-up", 10), Records: "provider_account.link"},
		{ID: "linkedAccounts", Path: account.LinkedPath, Function: function, Show: s.signedIn(s.showLinked)},
		{ID: "linkAccount", Path: account.LinkedPath + "/add", Function: function, Act: s.recent(account.LinkedPath, s.addLinked), Limit: perMinute("account", 20), Records: "none: the provider's answer links the account"},
		{ID: "unlinkAccount", Path: account.LinkedPath + "/remove", Function: function, Act: s.recent(account.LinkedPath, s.removeLinked), Limit: perMinute("account", 20), Records: "provider_account.unlink"},
	}
	all = append(all, pages.Page{ID: "arriveSAML", Path: sso.ArrivedPath, Function: function, Show: s.arriveSAML})
	for _, name := range providers {
		all = append(all,
			pages.Page{ID: "signInWith" + account.ProviderNames[name], Path: providerPath(name), Function: function, Act: s.visit(name), Limit: perMinute("sign-in", 20), Records: "none: the provider's answer signs in"},
			pages.Page{ID: "backFrom" + account.ProviderNames[name], Path: backPath(name), Function: function, Show: s.arrive(name)})
	}
	return all
}

// offered lists the providers that a person can choose, with what people call them.
func (s *Site) offered() (list []offer) {
	for _, name := range providers {
		if s.Desk.Providers[name] != nil {
			list = append(list, offer{name, account.ProviderNames[name]})
		}
	}
	return list
}

type offer struct{ ID, Name string }

// visit sends the browser to a provider to sign in.
func (s *Site) visit(name string) func(*pages.Visit) (pages.Answer, error) {
	return func(v *pages.Visit) (pages.Answer, error) { return s.leave(v, name, id.User{}) }
}

func (s *Site) leave(v *pages.Visit, name string, user id.User) (pages.Answer, error) {
	url, token, err := s.Desk.Visit(ctxOf(v), name, user, visitor(v))
	if err != nil {
		return notProven(v, err, s.again(user))
	}
	v.SetCookie(flowCookie, token.Text(), flowFor)
	return v.Leave(url), nil
}

// again is where a person tries again.
func (s *Site) again(user id.User) string {
	if user.IsZero() {
		return signInPath
	}
	return account.LinkedPath
}

// arrive is where a provider sends the browser back to. It is the one page that acts on a
// GET: the state in it belongs to the attempt of the browser, and is used once.
func (s *Site) arrive(name string) func(*pages.Visit) (pages.Answer, error) {
	return func(v *pages.Visit) (pages.Answer, error) {
		present, _, err := s.session(v)
		if err != nil {
			return pages.Answer{}, err
		}
		again := s.again(present.User)
		f, err := s.flow(v)
		if err != nil {
			return notProven(v, err, again)
		}
		next, err := s.Desk.Arrive(ctxOf(v), account.Return{
			Provider: name, Flow: f, Present: present, Locale: v.Lang(),
			Answer: provider.Answer{Code: v.Query("code"), State: v.Query("state"), Issuer: v.Query("iss"), Error: v.Query("error")},
		}, visitor(v))
		switch {
		case errors.Is(err, account.ErrIncomplete):
			return v.Go(completePath), nil
		case errors.Is(err, account.ErrMailed):
			return v.Go(signUpSentPath), nil
		case err != nil:
			if a, err := stepUp(v, account.LinkedPath, err); err == nil {
				return a, nil
			}
			return notProven(v, err, again)
		}
		return s.proceed(v, next)
	}
}

// arriveSAML goes on with a provider's response, which waits in the attempt of the browser.
// Like arrive it acts on a GET.
func (s *Site) arriveSAML(v *pages.Visit) (pages.Answer, error) {
	present, _, err := s.session(v)
	if err != nil {
		return pages.Answer{}, err
	}
	f, err := s.flow(v)
	if err != nil {
		return notProven(v, err, signInPath)
	}
	next, err := s.SAML.Arrive(ctxOf(v), f, present, visitor(v))
	if err != nil {
		return notProven(v, err, signInPath)
	}
	return s.proceed(v, next)
}

// why are the pages for what a provider's answer does not lead to.
var why = []struct {
	err    error
	status int
	key    string
}{
	{account.ErrNoProvider, http.StatusNotFound, "provider.missing"},
	{provider.ErrCancelled, http.StatusOK, "provider.cancelled"},
	{provider.ErrAway, http.StatusServiceUnavailable, "provider.away"},
	{provider.ErrRefused, http.StatusBadRequest, "provider.refused"},
	{signin.ErrOver, http.StatusBadRequest, "provider.refused"},
	{signin.ErrStep, http.StatusBadRequest, "provider.refused"},
	{account.ErrNotAdmitted, http.StatusForbidden, "connection.refused"},
	{account.ErrWrong, http.StatusForbidden, "provider.wrong"},
	{account.ErrUnproven, http.StatusForbidden, "provider.unproven"},
	{account.ErrKnown, http.StatusForbidden, "provider.known"},
	{account.ErrUninvited, http.StatusForbidden, "uninvited"},
	{identity.ErrLinked, http.StatusConflict, "provider.linked"},
	{identity.ErrLastWay, http.StatusConflict, "linked.last"},
	{identity.ErrTooManyLinks, http.StatusConflict, "provider.many"},
	{identity.ErrProviderAccount, http.StatusBadRequest, "provider.refused"},
}

// notProven says why a person has not come in, and leads to where they try again; any other
// error is returned.
func notProven(v *pages.Visit, err error, again string) (pages.Answer, error) {
	for _, one := range why {
		if errors.Is(err, one.err) {
			v.Note(err)
			var refused account.Refused // by a connection; otherwise no trace is shown
			if errors.As(err, &refused); refused.Test {
				return v.Go(sso.SetupPath), nil
			}
			return pages.Answer{Status: one.status, View: "not_proven", Title: one.key + ".title", Data: struct {
				Text, Again string
				Trace       id.SSOTrace
			}{one.key + ".text", again, refused.Trace}}, nil
		}
	}
	return pages.Answer{}, err
}

// newcomer is who completes an account.
type newcomer struct {
	account.Newcomer
	Name pages.Input
}

func (s *Site) showComplete(v *pages.Visit) (pages.Answer, error) {
	f, err := s.ownFlow(v)
	if err != nil {
		return pages.Answer{}, err
	}
	n, err := s.Desk.ReadNewcomer(ctxOf(v), f)
	if err != nil {
		return incomplete(v, err)
	}
	in := v.Input("name", "text", "name")
	if v.Request.Method != http.MethodPost {
		in.Value = n.Name
	}
	return pages.Answer{View: "complete", Title: "confirm.title", Data: newcomer{n, in}}, nil
}

func (s *Site) complete(v *pages.Visit) (pages.Answer, error) {
	f, err := s.ownFlow(v)
	if err != nil {
		return pages.Answer{}, err
	}
	p := account.Person{Name: readName(v, "name")}
	if v.Request.PostForm.Has("organization") {
		p.Organization = readName(v, "organization")
	}
	if v.Marked() {
		return v.Again(), nil
	}
	previous, _, err := s.session(v)
	if err != nil {
		return pages.Answer{}, err
	}
	next, err := s.Desk.Complete(ctxOf(v), f, p, previous, visitor(v))
	if err != nil {
		return incomplete(v, err)
	}
	return s.proceed(v, next)
}

// incomplete says why an account cannot be completed.
func incomplete(v *pages.Visit, err error) (pages.Answer, error) {
	switch {
	case errors.Is(err, account.ErrLink):
		return stale(signInPath), nil
	case errors.Is(err, account.ErrNoOrganization):
		v.Mark("organization", "wrong.missing")
		return v.Again(), nil
	}
	return notProven(v, err, signInPath)
}
