package signin_test

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"sync"
	"time"

	"portico/shared/account"
	"portico/shared/provider"
	"portico/shared/testkit"
)

// elsewhere plays Google and GitHub. Each test decides who has an account there.
type elsewhere struct {
	*httptest.Server
	stage *stage
	key   *rsa.PrivateKey

	mu     sync.Mutex
	codes  map[string]them
	tokens map[string]them
	used   int // how many codes were exchanged
}

// them is somebody who signs in there.
type them struct {
	subject, email string
	verified       bool
	hosted         string // the claim hd
	claims         map[string]any
	header         string // of the ID token, if it is another one than usual

	nonce, challenge string
}

// elsewhere lets the stage offer both providers.
func (s *stage) elsewhere() *elsewhere {
	s.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	testkit.Must(s.t, err)
	e := &elsewhere{stage: s, key: key, codes: map[string]them{}, tokens: map[string]them{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", e.metadata)
	mux.HandleFunc("/jwks", e.keys)
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) { e.exchange(w, r, e.idToken) })
	mux.HandleFunc("/login/oauth/access_token", func(w http.ResponseWriter, r *http.Request) {
		e.exchange(w, r, func(them) string { return "" })
	})
	mux.HandleFunc("/user", func(w http.ResponseWriter, r *http.Request) {
		write(w, map[string]any{"id": json.Number(e.bearer(r).subject), "name": "Ada of GitHub"})
	})
	mux.HandleFunc("/user/emails", func(w http.ResponseWriter, r *http.Request) {
		write(w, []map[string]any{{"email": e.bearer(r).email, "primary": true, "verified": e.bearer(r).verified}})
	})
	e.Server = httptest.NewServer(mux)
	s.t.Cleanup(e.Close)
	client := func(name string) provider.Client {
		return provider.Client{ID: "us", Secret: "secret", Redirect: s.server.URL + "/sign-in/" + name + "/callback"}
	}
	s.desk.Providers = map[string]account.Provider{
		account.Google: provider.NewOIDC(e.URL, client(account.Google), provider.GoogleOwns, http.DefaultTransport, s.clock),
		account.GitHub: provider.NewGitHub(e.URL, e.URL, client(account.GitHub), http.DefaultTransport),
	}
	return e
}

func write(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

func (e *elsewhere) metadata(w http.ResponseWriter, _ *http.Request) {
	write(w, map[string]any{
		"issuer": e.URL, "authorization_endpoint": e.URL + "/authorize", "token_endpoint": e.URL + "/token", "jwks_uri": e.URL + "/jwks",
		"id_token_signing_alg_values_supported": []string{"RS256"}, "authorization_response_iss_parameter_supported": true,
	})
}

func (e *elsewhere) keys(w http.ResponseWriter, _ *http.Request) {
	write(w, map[string]any{"keys": []any{map[string]string{
		"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "first",
		"n": base64.RawURLEncoding.EncodeToString(e.key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(e.key.E)).Bytes()),
	}}})
}

// exchange gives tokens for a code, once.
func (e *elsewhere) exchange(w http.ResponseWriter, r *http.Request, idToken func(them) string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	who, ok := e.codes[r.FormValue("code")]
	delete(e.codes, r.FormValue("code"))
	digest := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if !ok || base64.RawURLEncoding.EncodeToString(digest[:]) != who.challenge {
		w.WriteHeader(http.StatusBadRequest)
		write(w, map[string]string{"error": "invalid_grant"})
		return
	}
	e.used++
	token := rand.Text()
	e.tokens[token] = who
	write(w, map[string]string{"access_token": token, "token_type": "Bearer", "id_token": idToken(who)})
}

func (e *elsewhere) bearer(r *http.Request) them {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tokens[r.Header.Get("Authorization")[len("Bearer "):]]
}

func (e *elsewhere) idToken(who them) string {
	now := e.stage.clock.Now()
	claims := map[string]any{
		"iss": e.URL, "aud": "us", "sub": who.subject, "nonce": who.nonce, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"email": who.email, "email_verified": who.verified, "name": "Ada of Google",
	}
	if who.hosted != "" {
		claims["hd"] = who.hosted
	}
	maps.Copy(claims, who.claims)
	text, err := json.Marshal(claims)
	testkit.Must(e.stage.t, err)
	signed := base64.RawURLEncoding.EncodeToString([]byte(cmp.Or(who.header, `{"alg":"RS256","kid":"first"}`))) + "." + base64.RawURLEncoding.EncodeToString(text)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, e.key, crypto.SHA256, digest[:])
	testkit.Must(e.stage.t, err)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

var leaving = regexp.MustCompile(`http-equiv="refresh" content="0; url=([^"]+)"`)

// sent returns where a page sends the browser.
func (e *elsewhere) sent(p page) url.Values {
	e.stage.t.Helper()
	found := leaving.FindStringSubmatch(p.text)
	if p.status != http.StatusOK || found == nil {
		e.stage.t.Fatalf("it does not leave: %d\n%s", p.status, p.text)
	}
	to, err := url.Parse(found[1])
	testkit.Must(e.stage.t, err)
	return to.Query()
}

// answer is the query with which somebody comes back who was asked for.
func (e *elsewhere) answer(asked url.Values, who them) url.Values {
	e.mu.Lock()
	defer e.mu.Unlock()
	code := rand.Text()
	who.nonce, who.challenge = asked.Get("nonce"), asked.Get("code_challenge")
	e.codes[code] = who
	return url.Values{"code": {code}, "state": {asked.Get("state")}, "iss": {e.URL}}
}

// begin goes to a provider, and returns what it is asked.
func (e *elsewhere) begin(b *browser, name string) url.Values {
	e.stage.t.Helper()
	return e.sent(b.post("/sign-in/" + name))
}

// signIn goes to a provider and comes back.
func (e *elsewhere) signIn(b *browser, name string, who them) page {
	e.stage.t.Helper()
	return b.get("/sign-in/" + name + "/callback?" + e.answer(e.begin(b, name), who).Encode())
}

var (
	gmail = them{subject: "1", email: "ada@gmail.com", verified: true}
	// foreign is an address that the provider has seen proven, but whose mailbox it does not run.
	foreign = them{subject: "2", email: "ada@example.com", verified: true}
)
