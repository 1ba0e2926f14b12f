// Package github plays GitHub in the local stack and in tests: its four endpoints for
// signing in, with a form in which everybody is who they say they are.
package github

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"hash/fnv"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// GitHub is the site and, at the same address, its API.
type GitHub struct {
	ID, Secret string // of the only client
	Redirect   string // where it may send browsers back

	mu     sync.Mutex
	codes  map[string]grant
	tokens map[string]account
}

// account is whom somebody has said to be.
type account struct {
	email  string
	proven bool
}

// grant is what a code stands for, until it is used.
type grant struct {
	account
	challenge string
}

// ServeHTTP answers as GitHub does.
func (g *GitHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login/oauth/authorize", g.ask)
	mux.HandleFunc("POST /login/oauth/authorize", g.authorize)
	mux.HandleFunc("POST /login/oauth/access_token", g.exchange)
	mux.HandleFunc("GET /user", g.user)
	mux.HandleFunc("GET /user/emails", g.emails)
	mux.ServeHTTP(w, r)
}

var form = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>GitHub of the local stack</title><body style="font:16px system-ui;max-width:24rem;margin:10vh auto">
<h1>GitHub of the local stack</h1>
<form method="post"><p><label>Who are you? <input name="email" type="email" required value="ada@example.com"></label></p>
<p><label><input type="checkbox" name="proven" value="yes" checked> GitHub knows that the address is yours</label></p>
<button>Sign in</button> <button name="cancel" value="yes" formnovalidate>Cancel</button></form>`))

// known reports whether the client and its address are those that are registered.
func (g *GitHub) known(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Query().Get("client_id") == g.ID && r.URL.Query().Get("redirect_uri") == g.Redirect {
		return true
	}
	http.Error(w, "The client or its address is not registered.", http.StatusNotFound)
	return false
}

func (g *GitHub) ask(w http.ResponseWriter, r *http.Request) {
	if g.known(w, r) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = form.Execute(w, nil) // the client may be gone
	}
}

// authorize sends the browser back with a code, or with the error of who cancels.
func (g *GitHub) authorize(w http.ResponseWriter, r *http.Request) {
	if !g.known(w, r) {
		return
	}
	answer := url.Values{"state": {r.URL.Query().Get("state")}}
	if r.PostFormValue("cancel") != "" {
		answer.Set("error", "access_denied")
	} else {
		answer.Set("code", g.Code(r.PostFormValue("email"), r.PostFormValue("proven") != "", r.URL.Query().Get("code_challenge")))
	}
	http.Redirect(w, r, g.Redirect+"?"+answer.Encode(), http.StatusSeeOther)
}

// Code returns a code for an account.
func (g *GitHub) Code(email string, proven bool, challenge string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.codes == nil {
		g.codes, g.tokens = map[string]grant{}, map[string]account{}
	}
	code := rand.Text()
	g.codes[code] = grant{account{strings.ToLower(email), proven}, challenge}
	return code
}

// exchange gives a token for a code, once.
func (g *GitHub) exchange(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	code := r.PostFormValue("code")
	found, ok := g.codes[code]
	delete(g.codes, code)
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || r.PostFormValue("client_id") != g.ID || r.PostFormValue("client_secret") != g.Secret || base64.RawURLEncoding.EncodeToString(sum[:]) != found.challenge {
		reply(w, map[string]string{"error": "bad_verification_code"}) // with 200, as GitHub does
		return
	}
	token := rand.Text()
	g.tokens[token] = found.account
	reply(w, map[string]string{"access_token": token, "token_type": "bearer", "scope": "read:user,user:email"})
}

// signedIn returns whose token a request has.
func (g *GitHub) signedIn(w http.ResponseWriter, r *http.Request) (account, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	found, ok := g.tokens[token]
	if !ok {
		http.Error(w, "Bad credentials", http.StatusUnauthorized)
	}
	return found, ok
}

func (g *GitHub) user(w http.ResponseWriter, r *http.Request) {
	if found, ok := g.signedIn(w, r); ok {
		number := fnv.New32a()
		_, _ = number.Write([]byte(found.email)) // never fails
		login, _, _ := strings.Cut(found.email, "@")
		reply(w, map[string]any{"id": int64(number.Sum32()) + 1, "login": login, "name": login})
	}
}

func (g *GitHub) emails(w http.ResponseWriter, r *http.Request) {
	if found, ok := g.signedIn(w, r); ok {
		reply(w, []map[string]any{{"email": found.email, "primary": true, "verified": found.proven, "visibility": nil}})
	}
}

func reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}
