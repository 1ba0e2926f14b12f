package provider_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"portico/shared/provider"
)

// An honest provider's answer names the person, with what it says about the address.
func TestPerson(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		claims                  map[string]any
		email                   string
		verified, authoritative bool
	}{
		"gmail":                        {nil, "ada@gmail.com", true, true},
		"a customer's domain":          {map[string]any{"email": "ada@acme.example", "hd": "acme.example"}, "ada@acme.example", true, true},
		"another domain":               {map[string]any{"email": "ada@acme.example"}, "ada@acme.example", true, false},
		"another customer's domain":    {map[string]any{"email": "ada@acme.example", "hd": "evil.example"}, "ada@acme.example", true, false},
		"a subdomain":                  {map[string]any{"email": "ada@x.acme.example", "hd": "acme.example"}, "ada@x.acme.example", true, false},
		"an address that ends so":      {map[string]any{"email": "ada@notgmail.com"}, "ada@notgmail.com", true, false},
		"not proven":                   {map[string]any{"email_verified": false}, "ada@gmail.com", false, false},
		"nothing about a proof":        {map[string]any{"email_verified": nil}, "ada@gmail.com", false, false},
		"a proof as text":              {map[string]any{"email_verified": "true"}, "ada@gmail.com", true, true},
		"a proof as a number":          {map[string]any{"email_verified": 1}, "ada@gmail.com", false, false},
		"no address":                   {map[string]any{"email": ""}, "", false, false},
		"several parties, one of them": {map[string]any{"aud": []string{"client", "other"}, "azp": "client"}, "ada@gmail.com", true, true},
	} {
		h := newHostile(t)
		h.claims = func(c map[string]any) {
			for name, value := range tt.claims {
				c[name] = value
			}
		}
		p := h.provider()
		asked := h.begin(p)
		got, err := p.Finish(t.Context(), asked, provider.Answer{Code: "good", State: asked.State})
		want := provider.Person{Issuer: h.URL, Subject: "42", Email: tt.email, Name: "Ada", Verified: tt.verified, Authoritative: tt.authoritative}
		if err != nil || got != want {
			t.Errorf("%s: %+v, want %+v (%v)", name, got, want, err)
		}
	}
}

// What a hostile provider, or a browser between it and us, answers proves nothing.
func TestHostileProvider(t *testing.T) {
	t.Parallel()
	set := func(name string, value any) func(*hostile) {
		return func(h *hostile) { h.claims = func(c map[string]any) { c[name] = value } }
	}
	for name, tt := range map[string]struct {
		does func(*hostile)
		why  string
	}{
		"no signature": {func(h *hostile) {
			h.sign = func(claims []byte) string {
				return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims) + "."
			}
		}, "ID token"},
		"signed with the public key as a secret": {func(h *hostile) {
			public, _ := x509.MarshalPKIXPublicKey(h.key.Public())
			h.sign = func(claims []byte) string { return h.with(jose.HS256, public, "first", claims) }
		}, "ID token"},
		"signed with our secret": {func(h *hostile) {
			h.sign = func(claims []byte) string {
				return h.with(jose.HS256, []byte(strings.Repeat("secret", 8)), "first", claims)
			}
		}, "ID token"},
		"signed with another key of the same name": {func(h *hostile) {
			other, _ := rsa.GenerateKey(rand.Reader, 2048)
			h.sign = func(claims []byte) string { return h.with(jose.RS256, other, "first", claims) }
		}, "ID token"},
		"signed with a key that is not published": {func(h *hostile) {
			other, _ := rsa.GenerateKey(rand.Reader, 2048)
			h.sign = func(claims []byte) string { return h.with(jose.RS256, other, "second", claims) }
		}, "ID token"},
		"its claims changed": {func(h *hostile) {
			h.sign = func(claims []byte) string {
				parts := strings.Split(h.with(jose.RS256, h.key, "first", claims), ".")
				parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(claims), `"42"`, `"43"`, 1)))
				return strings.Join(parts, ".")
			}
		}, "ID token"},
		"another issuer":         {set("iss", "https://evil.example"), "ID token"},
		"for somebody else":      {set("aud", "other"), "ID token"},
		"for several parties":    {set("aud", []string{"client", "other"}), "is for"},
		"made for another party": {set("azp", "other"), "is for"},
		"another nonce":          {set("nonce", "other"), "nonce"},
		"no nonce":               {set("nonce", ""), "nonce"},
		"ended":                  {set("exp", time.Now().Add(-time.Minute).Unix()), "ID token"},
		"from the future":        {set("iat", time.Now().Add(5*time.Minute).Unix()), "from the future"},
		"about nobody":           {set("sub", ""), "names nobody"},
		"a long subject":         {set("sub", strings.Repeat("x", 256)), "names nobody"},
		"no ID token": {func(h *hostile) {
			h.token = func(w http.ResponseWriter) bool {
				h.write(w, map[string]string{"access_token": "x", "token_type": "Bearer"})
				return true
			}
		}, "no ID token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHostile(t)
			tt.does(h)
			p := h.provider()
			asked := h.begin(p)
			got, err := p.Finish(t.Context(), asked, provider.Answer{Code: "good", State: asked.State})
			if !errors.Is(err, provider.ErrRefused) || !strings.Contains(err.Error(), tt.why) || got != (provider.Person{}) {
				t.Errorf("%+v (%v)", got, err)
			}
		})
	}
}

// An answer counts once, for the attempt and the issuer that were asked.
func TestAnswers(t *testing.T) {
	t.Parallel()
	good := func(asked provider.Asked) provider.Answer { return provider.Answer{Code: "good", State: asked.State} }
	for name, tt := range map[string]struct {
		answer func(provider.Asked) provider.Answer
		asked  func(provider.Asked) provider.Asked
		want   error
	}{
		"another state": {answer: func(provider.Asked) provider.Answer { return provider.Answer{Code: "good", State: "other"} }, want: provider.ErrRefused},
		"no state":      {answer: func(provider.Asked) provider.Answer { return provider.Answer{Code: "good"} }, want: provider.ErrRefused},
		"no attempt":    {answer: func(provider.Asked) provider.Answer { return provider.Answer{Code: "good"} }, asked: func(provider.Asked) provider.Asked { return provider.Asked{} }, want: provider.ErrRefused},
		"another browser's code": {answer: good, asked: func(a provider.Asked) provider.Asked {
			a.Verifier = strings.Repeat("x", 43)
			return a
		}, want: provider.ErrRefused},
		"another issuer": {answer: func(a provider.Asked) provider.Answer {
			return provider.Answer{Code: "good", State: a.State, Issuer: "https://evil.example"}
		}, want: provider.ErrRefused},
		"a wrong code":  {answer: func(a provider.Asked) provider.Answer { return provider.Answer{Code: "bad", State: a.State} }, want: provider.ErrRefused},
		"no code":       {answer: func(a provider.Asked) provider.Answer { return provider.Answer{State: a.State} }, want: provider.ErrRefused},
		"no consent":    {answer: func(a provider.Asked) provider.Answer { return provider.Answer{State: a.State, Error: "access_denied"} }, want: provider.ErrCancelled},
		"another error": {answer: func(a provider.Asked) provider.Answer { return provider.Answer{State: a.State, Error: "server_error"} }, want: provider.ErrRefused},
	} {
		h := newHostile(t)
		p := h.provider()
		asked := h.begin(p)
		answer := tt.answer(asked)
		if tt.asked != nil {
			asked = tt.asked(asked)
		}
		got, err := p.Finish(t.Context(), asked, answer)
		if state := answer.State != asked.State || answer.State == ""; !errors.Is(err, tt.want) || got != (provider.Person{}) || state != strings.Contains(err.Error(), "the state") {
			t.Errorf("%s: %+v (%v), want %v", name, got, err, tt.want)
		}
	}
	h := newHostile(t)
	p := h.provider()
	asked := h.begin(p)
	if _, err := p.Finish(t.Context(), asked, good(asked)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Finish(t.Context(), asked, good(asked)); !errors.Is(err, provider.ErrRefused) {
		t.Errorf("the same answer again: %v", err)
	}
}

// A provider that says it names itself in each answer must do so (RFC 9207).
func TestMixUp(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	h.metadata = map[string]any{"authorization_response_iss_parameter_supported": true}
	p := h.provider()
	for issuer, want := range map[string]error{"": provider.ErrRefused, h.URL + "/": provider.ErrRefused, h.URL: nil} {
		asked := h.begin(p)
		if _, err := p.Finish(t.Context(), asked, provider.Answer{Code: "good", State: asked.State, Issuer: issuer}); !errors.Is(err, want) {
			t.Errorf("the issuer %q: %v, want %v", issuer, err, want)
		}
	}
}

// A provider that is away, or publishes another issuer, is asked again by the next attempt.
func TestProviderAway(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	p := h.provider()
	for name, published := range map[string]map[string]any{
		"another issuer": {"issuer": "https://evil.example"},
		"too much":       {"service_documentation": strings.Repeat("x", 2<<20)},
		"elsewhere":      {"elsewhere": true},
	} {
		h.metadata = published
		if _, _, err := p.Begin(t.Context()); !errors.Is(err, provider.ErrAway) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.metadata = nil
	for name, broken := range map[string]func(http.ResponseWriter) bool{
		"500":     func(w http.ResponseWriter) bool { w.WriteHeader(http.StatusInternalServerError); return true },
		"no JSON": func(w http.ResponseWriter) bool { _, _ = w.Write([]byte("<html>")); return true },
	} {
		asked := h.begin(p)
		h.mu.Lock()
		h.token = broken
		h.mu.Unlock()
		if got, err := p.Finish(t.Context(), asked, provider.Answer{Code: "good", State: asked.State}); err == nil || errors.Is(err, provider.ErrCancelled) || got != (provider.Person{}) {
			t.Errorf("%s: %+v (%v)", name, got, err)
		}
	}
}
