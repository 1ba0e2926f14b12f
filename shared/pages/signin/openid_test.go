package signin_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"portico/shared/id"
	"portico/shared/oauth"
	"portico/shared/pages/token"
	"portico/shared/testkit"
)

// openID is what a stock client reads of an ID token.
type openID struct {
	*oidc.IDToken
	SignedIn int64    `json:"auth_time"`
	Methods  []string `json:"amr"`
}

// openID checks an ID token as a stock client does.
func (a *client) openID(t *oauth2.Token) openID {
	a.stage.t.Helper()
	at := strings.TrimSuffix(a.Endpoint.TokenURL, token.Path)
	config := oidc.ProviderConfig{IssuerURL: a.stage.desk.Public, JWKSURL: at + token.KeysPath, Algorithms: []string{oidc.ES256}}
	text, _ := t.Extra("id_token").(string)
	checked, err := config.NewProvider(a.stage.t.Context()).Verifier(&oidc.Config{ClientID: a.ClientID, Now: a.stage.clock.Now}).Verify(a.stage.t.Context(), text)
	testkit.Must(a.stage.t, err)
	testkit.Must(a.stage.t, checked.VerifyAccessToken(t.AccessToken))
	got := openID{IDToken: checked}
	testkit.Must(a.stage.t, checked.Claims(&got))
	return got
}

// userInfo asks who a token's person is; "": without a token.
func (a *client) userInfo(method, access string) (status int, challenge string, claims map[string]any) {
	t := a.stage.t
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, strings.TrimSuffix(a.Endpoint.TokenURL, token.Path)+token.UserInfoPath, http.NoBody)
	testkit.Must(t, err)
	if access != "" {
		r.Header.Set("Authorization", "Bearer "+access)
	}
	w, err := http.DefaultClient.Do(r)
	testkit.Must(t, err)
	defer func() { _ = w.Body.Close() }()
	_ = json.NewDecoder(w.Body).Decode(&claims)
	if w.Header.Get("Cache-Control") != "no-store" {
		t.Error("who a person is may be cached")
	}
	return w.StatusCode, w.Header.Get("WWW-Authenticate"), claims
}

// A person lets an app know who they are. A stock client accepts the ID token, also after a
// refresh; userinfo says what the scopes allow.
func TestOpenID(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a, b := s.register(nil), s.browser()
	a.Scopes = []string{"openid", "profile", "email", "offline_access"}
	b.signUp(ada)
	signedIn := s.clock.Now()
	s.clock.Advance(5 * time.Minute)
	v := oauth2.GenerateVerifier()
	for _, text := range []string{"Recognize you", "See your name.", "See your email address."} {
		s.shows(b.get(a.ask(v)), 200, text)
	}
	code := a.answer(b.post(a.ask(v, "nonce", "n-1"), "decision", "allow")).Get("code")
	got, err := a.Exchange(t.Context(), code, oauth2.VerifierOption(v))
	testkit.Must(t, err)
	first := a.openID(got)
	user := testkit.Value[id.User](t, s.db, `SELECT id FROM user_account WHERE email = $1`, ada)
	switch {
	case first.Nonce != "n-1", !slices.Equal(first.Methods, []string{"pwd"}), first.Subject == "", strings.Contains(first.Subject, user.UUID.String()), first.Subject == user.String():
		t.Errorf("the claims: %+v", first)
	case first.SignedIn > signedIn.Unix(), first.SignedIn < signedIn.Unix()-60:
		t.Errorf("signed in at %d, want %d", first.SignedIn, signedIn.Unix())
	}
	status, _, claims := a.userInfo(http.MethodGet, got.AccessToken)
	if status != 200 || claims["sub"] != first.Subject || claims["name"] != "Ada" || claims["email"] != ada || claims["email_verified"] != true {
		t.Errorf("userinfo: %d %v", status, claims)
	}
	s.clock.Advance(2 * time.Hour)
	got.Expiry = time.Now().Add(-time.Minute)
	next, err := a.TokenSource(t.Context(), got).Token()
	testkit.Must(t, err)
	if again := a.openID(next); again.Subject != first.Subject || again.SignedIn != first.SignedIn || again.Nonce != "" || !again.IssuedAt.After(first.IssuedAt) {
		t.Errorf("after the refresh: %+v", again)
	}
	if status, _, _ := a.userInfo(http.MethodPost, next.AccessToken); status != 200 {
		t.Errorf("userinfo by POST: %d", status)
	}
}

// Apps of one publisher know a person by one name, those of another by another one.
func TestSubjectOfPublisher(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	b.signUp(ada)
	a, other := s.register(nil), s.register(nil)
	sister := s.registerAt(testkit.Value[id.Org](t, s.db, `SELECT org_id FROM oauth_client WHERE id = $1`, a.id), nil)
	var names []string
	for _, app := range []*client{a, sister, other} {
		app.Scopes = []string{"openid"}
		names = append(names, app.openID(app.tokens(b)).Subject)
	}
	if names[0] != names[1] || names[0] == names[2] {
		t.Errorf("the names: %v", names)
	}
}

// An app learns only what its scopes allow, and nothing with a token that is not good.
func TestUserInfoRefuses(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	b.signUp(ada)
	a, plain, gone := s.register(nil), s.register(nil), s.register(nil)
	a.Scopes, gone.Scopes = []string{"openid", "offline_access"}, []string{"openid"}
	got, ended := a.tokens(b), gone.tokens(b)
	if status, _, claims := a.userInfo(http.MethodGet, got.AccessToken); status != 200 || len(claims) != 1 || claims["sub"] == "" {
		t.Errorf("with openid alone: %d %v", status, claims)
	}
	if status, _ := gone.send(token.RevokePath, gone.ClientID+":"+gone.ClientSecret, "token", ended.AccessToken); status != 200 {
		t.Fatalf("revoke: %d", status)
	}
	without := plain.tokens(b)
	if without.Extra("id_token") != nil {
		t.Error("an ID token without the scope openid")
	}
	itself, err := (&clientcredentials.Config{ClientID: a.ClientID, ClientSecret: a.ClientSecret, TokenURL: a.Endpoint.TokenURL}).Token(t.Context())
	testkit.Must(t, err)
	for name, one := range map[string]struct {
		access string
		status int
		want   string
	}{
		"none":             {"", 401, "Bearer"},
		"junk":             {"pto_x", 401, `Bearer error="invalid_token"`},
		"a refresh token":  {got.RefreshToken, 401, `Bearer error="invalid_token"`},
		"a revoked grant":  {ended.AccessToken, 401, `Bearer error="invalid_token"`},
		"without openid":   {without.AccessToken, 403, `Bearer error="insufficient_scope"`},
		"an app by itself": {itself.AccessToken, 403, `Bearer error="insufficient_scope"`},
	} {
		if status, challenge, claims := a.userInfo(http.MethodGet, one.access); status != one.status || !strings.HasPrefix(challenge, one.want) || claims["sub"] != nil {
			t.Errorf("%s: %d %s %v", name, status, challenge, claims)
		}
	}
	s.db.Exec(t, `UPDATE user_login SET suspended_at = now()`)
	if status, _, _ := a.userInfo(http.MethodGet, got.AccessToken); status != 401 {
		t.Errorf("a suspended person: %d", status)
	}
	s.db.Exec(t, `UPDATE user_login SET suspended_at = NULL`)
	s.db.Exec(t, `DELETE FROM member`)
	if status, _, _ := a.userInfo(http.MethodGet, got.AccessToken); status != 401 {
		t.Errorf("a person who has left: %d", status)
	}
}

// With prompt=login, or if they have signed in longer ago than max_age, the person signs in
// again, comes back to the page, and the ID token says when. Otherwise they do not.
func TestSignInAgainForApp(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a, b := s.register(nil), s.browser()
	a.Scopes = []string{"openid"}
	b.signUp(ada)
	v := oauth2.GenerateVerifier()
	for _, one := range []struct {
		changes []string
		again   bool
	}{
		{[]string{"prompt", "consent"}, false},
		{[]string{"max_age", "1000"}, false},
		{[]string{"max_age", "99999999999999999"}, false},
		{[]string{"max_age", "100"}, true},
		{[]string{"prompt", "login"}, true},
		{[]string{"prompt", "login consent"}, true},
		{[]string{"max_age", "0"}, true},
	} {
		s.clock.Advance(5 * time.Minute)
		p := b.get(a.ask(v, one.changes...))
		if (p.status == http.StatusSeeOther) != one.again {
			t.Errorf("%v: %d, it leads to %q", one.changes, p.status, p.location)
		}
		if !one.again {
			continue
		}
		if p := b.post(a.ask(v, one.changes...), "decision", "allow"); !strings.HasPrefix(p.location, "/sign-in/again") {
			t.Errorf("%v: the form leads to %q", one.changes, p.location)
		}
		s.shows(b.follow(p), 200, ada)
		s.shows(b.follow(b.post("/sign-in/again", "to", oauth.AuthorizePath)), 200, "Enter your password")
		signedIn, back := s.clock.Now(), b.post("/sign-in/password", "password", secretText)
		s.shows(b.follow(back), 200, "Let it in")
		code := a.answer(b.post(back.location, "decision", "allow")).Get("code")
		got, err := a.Exchange(t.Context(), code, oauth2.VerifierOption(v))
		testkit.Must(t, err)
		if at := a.openID(got).SignedIn; at < signedIn.Unix() {
			t.Errorf("%v: signed in at %d, want %d", one.changes, at, signedIn.Unix())
		}
	}
}

// Whoever signs in on the way to an app is not asked to do so once more.
func TestSignInOnceForApp(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a := s.register(nil)
	s.browser().signUp(ada)
	b := s.browser()
	s.shows(b.follow(b.get(a.ask("v", "prompt", "login", "max_age", "0"))), 200, "Sign in")
	s.shows(b.follow(b.signIn(ada, secretText)), 200, "Let it in")
}
