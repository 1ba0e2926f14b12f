// Package unsubscribe serves the page behind a mail's link to unsubscribe (RFC 8058).
package unsubscribe

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"log/slog"
	"net/http"
	"strings"

	"portico/shared/clock"
	"portico/shared/mail/unsubscribe"
	"portico/shared/observe"
	"portico/shared/secret"
)

//go:embed page.html
var source string

var page = template.Must(template.New("page").Parse(source))

// policy allows the page its own style and its own form.
var policy = func() string {
	_, rest, _ := strings.Cut(source, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
}()

// Handler serves /u/{token}. GET shows a page and changes nothing, because programs
// that scan mail open every link. POST stops the mail, and may be repeated. Neither
// needs a cookie, a login or a redirect.
type Handler struct {
	Box   *secret.Box
	Clock *clock.Clock
	Log   *observe.Log
	// Stop remembers a choice. It may be called again for the same one.
	Stop func(ctx context.Context, choice unsubscribe.Choice) error
}

// Path is where the page is, for the gateway. GET and POST are its methods.
const Path = "/u/{token}"

// maxBody is more than the one field of a form.
const maxBody = 4 << 10

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	words := wordsFor(r.Header.Get("Accept-Language"))
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, HEAD, POST")
		h.show(w, r, http.StatusMethodNotAllowed, view{Words: words, Title: words.InvalidTitle, Text: words.InvalidText})
		return
	}
	token, ok := strings.CutPrefix(r.URL.Path, "/u/")
	choice, err := unsubscribe.Read(h.Box, token, h.Clock.Now())
	if !ok || err != nil {
		h.show(w, r, http.StatusNotFound, view{Words: words, Title: words.InvalidTitle, Text: words.InvalidText})
		return
	}
	ask := view{Words: words, Title: words.AskTitle, Text: words.fill(words.AskText, choice), Ask: true}
	if r.Method != http.MethodPost {
		h.show(w, r, http.StatusOK, ask)
		return
	}
	// Both forms that RFC 8058 allows. Another POST, such as of a form that someone
	// else made, is asked like a GET.
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if r.PostFormValue("List-Unsubscribe") != "One-Click" {
		h.show(w, r, http.StatusBadRequest, ask)
		return
	}
	if err := h.Stop(r.Context(), choice); err != nil {
		h.Log.Line(r.Context(), slog.LevelError, "a person could not be unsubscribed", nil, slog.String("cause", err.Error()))
		w.Header().Set("Retry-After", "60")
		h.show(w, r, http.StatusServiceUnavailable, view{Words: words, Title: words.AwayTitle, Text: words.AwayText, Ask: true})
		return
	}
	h.show(w, r, http.StatusOK, view{Words: words, Title: words.DoneTitle, Text: words.fill(words.DoneText, choice)})
}

type view struct {
	Words       words
	Title, Text string
	Ask         bool // show the button
}

func (h *Handler) show(w http.ResponseWriter, r *http.Request, status int, v view) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", policy)
	header.Set("Referrer-Policy", "no-referrer") // the address contains the token
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Vary", "Accept-Language")
	w.WriteHeader(status)
	if err := page.Execute(w, v); err != nil {
		h.Log.Line(r.Context(), slog.LevelWarn, "a page could not be sent", nil, slog.String("cause", err.Error()))
	}
}
