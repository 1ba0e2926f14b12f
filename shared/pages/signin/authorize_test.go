package signin_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/oauth"
	"portico/shared/observe"
	"portico/shared/pages/token"
	"portico/shared/pg"
	"portico/shared/testkit"
)

const callback = "https://app.example.com/callback"

// client is a registered app with the configuration of a stock client.
type client struct {
	oauth2.Config
	stage *stage
	id    id.OAuthClient
}

// register registers a published app of another organization.
func (s *stage) register(change func(*oauth.Client)) *client {
	s.t.Helper()
	publisher := s.db.NewOrg(s.t)
	s.db.Exec(s.t, `UPDATE organization SET name = 'Makers' WHERE id = $1`, publisher)
	return s.registerAt(publisher, change)
}

func (s *stage) registerAt(publisher id.Org, change func(*oauth.Client)) *client {
	s.t.Helper()
	c := oauth.Client{Name: "Invoices", Kind: oauth.Web, RedirectURIs: []string{callback}, Permissions: []auth.Permission{auth.EventsRead, auth.EventsWrite}, Published: true}
	if change != nil {
		change(&c)
	}
	secret := c.Register(s.clock.Now())
	s.db.InOrg(s.t, publisher, func(ctx context.Context, tx pg.Tx) error { return oauth.Insert(ctx, tx, publisher, c) })
	tokens := httptest.NewServer(&token.Handler{Desk: s.desk.Apps, Log: observe.NewLog(s.log, "test")})
	s.t.Cleanup(tokens.Close)
	return &client{oauth2.Config{
		ClientID: c.ID.String(), ClientSecret: secret, RedirectURL: c.RedirectURIs[0], Scopes: []string{"events:read", "offline_access"},
		Endpoint: oauth2.Endpoint{AuthURL: s.desk.Public + oauth.AuthorizePath, TokenURL: tokens.URL + token.Path, AuthStyle: oauth2.AuthStyleInHeader},
	}, s, c.ID}
}

// ask returns the page's address for a request with other parameters than usual; "-"
// leaves one out.
func (a *client) ask(verifier string, changes ...string) string {
	u, err := url.Parse(a.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)))
	testkit.Must(a.stage.t, err)
	query := u.Query()
	for i := 0; i < len(changes); i += 2 {
		if query.Set(changes[i], changes[i+1]); changes[i+1] == "-" {
			query.Del(changes[i])
		}
	}
	return u.Path + "?" + query.Encode()
}

// code lets the app in and returns the code that it gets.
func (a *client) code(b *browser, verifier string) string {
	a.stage.t.Helper()
	return a.answer(b.post(a.ask(verifier), "decision", "allow")).Get("code")
}

// answer returns the parameters with which a page leads back to the app.
func (a *client) answer(p page) url.Values {
	a.stage.t.Helper()
	to, query, _ := strings.Cut(p.location, "?")
	values, err := url.ParseQuery(query)
	if err != nil || to != a.RedirectURL || p.status != http.StatusSeeOther {
		a.stage.t.Fatalf("it leads to %q: %d\n%s", p.location, p.status, main(p.text))
	}
	return values
}

// send sends a form to an endpoint and returns the status and the error's code.
func (a *client) send(path, proof string, fields ...string) (status int, code string) {
	t := a.stage.t
	t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	to := strings.TrimSuffix(a.Endpoint.TokenURL, token.Path) + path
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, strings.NewReader(form.Encode()))
	testkit.Must(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if name, secret, ok := strings.Cut(proof, ":"); ok {
		r.SetBasicAuth(name, secret)
	}
	w, err := http.DefaultClient.Do(r)
	testkit.Must(t, err)
	defer func() { _ = w.Body.Close() }()
	if w.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s may be cached", path)
	}
	return w.StatusCode, errorOf(w)
}

// A person who is not signed in signs in on the way, sees what the app wants, and lets it
// in. A stock client gets tokens, refreshes them, and its access is taken away.
func TestLetAppIn(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a, b := s.register(nil), s.browser()
	b.signUp("ada@example.com")
	b = s.browser()
	verifier := oauth2.GenerateVerifier()
	s.shows(b.follow(b.get(a.ask(verifier))), 200, "Sign in")
	question := b.follow(b.signIn("ada@example.com", secretText))
	for _, text := range []string{"Invoices", "an app of Makers", "access to Acme", "Read events and their payloads.", "180 days"} {
		s.shows(question, 200, text)
	}
	if policy := question.header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' https://app.example.com;") || !strings.Contains(policy, "frame-ancestors 'none'") || question.header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("the policy: %s", policy)
	}
	answer := a.answer(b.post(a.ask(verifier), "decision", "allow"))
	if answer.Get("state") != "state" || answer.Get("iss") != s.desk.Public {
		t.Errorf("the answer: %v", answer)
	}
	got, err := a.Exchange(t.Context(), answer.Get("code"), oauth2.VerifierOption(verifier))
	testkit.Must(t, err)
	caller, err := s.apps.Caller(t.Context(), got.AccessToken)
	if err != nil || caller.For.Type != auth.Member || caller.Actor.ID != a.ClientID || len(caller.Scope) != 1 || caller.Scope[0] != auth.EventsRead {
		t.Errorf("the caller: %+v, %v", caller, err)
	}
	got.Expiry = time.Now().Add(-time.Minute)
	next, err := a.TokenSource(t.Context(), got).Token()
	testkit.Must(t, err)
	if _, err = s.apps.Caller(t.Context(), next.AccessToken); err != nil || next.RefreshToken == got.RefreshToken {
		t.Errorf("after the refresh: %v", err)
	}
	if status, code := a.send(token.RevokePath, a.ClientID+":"+a.ClientSecret, "token", next.RefreshToken); status != 200 {
		t.Errorf("revoke: %d %s", status, code)
	}
	if _, err := s.process(s.desk.Box).apps.Caller(t.Context(), next.AccessToken); !errors.Is(err, oauth.ErrToken) {
		t.Errorf("after the app has revoked it: %v", err)
	}
	if actions := testkit.Value[string](t, s.db, `SELECT string_agg(action || ' ' || actor_type, ', ' ORDER BY id) FROM audit_entry WHERE action LIKE 'oauth%'`); actions != "oauth_grant.create member, oauth_grant.revoke oauth_client" {
		t.Errorf("the log: %s", actions)
	}
}

// A stock client gets an access token for the organization that has registered the app.
func TestClientCredentials(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a := s.register(nil)
	config := clientcredentials.Config{ClientID: a.ClientID, ClientSecret: a.ClientSecret, TokenURL: a.Endpoint.TokenURL, Scopes: []string{"events:read"}}
	got, err := config.Token(t.Context())
	testkit.Must(t, err)
	caller, err := s.apps.Caller(t.Context(), got.AccessToken)
	publisher := testkit.Value[id.Org](t, s.db, `SELECT org_id FROM oauth_client`)
	if err != nil || caller.Org != publisher || !caller.Member().IsZero() || !caller.May(auth.EventsRead) || caller.May(auth.EventsWrite) || got.RefreshToken != "" {
		t.Errorf("the caller: %+v, %v", caller, err)
	}
}
