// Package token serves what apps ask for without a person: tokens (RFC 6749), their end
// (RFC 7009), their status (RFC 7662), who let them in (OpenID Connect), and the addresses of
// all of it (RFC 8414, RFC 9728).
package token

import (
	"encoding/json"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"time"

	"portico/shared/apikey"
	"portico/shared/limit"
	"portico/shared/oauth"
	"portico/shared/observe"
	"portico/shared/pages/visit"
)

// Handler serves the endpoints.
type Handler struct {
	Desk *oauth.Desk
	Keys *apikey.Projection // nil: no API key may introspect
	// Addresses counts requests that are refused, by address; Apps counts all others, by app,
	// and by address, too, if the app has no secret: so nobody can use up another one's
	// limit. nil: not counted.
	Addresses, Apps *limit.Items
	Log             *observe.Log
}

// endpoint answers a form that an app has sent. Its error becomes one of RFC 6749.
type endpoint func(*http.Request, oauth.Registered) (any, error)

// The paths, for the gateway.
const (
	Path           = "/oauth/token"
	RevokePath     = "/oauth/revoke"
	IntrospectPath = "/oauth/introspect"
	UserInfoPath   = "/oauth/userinfo"
	KeysPath       = "/oauth/jwks.json"
	ServerPath     = "/.well-known/oauth-authorization-server"
	OpenIDPath     = "/.well-known/openid-configuration"
	ResourcePath   = oauth.MetadataPath
)

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	status, body, err := h.answer(w, r)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("X-Request-Id", observe.RequestID(r.Context()))
	if body != nil {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	if body != nil {
		_ = json.NewEncoder(w).Encode(body) // nobody is left to tell
	}
	visit.Record(h.Log, "request", r, status, err, time.Since(began), slog.String("path", r.URL.Path))
}

func (h *Handler) answer(w http.ResponseWriter, r *http.Request) (status int, body any, err error) {
	switch endpoints := map[string]endpoint{Path: h.token, RevokePath: h.revoke, IntrospectPath: h.introspect}; {
	case slices.Contains([]string{ServerPath, OpenIDPath, ResourcePath, KeysPath}, r.URL.Path):
		return h.describe(w, r)
	case r.URL.Path == UserInfoPath:
		return h.userInfo(w, r)
	case endpoints[r.URL.Path] == nil:
		return http.StatusNotFound, nil, nil
	default:
		w.Header().Set("Cache-Control", "no-store")
		body, err = h.form(r, endpoints[r.URL.Path])
	}
	if err == nil {
		return http.StatusOK, body, nil
	}
	status, body = h.refuse(w, r, err)
	return status, body, err
}

var (
	errMethod = oauth.Error{Code: oauth.InvalidRequest, Description: "use POST"}
	errBusy   = errors.New("token: too many requests")
)

// maxForm bounds a form, in bytes.
const maxForm = 16 << 10

// form reads a form, finds out which app has sent it, and answers it.
func (h *Handler) form(r *http.Request, answer endpoint) (any, error) {
	if r.Method != http.MethodPost {
		return nil, errMethod
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" || r.URL.RawQuery != "" {
		return nil, oauth.Error{Code: oauth.InvalidRequest, Description: "send the parameters as a form in the body, none in the address"}
	}
	r.Body = http.MaxBytesReader(nil, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, oauth.Error{Code: oauth.InvalidRequest, Description: "the form cannot be read"}
	}
	for _, list := range r.PostForm {
		if len(list) > 1 {
			return nil, oauth.Error{Code: oauth.InvalidRequest, Description: "a parameter occurs more than once"}
		}
	}
	if body, asks, err := h.introspectFor(r); asks {
		return body, err
	}
	proof, err := proofOf(r)
	if err != nil {
		return nil, err
	}
	app, err := h.Desk.Authenticate(r.Context(), proof, func() error { return h.stranger(r) })
	if err != nil {
		return nil, err
	}
	key := app.ID.String()
	if app.Kind == oauth.Native {
		key += " " + limit.AddressKey(visit.Address(r))
	}
	if !h.allowed(r, h.Apps, key) {
		return nil, errBusy
	}
	return answer(r, app)
}

// stranger counts a request of somebody of whom this environment knows nothing.
func (h *Handler) stranger(r *http.Request) error {
	if !h.allowed(r, h.Addresses, limit.AddressKey(visit.Address(r))) {
		return errBusy
	}
	return nil
}

// proofOf returns how an app says who it is: in the header or in the form, not in both.
func proofOf(r *http.Request) (p oauth.Proof, err error) {
	p = oauth.Proof{ID: r.PostForm.Get("client_id"), Secret: r.PostForm.Get("client_secret")}
	if r.Header.Get("Authorization") == "" {
		return p, nil
	}
	user, password, ok := r.BasicAuth()
	name, wrong := url.QueryUnescape(user)
	secret, alsoWrong := url.QueryUnescape(password)
	switch {
	case !ok, wrong != nil, alsoWrong != nil:
		return p, oauth.Error{Code: oauth.InvalidClient, Description: "the header Authorization cannot be read"}
	case p.Secret != "", p.ID != "" && p.ID != name:
		return p, oauth.Error{Code: oauth.InvalidRequest, Description: "prove who you are in one way only"}
	}
	return oauth.Proof{ID: name, Secret: secret}, nil
}

// allowed counts a request, and reports whether it is within the limit. While the counts
// cannot be asked, it is decided with what this environment knows.
func (h *Handler) allowed(r *http.Request, of *limit.Items, key string) bool {
	if of == nil {
		return true
	}
	d, _, _ := of.Take(r.Context(), key, limit.Amounts{Requests: 1}, false)
	return d.Allowed()
}

// refuse returns the status and the body for an error. What is no error of the app counts
// as one of ours.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) (int, any) {
	var known oauth.Error
	switch {
	case errors.Is(err, errBusy), errors.As(err, &known) && !h.allowed(r, h.Addresses, limit.AddressKey(visit.Address(r))):
		w.Header().Set("Retry-After", "60")
		return http.StatusTooManyRequests, problem("temporarily_unavailable", "there were too many requests: wait a minute")
	case known.Code == "":
		w.Header().Set("Retry-After", "1")
		return http.StatusServiceUnavailable, problem("temporarily_unavailable", "send the request again")
	case known == errMethod:
		w.Header().Set("Allow", http.MethodPost)
		return http.StatusMethodNotAllowed, problem(known.Code, known.Description)
	case known.Code == oauth.InvalidToken, known.Code == oauth.InsufficientScope:
		w.Header().Set("WWW-Authenticate", `Bearer error="`+known.Code+`", error_description="`+known.Description+`"`)
		if known.Code == oauth.InsufficientScope {
			return http.StatusForbidden, problem(known.Code, known.Description)
		}
		return http.StatusUnauthorized, problem(known.Code, known.Description)
	case known.Code == oauth.InvalidClient:
		w.Header().Set("WWW-Authenticate", `Basic realm="oauth"`)
		return http.StatusUnauthorized, problem(known.Code, known.Description)
	}
	return http.StatusBadRequest, problem(known.Code, known.Description)
}

func problem(code, description string) any {
	return map[string]string{"error": code, "error_description": description}
}
