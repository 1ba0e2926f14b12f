package doctest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"portico/infra/local/stacktest"
	"portico/shared/testkit"
)

// app is a registered app, as its program gets to know it.
type app struct {
	Issuer   string `json:"issuer"`
	ID       string `json:"id"`
	Secret   string `json:"secret"`
	Redirect string `json:"redirect"`
	Scope    string `json:"scope"`
}

// outcome is what a stock client got: who the person is, from the ID token and after a
// refresh; and what a token was worth before and after it was revoked.
type outcome struct {
	Subject, Again, Email, Scope string
	Refreshed, Before, After     bool
}

// stockClient lets an app do everything. agree is the person, who is led to an address and
// comes back with another one.
type stockClient func(t *testing.T, a app, agree func(to string) (back string)) outcome

// program is a stock client that runs by itself: it prints where the person is to be led, and
// reads where they came back to.
func program(name string, args ...string) stockClient {
	return func(t *testing.T, a app, agree func(string) string) (o outcome) {
		text, err := json.Marshal(a)
		testkit.Must(t, err)
		cmd := exec.CommandContext(t.Context(), name, append(args, string(text))...)
		cmd.Stderr = t.Output()
		in, err := cmd.StdinPipe()
		testkit.Must(t, err)
		out, err := cmd.StdoutPipe()
		testkit.Must(t, err)
		testkit.Must(t, cmd.Start())
		lines := bufio.NewScanner(out)
		if !lines.Scan() {
			t.Fatalf("it leads nowhere: %v", cmd.Wait())
		}
		_, err = io.WriteString(in, agree(lines.Text())+"\n")
		testkit.Must(t, err)
		if !lines.Scan() {
			t.Fatalf("it got nothing: %v", cmd.Wait())
		}
		testkit.Must(t, json.Unmarshal(lines.Bytes(), &o))
		return o
	}
}

// inGo is x/oauth2 with go-oidc, which have no introspection and revocation.
func inGo(t *testing.T, a app, agree func(string) string) (o outcome) {
	ctx := t.Context()
	provider, err := oidc.NewProvider(ctx, a.Issuer)
	testkit.Must(t, err)
	config := oauth2.Config{ClientID: a.ID, ClientSecret: a.Secret, RedirectURL: a.Redirect, Scopes: strings.Fields(a.Scope), Endpoint: provider.Endpoint()}
	verifier := oauth2.GenerateVerifier()
	back, err := url.Parse(agree(config.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier), oidc.Nonce("nonce"))))
	testkit.Must(t, err)
	if query := back.Query(); query.Get("state") != "state" || query.Get("iss") != a.Issuer {
		t.Fatalf("the person came back with %v", query)
	}
	got, err := config.Exchange(ctx, back.Query().Get("code"), oauth2.VerifierOption(verifier))
	testkit.Must(t, err)
	identify := func(got *oauth2.Token) *oidc.IDToken {
		text, _ := got.Extra("id_token").(string)
		checked, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: a.ID}).Verify(ctx, text)
		testkit.Must(t, err)
		testkit.Must(t, checked.VerifyAccessToken(got.AccessToken))
		return checked
	}
	first := identify(got)
	person, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(got))
	testkit.Must(t, err)
	next, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: got.RefreshToken}).Token()
	testkit.Must(t, err)
	own, err := (&clientcredentials.Config{ClientID: a.ID, ClientSecret: a.Secret, TokenURL: provider.Endpoint().TokenURL, Scopes: []string{"events:read"}}).Token(ctx)
	testkit.Must(t, err)
	var at struct {
		Introspect string `json:"introspection_endpoint"`
		Revoke     string `json:"revocation_endpoint"`
	}
	testkit.Must(t, provider.Claims(&at))
	o = outcome{Subject: first.Subject, Email: person.Email, Again: identify(next).Subject, Refreshed: next.RefreshToken != got.RefreshToken}
	o.Scope, _ = own.Extra("scope").(string)
	o.Before = a.active(ctx, t, at.Introspect, next.AccessToken)
	a.post(ctx, t, at.Revoke, next.RefreshToken)
	o.After = a.active(ctx, t, at.Introspect, next.AccessToken)
	if first.Nonce != "nonce" || person.Subject != first.Subject {
		t.Errorf("%+v, %+v", first, person)
	}
	return o
}

func (a app) post(ctx context.Context, t *testing.T, to, token string) (body []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(url.Values{"token": {token}}.Encode()))
	testkit.Must(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(a.ID, a.Secret)
	w, err := http.DefaultClient.Do(r)
	testkit.Must(t, err)
	defer func() { _ = w.Body.Close() }()
	body, err = io.ReadAll(w.Body)
	if err != nil || w.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s %v", to, w.StatusCode, body, err)
	}
	return body
}

func (a app) active(ctx context.Context, t *testing.T, to, token string) bool {
	t.Helper()
	var status struct{ Active bool }
	testkit.Must(t, json.Unmarshal(a.post(ctx, t, to, token), &status))
	return status.Active
}

// member is somebody in an organization of their own, who lets in any app that leads them to
// the page.
type member struct {
	*stacktest.Person
	t     *testing.T
	email string
}

func newMember(t *testing.T) member {
	t.Helper()
	p := member{stacktest.NewPerson(t, running), t, strings.ToLower(t.Name()) + "@example.com"}
	p.Open(http.MethodPost, "/sign-up", url.Values{"email": {p.email}})
	signedIn := p.Open(http.MethodPost, p.Mailed(p.email), url.Values{"name": {"Ada"}, "organization": {"Acme"}, "password": {"vanish quietly"}})
	if !strings.Contains(signedIn, p.email) {
		t.Fatalf("not signed in:\n%s", signedIn)
	}
	return p
}

func (p member) agree(to string) (back string) {
	p.t.Helper()
	path := strings.TrimPrefix(to, p.At)
	if page := p.Open(http.MethodGet, path, nil); !strings.Contains(page, "Let it in") {
		p.t.Fatalf("the page does not ask:\n%s", page)
	}
	return p.Leave(path, url.Values{"decision": {"allow"}})
}

// register registers an app of a new organization.
func register(t *testing.T, issuer string) app {
	t.Helper()
	var made struct {
		ID     string `json:"id"`
		Secret string `json:"client_secret"`
	}
	const body = `{"name":"Stock","kind":"web","redirect_uris":["https://app.example.com/callback"],"permissions":["events:read"],"published":true}`
	stacktest.NewCustomer(t, running).Do(http.MethodPost, "/v1/oauth-clients", body, http.StatusCreated, &made)
	return app{issuer, made.ID, made.Secret, "https://app.example.com/callback", "openid email offline_access events:read"}
}

// Stock clients find all addresses by discovery, and complete every grant, the check of the ID
// token, introspection and revocation against the running stack.
func TestStockClients(t *testing.T) {
	p := newMember(t)
	for name, client := range map[string]stockClient{
		"x_oauth2 and go-oidc": inGo,
		"openid-client":        program("node", "openid_client.mjs"),
		"Authlib":              program(root+"/.local/doctest/bin/python", "authlib_client.py"),
	} {
		t.Run(name, func(t *testing.T) {
			o := client(t, register(t, p.At), p.agree)
			if o.Subject == "" || o.Again != o.Subject || o.Email != p.email || o.Scope != "events:read" || !o.Refreshed || !o.Before || o.After {
				t.Errorf("%+v", o)
			}
		})
	}
}

// together exchanges the same thing fifty times at once.
func together(t *testing.T, exchange func() (*oauth2.Token, error)) (got []*oauth2.Token) {
	t.Helper()
	var (
		group sync.WaitGroup
		mu    sync.Mutex
	)
	for range 50 {
		group.Go(func() {
			one, err := exchange()
			var refused *oauth2.RetrieveError
			if err != nil && (!errors.As(err, &refused) || refused.ErrorCode != "invalid_grant") {
				t.Errorf("refused otherwise: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				got = append(got, one)
			}
		})
	}
	group.Wait()
	return got
}

// Fifty refreshes at once, by several environments of the function, get the same tokens. Of
// fifty redemptions one gets tokens, and these are of no use, because somebody else may have
// the code.
func TestFiftyAtOnce(t *testing.T) {
	p := newMember(t)
	a := register(t, p.At)
	config := oauth2.Config{
		ClientID: a.ID, ClientSecret: a.Secret, RedirectURL: a.Redirect, Scopes: strings.Fields(a.Scope),
		Endpoint: oauth2.Endpoint{AuthURL: p.At + "/oauth/authorize", TokenURL: p.At + "/oauth/token", AuthStyle: oauth2.AuthStyleInHeader},
	}
	verifier := oauth2.GenerateVerifier()
	redeem := func() func() (*oauth2.Token, error) {
		back, err := url.Parse(p.agree(config.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier))))
		testkit.Must(t, err)
		return func() (*oauth2.Token, error) {
			return config.Exchange(t.Context(), back.Query().Get("code"), oauth2.VerifierOption(verifier))
		}
	}
	first, err := redeem()()
	testkit.Must(t, err)
	refreshed := together(t, func() (*oauth2.Token, error) {
		return config.TokenSource(t.Context(), &oauth2.Token{RefreshToken: first.RefreshToken}).Token()
	})
	for _, one := range refreshed {
		if one.RefreshToken != refreshed[0].RefreshToken || one.AccessToken != refreshed[0].AccessToken {
			t.Error("two refreshes got different tokens")
		}
	}
	if len(refreshed) != 50 || !a.active(t.Context(), t, p.At+"/oauth/introspect", refreshed[0].AccessToken) {
		t.Errorf("%d refreshes got tokens", len(refreshed))
	}
	redeemed := together(t, redeem())
	if len(redeemed) != 1 {
		t.Fatalf("%d redemptions got tokens", len(redeemed))
	}
	if a.active(t.Context(), t, p.At+"/oauth/introspect", redeemed[0].AccessToken) {
		t.Error("the tokens work after their code was used again")
	}
}
