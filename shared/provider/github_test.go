package provider_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"portico/shared/provider"
)

// github answers as GitHub's documentation says: also errors of the token endpoint with 200.
type github struct {
	emails    string
	status    int
	challenge string
}

func (g *github) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	write := func(text string) { _, _ = w.Write([]byte(text)) }
	if r.URL.Path == "/login/oauth/access_token" {
		digest := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if r.FormValue("code") != "good" || r.FormValue("client_secret") != "secret" || base64.RawURLEncoding.EncodeToString(digest[:]) != g.challenge {
			write(`{"error":"bad_verification_code","error_description":"The code passed is incorrect or expired."}`)
			return
		}
		write(`{"access_token":"gho_x","scope":"read:user,user:email","token_type":"bearer"}`)
		return
	}
	if r.Header.Get("Authorization") != "Bearer gho_x" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.URL.Path == "/user" {
		write(`{"login":"ada","id":42,"name":"Ada","email":"public@example.com"}`)
		return
	}
	if g.status != 0 {
		w.WriteHeader(g.status)
	}
	write(g.emails)
}

func TestGitHub(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		github   github
		code     string
		email    string
		verified bool
		want     error
	}{
		"the primary address": {github: github{emails: `[{"email":"other@example.com","primary":false,"verified":true},{"email":"Ada@example.com","primary":true,"verified":true}]`},
			email: "ada@example.com", verified: true},
		"a primary address that is not proven": {github: github{emails: `[{"email":"ada@example.com","primary":true,"verified":false},{"email":"b@example.com","verified":true}]`}, email: "ada@example.com"},
		"no address":                           {github: github{emails: `[]`}},
		"addresses are not shown":              {github: github{emails: `{"message":"Not Found"}`, status: http.StatusNotFound}, want: provider.ErrAway},
		"addresses of another form":            {github: github{emails: `{}`}, want: provider.ErrAway},
		"a wrong code":                         {code: "bad", want: provider.ErrRefused},
	} {
		server := httptest.NewServer(&tt.github)
		t.Cleanup(server.Close)
		p := provider.NewGitHub(server.URL, server.URL, provider.Client{ID: "client", Secret: "secret"}, http.DefaultTransport)
		to, asked, err := p.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sent, _ := url.Parse(to)
		tt.github.challenge = sent.Query().Get("code_challenge")
		if tt.code == "" {
			tt.code = "good"
		}
		got, err := p.Finish(t.Context(), asked, provider.Answer{Code: tt.code, State: asked.State})
		want := provider.Person{}
		if tt.want == nil {
			want = provider.Person{Issuer: server.URL, Subject: "42", Name: "Ada", Email: tt.email, Verified: tt.verified}
		}
		if got != want || !errors.Is(err, tt.want) {
			t.Errorf("%s: %+v, want %+v (%v)", name, got, want, err)
		}
		if _, err := p.Finish(t.Context(), asked, provider.Answer{Code: "good", State: "other"}); !errors.Is(err, provider.ErrRefused) {
			t.Errorf("%s: another state: %v", name, err)
		}
	}
}
