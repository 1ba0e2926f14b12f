package provider_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"portico/shared/clock"
	"portico/shared/provider"
)

// hostile is a provider that does what a test tells it.
type hostile struct {
	*httptest.Server
	t     *testing.T
	key   *rsa.PrivateKey
	clock *clock.Clock

	mu        sync.Mutex
	challenge string // of the attempt
	nonce     string
	used      bool
	metadata  map[string]any             // added to what it publishes
	claims    func(map[string]any)       // changes those of the ID token
	sign      func(claims []byte) string // nil: with key
	token     func(http.ResponseWriter) bool
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	h := &hostile{t: t, key: key, clock: clock.New(0)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", h.publish)
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		h.write(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "first", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("POST /token", h.exchange)
	h.Server = httptest.NewServer(mux)
	t.Cleanup(h.Close)
	return h
}

func (h *hostile) write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		h.t.Error(err)
	}
}

func (h *hostile) publish(w http.ResponseWriter, r *http.Request) {
	if h.metadata["elsewhere"] != nil && !r.URL.Query().Has("here") {
		http.Redirect(w, r, r.URL.Path+"?here", http.StatusFound)
		return
	}
	m := map[string]any{
		"issuer": h.URL, "authorization_endpoint": h.URL + "/authorize", "token_endpoint": h.URL + "/token", "jwks_uri": h.URL + "/keys",
		"id_token_signing_alg_values_supported": []string{"none", "HS256", "RS256"},
	}
	for name, value := range h.metadata {
		m[name] = value
	}
	h.write(w, m)
}

// exchange redeems the code "good" once, for whoever knows the attempt's verifier.
func (h *hostile) exchange(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.token != nil && h.token(w) {
		return
	}
	digest := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if h.used || r.FormValue("code") != "good" || base64.RawURLEncoding.EncodeToString(digest[:]) != h.challenge {
		w.WriteHeader(http.StatusBadRequest)
		h.write(w, map[string]string{"error": "invalid_grant"})
		return
	}
	h.used = true
	now := h.clock.Now()
	claims := map[string]any{
		"iss": h.URL, "sub": "42", "aud": "client", "nonce": h.nonce, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"email": "Ada@gmail.com", "email_verified": true, "name": "Ada",
	}
	if h.claims != nil {
		h.claims(claims)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		h.t.Error(err)
	}
	signed := ""
	if h.sign != nil {
		signed = h.sign(body)
	} else {
		signed = h.with(jose.RS256, h.key, "first", body)
	}
	h.write(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": signed})
}

// with signs claims with any key.
func (h *hostile) with(algorithm jose.SignatureAlgorithm, key any, kid string, claims []byte) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", kid))
	if err != nil {
		h.t.Error(err)
		return ""
	}
	object, err := signer.Sign(claims)
	if err != nil {
		h.t.Error(err)
		return ""
	}
	signed, err := object.CompactSerialize()
	if err != nil {
		h.t.Error(err)
	}
	return signed
}

// provider returns the provider as Portico knows it.
func (h *hostile) provider() *provider.OIDC {
	client := provider.Client{ID: "client", Secret: "secret", Redirect: "https://console.example.com/sign-in/google"}
	return provider.NewOIDC(h.URL, client, provider.GoogleOwns, http.DefaultTransport, h.clock)
}

// begin begins an attempt, as a browser does that follows the redirect.
func (h *hostile) begin(p *provider.OIDC) provider.Asked {
	h.t.Helper()
	to, asked, err := p.Begin(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	sent, err := url.Parse(to)
	if err != nil {
		h.t.Fatal(err)
	}
	q := sent.Query()
	if q.Get("state") != asked.State || q.Get("code_challenge_method") != "S256" || q.Get("response_type") != "code" || q.Get("redirect_uri") != p.Client.Redirect {
		h.t.Errorf("the browser is sent to %s", to)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.challenge, h.nonce, h.used = q.Get("code_challenge"), q.Get("nonce"), false
	return asked
}
