package token

import (
	"net/http"
	"strings"
	"time"

	"portico/shared/oauth"
)

// reply is what RFC 6749 calls a token response.
type reply struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope"`
}

func (h *Handler) token(r *http.Request, app oauth.Registered) (any, error) {
	g, t, err := h.Desk.Exchange(r.Context(), app, r.PostForm, originOf(r))
	return reply{t.Access, "Bearer", int(t.Life / time.Second), t.Refresh, g.Scope()}, err
}

func (h *Handler) revoke(r *http.Request, app oauth.Registered) (any, error) {
	if r.PostForm.Get("token") == "" {
		return nil, oauth.Error{Code: oauth.InvalidRequest, Description: "token is missing"}
	}
	return nil, h.Desk.Revoke(r.Context(), app, r.PostForm.Get("token"), originOf(r))
}

// status is what RFC 7662 calls an introspection response. Of a token that is not good,
// and of one of another app, it says nothing else.
type status struct {
	Active   bool   `json:"active"`
	Scope    string `json:"scope,omitempty"`
	ClientID string `json:"client_id,omitempty"`
	Audience string `json:"aud,omitempty"`
	Issuer   string `json:"iss,omitempty"`
	Ends     int64  `json:"exp,omitempty"`
	Org      string `json:"organization_id,omitempty"`
	Member   string `json:"member_id,omitempty"`
}

func (h *Handler) introspect(r *http.Request, app oauth.Registered) (any, error) {
	s, err := h.Desk.Introspect(r.Context(), app, r.PostForm.Get("token"))
	if err != nil || !s.OK {
		return status{}, err
	}
	out := status{
		Active: true, Scope: s.Grant.Scope(), ClientID: s.Grant.Client.String(), Audience: s.Grant.Resource, Issuer: h.Desk.Resource,
		Ends: s.End.Unix(), Org: s.Grant.Org.String(),
	}
	if !s.Grant.Member.IsZero() {
		out.Member = s.Grant.Member.String()
	}
	return out, nil
}

// describe answers with the metadata of the server (RFC 8414) or of the API (RFC 9728).
func (h *Handler) describe(w http.ResponseWriter, r *http.Request) (int, any, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", http.MethodGet)
		return http.StatusMethodNotAllowed, nil, nil
	}
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Header().Set("Access-Control-Allow-Origin", "*") // apps in browsers read it
	at := strings.TrimSuffix(h.Desk.Resource, "/")
	if r.URL.Path == ResourcePath {
		return http.StatusOK, map[string]any{
			"resource": h.Desk.Resource, "authorization_servers": []string{h.Desk.Resource},
			"scopes_supported": oauth.Scopes(), "bearer_methods_supported": []string{"header"}, "resource_documentation": at + "/docs",
		}, nil
	}
	methods := []string{"client_secret_basic", "client_secret_post"}
	return http.StatusOK, map[string]any{
		"issuer": h.Desk.Resource, "authorization_endpoint": at + oauth.AuthorizePath, "token_endpoint": at + Path,
		"revocation_endpoint": at + RevokePath, "introspection_endpoint": at + IntrospectPath,
		"scopes_supported": oauth.Scopes(), "response_types_supported": []string{"code"}, "response_modes_supported": []string{"query"},
		"grant_types_supported":                          []string{"authorization_code", "refresh_token", "client_credentials"},
		"code_challenge_methods_supported":               []string{"S256"},
		"token_endpoint_auth_methods_supported":          append(methods, "none"),
		"revocation_endpoint_auth_methods_supported":     append(methods, "none"),
		"introspection_endpoint_auth_methods_supported":  methods,
		"authorization_response_iss_parameter_supported": true,
	}, nil
}
