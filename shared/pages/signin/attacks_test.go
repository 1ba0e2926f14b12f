package signin_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"portico/shared/oauth"
	"portico/shared/pages/token"
	"portico/shared/testkit"
)

func errorOf(w *http.Response) string {
	var body struct{ Error string }
	_ = json.NewDecoder(w.Body).Decode(&body)
	return body.Error
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

// O2 to O8, O11, O13: what the token endpoint refuses, in the words of RFC 6749.
func TestTokenEndpointRefuses(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a, other, b := s.register(nil), s.register(nil), s.browser()
	native := s.register(func(c *oauth.Client) { c.Kind = oauth.Native })
	b.signUp("ada@example.com")
	v := oauth2.GenerateVerifier()
	proof, others := a.ClientID+":"+a.ClientSecret, other.ClientID+":"+other.ClientSecret
	redeem := func(code string, changes ...string) []string {
		fields := map[string]string{"grant_type": "authorization_code", "code": code, "redirect_uri": callback, "code_verifier": v}
		for i := 0; i < len(changes); i += 2 {
			fields[changes[i]] = changes[i+1]
		}
		var list []string
		for name, value := range fields {
			list = append(list, name, value)
		}
		return list
	}
	code := a.code(b, v)
	for name, one := range map[string]struct {
		proof  string
		fields []string
		status int
		want   string
	}{
		"another app":                    {others, redeem(code), 400, "invalid_grant"},
		"another redirect URI":           {proof, redeem(code, "redirect_uri", callback+"?"), 400, "invalid_grant"},
		"no redirect URI":                {proof, redeem(code, "redirect_uri", ""), 400, "invalid_grant"},
		"no verifier":                    {proof, redeem(code, "code_verifier", ""), 400, "invalid_grant"},
		"another verifier":               {proof, redeem(code, "code_verifier", oauth2.GenerateVerifier()), 400, "invalid_grant"},
		"no code":                        {proof, redeem(""), 400, "invalid_grant"},
		"another resource":               {proof, redeem(code, "resource", "https://evil.example"), 400, "invalid_target"},
		"a wrong secret":                 {a.ClientID + ":" + other.ClientSecret, redeem(code), 401, "invalid_client"},
		"no secret":                      {"", redeem(code, "client_id", a.ClientID), 401, "invalid_client"},
		"no app":                         {"", redeem(code), 401, "invalid_client"},
		"an unknown app":                 {"app_01890000000000000000000000:x", redeem(code), 401, "invalid_client"},
		"a secret of an app with none":   {native.ClientID + ":x", redeem(code), 401, "invalid_client"},
		"two proofs":                     {proof, redeem(code, "client_secret", a.ClientSecret), 400, "invalid_request"},
		"two apps":                       {proof, redeem(code, "client_id", other.ClientID), 400, "invalid_request"},
		"a parameter twice":              {proof, append(redeem(code), "code", code), 400, "invalid_request"},
		"no grant":                       {proof, nil, 400, "invalid_request"},
		"a password":                     {proof, []string{"grant_type", "password", "username", "ada@example.com", "password", secretText}, 400, "unsupported_grant_type"},
		"a native app for itself":        {"", []string{"grant_type", "client_credentials", "client_id", native.ClientID}, 400, "unauthorized_client"},
		"for itself, more than it may":   {proof, []string{"grant_type", "client_credentials", "scope", "api_keys:write"}, 400, "invalid_scope"},
		"for itself, for ever":           {proof, []string{"grant_type", "client_credentials", "scope", "offline_access"}, 400, "invalid_scope"},
		"a refresh token that is a code": {proof, []string{"grant_type", "refresh_token", "refresh_token", code}, 400, "invalid_grant"},
	} {
		if status, got := a.send(token.Path, one.proof, one.fields...); status != one.status || got != one.want {
			t.Errorf("%s: %d %s", name, status, got)
		}
	}
	if status, got := a.send(token.Path+"?client_secret=x", proof, redeem(code)...); status != 400 || got != "invalid_request" {
		t.Errorf("a secret in the address: %d %s", status, got)
	}
	w, err := http.Get(a.Endpoint.TokenURL)
	testkit.Must(t, err)
	if _ = w.Body.Close(); w.StatusCode != http.StatusMethodNotAllowed || w.Header.Get("Allow") != http.MethodPost {
		t.Errorf("GET: %d", w.StatusCode)
	}
	if status, got := a.send(token.Path, proof, redeem(code)...); status != 200 { // none of these has used it up
		t.Errorf("the code: %d %s", status, got)
	}
}

// O3, O5, O6: a code or an older refresh token that is used again takes the grant away,
// which the organization's log says; scopes cannot grow.
func TestReuseIsLogged(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a, b := s.register(nil), s.browser()
	b.signUp("ada@example.com")
	v := oauth2.GenerateVerifier()
	code := a.code(b, v)
	got, err := a.Exchange(t.Context(), code, oauth2.VerifierOption(v))
	testkit.Must(t, err)
	proof := a.ClientID + ":" + a.ClientSecret
	if status, text := a.send(token.Path, proof, "grant_type", "refresh_token", "refresh_token", got.RefreshToken, "scope", "events:read events:write offline_access"); status != 400 || text != "invalid_scope" {
		t.Errorf("more scopes: %d %s", status, text)
	}
	if _, err := a.Exchange(t.Context(), code, oauth2.VerifierOption(v)); err == nil {
		t.Error("the code works twice")
	}
	if _, err := s.process(s.desk.Box).apps.Caller(t.Context(), got.AccessToken); err == nil {
		t.Error("the access token works after its code was used again")
	}
	if reason := testkit.Value[string](t, s.db, `SELECT after->>'reason' FROM audit_entry WHERE action = 'oauth_grant.revoke'`); reason != "reused" {
		t.Errorf("the log says %q", reason)
	}
}

// O6, O7: a person who has left the organization gives an app nothing any more.
func TestRefreshAfterLeaving(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a, b := s.register(nil), s.browser()
	b.signUp("ada@example.com")
	v := oauth2.GenerateVerifier()
	got, err := a.Exchange(t.Context(), a.code(b, v), oauth2.VerifierOption(v))
	testkit.Must(t, err)
	s.db.Exec(t, `DELETE FROM member`)
	if status, text := a.send(token.Path, a.ClientID+":"+a.ClientSecret, "grant_type", "refresh_token", "refresh_token", got.RefreshToken); status != 400 || text != "invalid_grant" {
		t.Errorf("%d %s", status, text)
	}
}

// O12: an app learns the status of its own tokens, and of no others.
func TestIntrospection(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a, other, b := s.register(nil), s.register(nil), s.browser()
	b.signUp("ada@example.com")
	v := oauth2.GenerateVerifier()
	got, err := a.Exchange(t.Context(), a.code(b, v), oauth2.VerifierOption(v))
	testkit.Must(t, err)
	ctx := t.Context()
	look := func(of *client, text string) bool {
		app, err := s.desk.Apps.Clients.Get(ctx, of.id)
		testkit.Must(t, err)
		found, err := s.desk.Apps.Introspect(ctx, app, text)
		testkit.Must(t, err)
		return found.OK
	}
	if !look(a, got.AccessToken) || !look(a, got.RefreshToken) || look(other, got.AccessToken) || look(a, "x") {
		t.Error("the status of a token is wrong")
	}
	if status, text := a.send(token.IntrospectPath, "", "client_id", a.ClientID, "token", got.AccessToken); status != 401 || text != "invalid_client" {
		t.Errorf("without a proof: %d %s", status, text)
	}
	if status, _ := a.send(token.RevokePath, other.ClientID+":"+other.ClientSecret, "token", got.AccessToken); status != 200 || !look(a, got.AccessToken) {
		t.Error("another app has revoked it")
	}
	s.clock.Advance(time.Hour)
	if look(a, got.AccessToken) || !look(a, got.RefreshToken) {
		t.Error("the status is wrong after an hour")
	}
}
