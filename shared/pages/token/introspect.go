package token

import (
	"net/http"
	"strings"

	"portico/shared/apikey"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/limit"
	"portico/shared/oauth"
	"portico/shared/pages/visit"
)

// status is what RFC 7662 calls an introspection response. Of a token that is not good,
// and of one that is not for whoever asks, it says nothing else.
type status struct {
	Active   bool   `json:"active"`
	Scope    string `json:"scope,omitempty"`
	ClientID string `json:"client_id,omitempty"`
	Subject  string `json:"sub,omitempty"`
	Audience string `json:"aud,omitempty"`
	Issuer   string `json:"iss,omitempty"`
	Ends     int64  `json:"exp,omitempty"`
	Org      string `json:"organization_id,omitempty"`
	Member   string `json:"member_id,omitempty"`
}

// introspect answers an app about its own tokens.
func (h *Handler) introspect(r *http.Request, app oauth.Registered) (any, error) {
	s, err := h.Desk.Introspect(r.Context(), app, r.PostForm.Get("token"))
	return h.statusOf(s), err
}

// introspectFor answers an API key about the tokens of all apps in its organization. asks
// reports whether a request is for it.
func (h *Handler) introspectFor(r *http.Request) (answer any, asks bool, err error) {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if r.URL.Path != IntrospectPath || !strings.EqualFold(scheme, "Bearer") {
		return nil, false, nil
	}
	caller, err := h.keyOf(r, strings.TrimSpace(key))
	if err != nil {
		return nil, true, err
	}
	if !caller.May(auth.OAuthClientsRead) {
		return nil, true, oauth.Error{Code: oauth.InsufficientScope, Description: "the API key lacks the permission oauth_clients:read"}
	}
	s, err := h.Desk.IntrospectIn(r.Context(), caller.Org, r.PostForm.Get("token"))
	return h.statusOf(s), true, err
}

// keyOf returns whose API key a text is, after counting the request against its limits.
func (h *Handler) keyOf(r *http.Request, text string) (auth.Caller, error) {
	wrong := oauth.Error{Code: oauth.InvalidToken, Description: "this is no API key that works from here"}
	hash, err := apikey.Parse(text)
	if err != nil {
		return auth.Caller{}, wrong
	}
	caller, d, err := h.Keys.Caller(r.Context(), hash, apikey.Use{From: visit.Address(r), Amounts: limit.Amounts{Requests: 1}, LookUp: func() error { return h.stranger(r) }})
	f := fault.Of(err)
	switch {
	case f != nil && f.Kind == fault.Unauthenticated:
		return caller, wrong
	case err != nil:
		return caller, err
	case !d.Allowed():
		return caller, errBusy
	}
	return caller, nil
}

func (h *Handler) statusOf(s oauth.Status) status {
	if !s.OK {
		return status{}
	}
	out := status{
		Active: true, Scope: s.Grant.Scope(), ClientID: s.Grant.Client.String(), Subject: s.Subject, Audience: s.Grant.Resource, Issuer: h.Desk.Resource,
		Ends: s.End.Unix(), Org: s.Grant.Org.String(),
	}
	if !s.Grant.Member.IsZero() {
		out.Member = s.Grant.Member.String()
	}
	return out
}
