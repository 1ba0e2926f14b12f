// Package scim serves directories to identity providers by SCIM 2.0 (RFC 7643, RFC 7644): what
// Okta, Microsoft Entra and others send, and the errors that they understand.
package scim

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"portico/shared/directory"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/limit"
	"portico/shared/observe"
	"portico/shared/pages/visit"
	"portico/shared/pg"
	"portico/shared/secret"
)

// Handler serves the directories of all organizations.
type Handler struct {
	Desk *directory.Desk
	// Public is the address of the site, as in the resources' locations.
	Public string
	// Addresses counts requests without a valid token, by address; Directories counts those
	// with one, by token. nil: not counted.
	Addresses, Directories *limit.Items
	Log                    *observe.Log
}

// media is the type of all bodies.
const media = "application/scim+json"

// maxBody bounds a request's body, in bytes.
const maxBody = 1 << 20

// request is what a provider asks for.
type request struct {
	*http.Request
	connection id.SSOConnection
	token      secret.Token
	base       string // of the locations of resources
	kind, id   string // of the path: Users and dru_…
}

// reply is what it gets.
type reply struct {
	status   int
	location string
	body     any // nil: none
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	out, err := h.answer(r)
	if err != nil {
		out = h.refuse(w, r, err)
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Request-Id", observe.RequestID(r.Context()))
	if out.location != "" {
		w.Header().Set("Location", out.location)
	}
	if out.body != nil {
		w.Header().Set("Content-Type", media)
	}
	w.WriteHeader(out.status)
	if out.body != nil && r.Method != http.MethodHead {
		_ = json.NewEncoder(w).Encode(out.body) // nobody is left to tell
	}
	visit.Record(h.Log, "request", r, out.status, err, time.Since(began), slog.String("path", r.URL.Path))
}

var (
	errPath   = refusal{status: http.StatusNotFound, detail: "There is nothing at this path."}
	errToken  = refusal{status: http.StatusUnauthorized, detail: "Send the directory's token as Authorization: Bearer pds_…"}
	errMethod = refusal{status: http.StatusMethodNotAllowed, detail: "This resource does not have this method."}
)

func (h *Handler) answer(r *http.Request) (reply, error) {
	in, err := h.parse(r)
	if err != nil {
		return reply{}, err
	}
	if wait := h.count(r.Context(), h.Directories, in.token.Hash()); wait > 0 { // so nobody without it uses up its limit
		return reply{}, busy(wait)
	}
	work, changes, err := route(in)
	if err != nil {
		work = func(context.Context, *directory.Open) (reply, error) { return reply{}, err } // told only with a token
	}
	var out reply
	err = h.Desk.Enter(r.Context(), in.connection, in.token, changes, visit.Origin(r), func(d *directory.Open) (err error) {
		out, err = work(r.Context(), d)
		return err
	})
	return out, err
}

// parse reads path and token. Who has no token learns nothing about the path.
func (h *Handler) parse(r *http.Request) (in request, err error) {
	in = request{Request: r}
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token, err := directory.ParseToken(strings.TrimSpace(text))
	if !strings.EqualFold(scheme, "Bearer") || err != nil {
		return in, errToken
	}
	rest, ours := strings.CutPrefix(r.URL.Path, directory.Path)
	parts := strings.Split(rest, "/")
	connection, err := id.Parse[id.SSOConnection](parts[0])
	if !ours || err != nil {
		return in, errToken
	}
	in.token, in.connection, in.base = token, connection, directory.BaseURL(h.Public, connection)
	if len(parts) > 1 {
		in.kind = parts[1]
	}
	if len(parts) > 2 {
		in.id = parts[2]
	}
	if len(parts) > 3 || len(parts) == 3 && in.id == "" {
		in.kind = ""
	}
	return in, nil
}

// work answers a request in a directory.
type work func(context.Context, *directory.Open) (reply, error)

// route returns what answers a request, and whether that changes something.
func route(in request) (work, bool, error) {
	method := in.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	switch in.kind {
	case "Users", "Groups":
		of, found := resources[in.kind][method+" "+map[bool]string{true: "list", false: "one"}[in.id == ""]]
		if !found {
			return nil, false, errMethod
		}
		body, err := bodyOf(in)
		return func(ctx context.Context, d *directory.Open) (reply, error) {
			if err != nil {
				return reply{}, err
			}
			return of(ctx, d, in, body)
		}, method != http.MethodGet, nil
	case "ServiceProviderConfig", "Schemas", "ResourceTypes":
		if method != http.MethodGet {
			return nil, false, errMethod
		}
		out, err := describe(in)
		return func(context.Context, *directory.Open) (reply, error) { return out, err }, false, nil
	}
	return nil, false, errPath
}

// handler answers a request for people or groups. body is nil for a request without one.
type handler func(context.Context, *directory.Open, request, object) (reply, error)

var resources = map[string]map[string]handler{
	"Users": {
		"GET list": listUsers, "POST list": createUser, "GET one": getUser, "PUT one": replaceUser, "PATCH one": patchUser, "DELETE one": deleteUser,
	},
	"Groups": {
		"GET list": listGroups, "POST list": createGroup, "GET one": getGroup, "PUT one": replaceGroup, "PATCH one": patchGroup, "DELETE one": deleteGroup,
	},
}

// count counts a request, and returns after which time it may be sent again; 0: it is within
// the limit. While the counts cannot be asked, it is decided with what this environment knows.
func (h *Handler) count(ctx context.Context, of *limit.Items, key string) (wait time.Duration) {
	if of == nil {
		return 0
	}
	d, _, _ := of.Take(ctx, key, limit.Amounts{Requests: 1}, false)
	for _, s := range d.Denied() {
		wait = max(wait, s.RetryAfter)
	}
	return wait
}

// busy is what who has reached a limit is told.
func busy(wait time.Duration) refusal {
	return refusal{status: http.StatusTooManyRequests, detail: "There were too many requests. Wait as long as Retry-After says.", wait: wait}
}

// refuse returns the reply for an error, and sets its headers.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) reply {
	known := refusalOf(err)
	if known.status == http.StatusUnauthorized {
		if wait := h.count(r.Context(), h.Addresses, limit.AddressKey(visit.Address(r))); wait > 0 {
			known = busy(wait)
		}
	}
	switch known.status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(known.wait.Seconds()))))
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	return reply{status: known.status, body: known.body()}
}

// refusalOf returns what a provider is told about an error.
func refusalOf(err error) refusal {
	var known refusal
	f := fault.Of(err)
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, directory.ErrToken):
		return errToken
	case errors.Is(err, directory.ErrNoUser):
		return refusal{status: http.StatusNotFound, detail: "There is no user with this id."}
	case errors.Is(err, directory.ErrNoGroup):
		return refusal{status: http.StatusNotFound, detail: "There is no group with this id."}
	case errors.Is(err, directory.ErrTaken):
		return refusal{status: http.StatusConflict, kind: "uniqueness", detail: "Another resource of the directory has this name, or is the same member."}
	case errors.Is(err, directory.ErrDomain):
		return refusal{status: http.StatusBadRequest, kind: "invalidValue", detail: "emails: the address is in no verified domain of the single sign-on connection."}
	case errors.Is(err, directory.ErrFull):
		return refusal{status: http.StatusForbidden, detail: "The directory is full."}
	case f != nil && (f.Kind == fault.Denied || f.Kind == fault.NotFound):
		return refusal{status: http.StatusForbidden, detail: "Whoever has set up the directory may not do that: " + f.Detail}
	case f != nil && f.Kind == fault.Conflict:
		return refusal{status: http.StatusConflict, detail: f.Detail}
	case f != nil && f.Kind == fault.Unavailable, pg.IsTransient(err), errors.Is(err, context.DeadlineExceeded):
		return refusal{status: http.StatusServiceUnavailable, detail: "Send the request again."}
	}
	return refusal{status: http.StatusInternalServerError, detail: "Something went wrong on our side."}
}

// refusal is an error of SCIM.
type refusal struct {
	status int
	kind   string // scimType; "": none
	detail string
	wait   time.Duration // before another request, if there were too many
}

func (e refusal) Error() string { return "scim: " + e.detail }

func (e refusal) body() any {
	b := map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"}, "status": strconv.Itoa(e.status), "detail": e.detail}
	if e.kind != "" {
		b["scimType"] = e.kind
	}
	return b
}
