package signin_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"portico/shared/oauth"
	"portico/shared/testkit"
)

// errorOf returns the code of an error, or for the status of a token active or inactive.
func errorOf(w *http.Response) string {
	var body struct {
		Error  string
		Active *bool
	}
	_ = json.NewDecoder(w.Body).Decode(&body)
	switch {
	case body.Active == nil:
		return body.Error
	case *body.Active:
		return "active"
	}
	return "inactive"
}

// O1: nobody is led to a redirect URI that the app has not registered, as text.
func TestBadRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a, b := s.register(nil), s.browser()
	b.signUp("ada@example.com")
	for name, changes := range map[string][]string{
		"none":                  {"redirect_uri", "-"},
		"another host":          {"redirect_uri", "https://evil.example/callback"},
		"suffix of the host":    {"redirect_uri", "https://app.example.com.evil.example/callback"},
		"suffix of the path":    {"redirect_uri", callback + "/x"},
		"prefix of the path":    {"redirect_uri", "https://app.example.com/"},
		"way up":                {"redirect_uri", callback + "/../callback"},
		"another case":          {"redirect_uri", "https://APP.example.com/callback"},
		"the port":              {"redirect_uri", "https://app.example.com:443/callback"},
		"a fragment":            {"redirect_uri", callback + "#x"},
		"a user":                {"redirect_uri", "https://evil@app.example.com/callback"},
		"another query":         {"redirect_uri", callback + "?x=1"},
		"without TLS":           {"redirect_uri", "http://app.example.com/callback"},
		"this device":           {"redirect_uri", "http://127.0.0.1:8080/callback"},
		"script":                {"redirect_uri", "javascript:alert(1)"},
		"an unknown app":        {"client_id", "app_01890000000000000000000000"},
		"no app":                {"client_id", "-"},
		"what is no id":         {"client_id", "%00"},
		"a bad one and refused": {"redirect_uri", "https://evil.example", "response_type", "token"},
	} {
		for _, p := range []page{b.get(a.ask("v", changes...)), b.post(a.ask("v", changes...), "decision", "allow")} {
			if p.status != http.StatusBadRequest || p.location != "" {
				t.Errorf("%s: %d, it leads to %q", name, p.status, p.location)
			}
		}
	}
	if p := b.get(a.ask("v") + "&redirect_uri=https%3A%2F%2Fevil.example"); p.status != http.StatusBadRequest {
		t.Errorf("two of them: %d", p.status)
	}
}

// O1: the port of a native app's loopback address is free, and nothing else of it.
func TestLoopbackPort(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a, b := s.register(func(c *oauth.Client) { c.Kind, c.RedirectURIs = oauth.Native, []string{"http://127.0.0.1/callback"} }), s.browser()
	b.signUp("ada@example.com")
	for to, want := range map[string]int{
		"http://127.0.0.1:53682/callback": 200, "http://127.0.0.1:53682/other": 400, "http://127.0.0.1:53682@evil.example/callback": 400,
		"http://127.0.0.1.evil.example/callback": 400, "http://[::1]:53682/callback": 400, "https://127.0.0.1:53682/callback": 400, "http://localhost:53682/callback": 400,
	} {
		if p := b.get(a.ask("v", "redirect_uri", to)); p.status != want {
			t.Errorf("%s: %d", to, p.status)
		}
	}
}

// O2, O10, O11: a request that is wrong otherwise leads back to the app with the error,
// the state and the issuer, and never with a code.
func TestWrongRequestsAreTold(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a, b := s.register(nil), s.browser()
	b.signUp("ada@example.com")
	for name, one := range map[string]struct {
		changes []string
		want    string
	}{
		"without a challenge":      {[]string{"code_challenge", "-"}, "invalid_request"},
		"without a method":         {[]string{"code_challenge_method", "-"}, "invalid_request"},
		"plain":                    {[]string{"code_challenge_method", "plain"}, "invalid_request"},
		"a short challenge":        {[]string{"code_challenge", "abc"}, "invalid_request"},
		"implicit":                 {[]string{"response_type", "token"}, "unsupported_response_type"},
		"hybrid":                   {[]string{"response_type", "code token"}, "unsupported_response_type"},
		"as fragment":              {[]string{"response_mode", "fragment"}, "invalid_request"},
		"no scope":                 {[]string{"scope", "-"}, "invalid_scope"},
		"an unknown scope":         {[]string{"scope", "events:eat"}, "invalid_scope"},
		"more than it may":         {[]string{"scope", "api_keys:write"}, "invalid_scope"},
		"another resource":         {[]string{"resource", "https://evil.example"}, "invalid_target"},
		"an empty resource":        {[]string{"resource", ""}, "invalid_target"},
		"a request object":         {[]string{"request", "x"}, "request_not_supported"},
		"a request elsewhere":      {[]string{"request_uri", "https://evil.example"}, "request_uri_not_supported"},
		"without asking":           {[]string{"prompt", "none"}, "consent_required"},
		"without asking and login": {[]string{"prompt", "none login"}, "invalid_request"},
		"an unknown prompt":        {[]string{"prompt", "create"}, "invalid_request"},
		"a choice of accounts":     {[]string{"prompt", "select_account"}, "account_selection_required"},
		"a negative age":           {[]string{"max_age", "-1"}, "invalid_request"},
		"an age that is no number": {[]string{"max_age", "x"}, "invalid_request"},
		"an empty age":             {[]string{"max_age", ""}, "invalid_request"},
		"a nonce that is too long": {[]string{"nonce", strings.Repeat("x", 501)}, "invalid_request"},
		"a state that is too long": {[]string{"state", strings.Repeat("x", 2001)}, "invalid_request"},
	} {
		for _, p := range []page{b.get(a.ask("v", one.changes...)), b.post(a.ask("v", one.changes...), "decision", "allow")} {
			got := a.answer(p)
			if got.Get("error") != one.want || got.Get("iss") != s.desk.Public || got.Get("state") == "" || got.Has("code") {
				t.Errorf("%s: %v", name, got)
			}
		}
	}
	if got := a.answer(b.get(a.ask("v") + "&scope=events%3Aread")); got.Get("error") != "invalid_request" {
		t.Errorf("twice: %v", got)
	}
	if got := a.answer(b.post(a.ask("v"), "decision", "refuse")); got.Get("error") != "access_denied" || got.Has("code") {
		t.Errorf("refused: %v", got)
	}
	if got := a.answer(s.browser().get(a.ask("v", "prompt", "none"))); got.Get("error") != "login_required" {
		t.Errorf("without a session: %v", got)
	}
	if n := testkit.Value[int](t, s.db, `SELECT count(*)::int FROM oauth_grant`); n != 0 {
		t.Errorf("%d grants", n)
	}
}

// O9: consent is given on the page only: not by a link, not by a form of another site,
// not without a session, and only for an app that may be let in.
func TestConsentIsAsked(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a, b := s.register(nil), s.browser()
	own := s.register(func(c *oauth.Client) { c.Published = false })
	b.signUp("ada@example.com")
	a.code(b, oauth2.GenerateVerifier())
	s.shows(b.get(a.ask("v")), 200, "Let it in") // again, each time
	s.shows(s.browser().follow(s.browser().get(a.ask("v"))), 200, "Sign in")
	if got := own.answer(b.post(own.ask("v"), "decision", "allow")); got.Get("error") != "access_denied" {
		t.Errorf("an app of another organization that is not published: %v", got)
	}
	b.headers["Sec-Fetch-Site"] = "cross-site"
	if p := b.post(a.ask("v"), "decision", "allow"); p.status != http.StatusForbidden {
		t.Errorf("a form of another site: %d", p.status)
	}
}

// The endpoint for tokens takes POST only.
func TestTokensByPost(t *testing.T) {
	t.Parallel()
	a := newStage(t).register(nil)
	w, err := http.Get(a.Endpoint.TokenURL)
	testkit.Must(t, err)
	if _ = w.Body.Close(); w.StatusCode != http.StatusMethodNotAllowed || w.Header.Get("Allow") != http.MethodPost {
		t.Errorf("GET: %d", w.StatusCode)
	}
}
