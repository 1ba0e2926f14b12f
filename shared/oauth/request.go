package oauth

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"portico/shared/id"
)

// Request is what an app asks a person for, at the authorization endpoint.
type Request struct {
	Client    Registered
	Redirect  string
	State     string
	Challenge string
	Scopes    []string
	Resource  string
	Nonce     string // comes back in the ID token
	Silent    bool   // the app wants an error instead of a page
	Again     bool   // the app wants the person to sign in again
	// Age is how long ago the person may have signed in at most; negative: whenever.
	Age time.Duration
}

// ErrStranger is returned for a request of which it is not known where it may lead back
// to: the app is not known, or has not registered the redirect URI. The person is told,
// and led nowhere.
var ErrStranger = errors.New("oauth: the app or its redirect_uri is not known")

// challengeForm is what the transformation S256 of RFC 7636 returns.
var challengeForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// In bytes.
const (
	longestState = 2000
	longestNonce = 500
)

// AuthorizePath is the page to which apps lead people.
const AuthorizePath = "/oauth/authorize"

// Read reads an authorization request. If the error is an Error, the app of the returned
// request can be told it.
func (a *Apps) Read(ctx context.Context, query url.Values) (Request, error) {
	var client id.OAuthClient
	if len(query["client_id"]) != 1 || len(query["redirect_uri"]) != 1 || client.UnmarshalText([]byte(query.Get("client_id"))) != nil {
		return Request{}, ErrStranger
	}
	found, err := a.Clients.Get(ctx, client)
	switch {
	case errors.Is(err, ErrNotFound):
		return Request{}, ErrStranger
	case err != nil:
		return Request{}, err
	}
	r := Request{Client: found, Redirect: query.Get("redirect_uri"), State: query.Get("state"), Challenge: query.Get("code_challenge"), Resource: a.Resource}
	if !found.Redirects(r.Redirect) {
		return Request{}, ErrStranger
	}
	return r, r.read(query)
}

func (r *Request) read(query url.Values) error {
	prompt := strings.Fields(query.Get("prompt"))
	r.Silent, r.Again, r.Nonce = slices.Contains(prompt, "none"), slices.Contains(prompt, "login"), query.Get("nonce")
	r.Scopes = ordered(strings.Fields(query.Get("scope")))
	switch repeated := repeatedIn(query); {
	case repeated != "":
		return Error{InvalidRequest, repeated + " occurs more than once"}
	case query.Has("request"):
		return Error{"request_not_supported", "send the parameters themselves"}
	case query.Has("request_uri"):
		return Error{"request_uri_not_supported", "send the parameters themselves"}
	case query.Get("response_type") != "code":
		return Error{UnsupportedResponse, "response_type must be code"}
	case !slices.Contains([]string{"", "query"}, query.Get("response_mode")):
		return Error{InvalidRequest, "response_mode must be query"}
	case query.Get("code_challenge_method") != "S256" || !challengeForm.MatchString(r.Challenge):
		return Error{InvalidRequest, "PKCE is required: send code_challenge, and S256 as code_challenge_method"}
	case len(r.State) > longestState:
		return Error{InvalidRequest, "state is too long"}
	case len(r.Nonce) > longestNonce:
		return Error{InvalidRequest, "nonce is too long"}
	case query.Has("resource") && query.Get("resource") != r.Resource:
		return Error{InvalidTarget, "resource must be the address of this API"}
	case len(r.Scopes) == 0:
		return Error{InvalidScope, "scope is missing"}
	}
	if err := r.readAge(query); err != nil {
		return err
	}
	if err := checkPrompt(prompt); err != nil {
		return err
	}
	return r.Client.checkScopes(r.Scopes)
}

// longestAge is in seconds: longer than any session.
const longestAge = 1e9

func (r *Request) readAge(query url.Values) error {
	if r.Age = -1; !query.Has("max_age") {
		return nil
	}
	seconds, err := strconv.ParseUint(query.Get("max_age"), 10, 64)
	if err != nil {
		return Error{InvalidRequest, "max_age must be a number of seconds"}
	}
	r.Age = time.Duration(min(seconds, longestAge)) * time.Second
	return nil
}

// checkPrompt refuses what the pages cannot do (OpenID Connect Core, section 3.1.2.1).
func checkPrompt(prompt []string) error {
	for _, one := range prompt {
		switch {
		case one == "select_account":
			return Error{"account_selection_required", "the person signs in to one account only: send prompt=login"}
		case !slices.Contains([]string{"none", "login", "consent"}, one), one == "none" && len(prompt) > 1:
			return Error{InvalidRequest, "prompt must be none, or login and consent"}
		}
	}
	return nil
}

// Stale reports whether the person must sign in again before the app is let in.
func (r Request) Stale(signedInAt, now time.Time) bool {
	return r.Again || r.Age >= 0 && now.Sub(signedInAt) > r.Age
}

// repeatedIn returns a parameter that occurs more than once; "": none does.
func repeatedIn(values url.Values) string {
	for name, list := range values {
		if len(list) > 1 {
			return name
		}
	}
	return ""
}

// checkScopes refuses scopes for which the app may not ask.
func (c Client) checkScopes(scopes []string) error {
	for _, scope := range scopes {
		if !c.Allows(scope) {
			return Error{InvalidScope, "the app may not ask for a scope that it names"}
		}
	}
	return nil
}

// Reply returns where the person is led back to with these parameters. It names who
// answers (RFC 9207), so that an app with several authorization servers cannot mix them up.
func (r Request) Reply(issuer string, parameters ...string) string {
	answer := url.Values{"iss": {issuer}}
	if r.State != "" {
		answer.Set("state", r.State)
	}
	for i := 0; i < len(parameters); i += 2 {
		answer.Set(parameters[i], parameters[i+1])
	}
	separator := "?"
	if strings.Contains(r.Redirect, "?") {
		separator = "&"
	}
	return r.Redirect + separator + answer.Encode()
}
