package token

import (
	"net/http"
	"strings"

	"portico/shared/oauth"
	"portico/shared/signingkey"
)

// describe answers with the metadata of the server (RFC 8414, OpenID Connect Discovery) or of
// the API (RFC 9728), or with the keys that sign ID tokens.
func (h *Handler) describe(w http.ResponseWriter, r *http.Request) (int, any, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", http.MethodGet)
		return http.StatusMethodNotAllowed, nil, nil
	}
	w.Header().Set("Access-Control-Allow-Origin", "*") // apps in browsers read it
	var body any
	switch r.URL.Path {
	case ResourcePath:
		body = h.resource()
	case KeysPath:
		keys, err := h.Desk.Keys.Public(r.Context())
		if err != nil {
			status, problem := h.refuse(w, r, err)
			return status, problem, err
		}
		body = keys
	default:
		body = h.server()
	}
	w.Header().Set("Cache-Control", "public, max-age=300")
	return http.StatusOK, body, nil
}

func (h *Handler) resource() map[string]any {
	return map[string]any{
		"resource": h.Desk.Resource, "authorization_servers": []string{h.Desk.Resource},
		"scopes_supported": oauth.Scopes(), "bearer_methods_supported": []string{"header"}, "resource_documentation": h.at() + "/docs",
	}
}

func (h *Handler) at() string { return strings.TrimSuffix(h.Desk.Resource, "/") }

// server is the same document for OAuth and for OpenID Connect.
func (h *Handler) server() map[string]any {
	at, methods := h.at(), []string{"client_secret_basic", "client_secret_post"}
	withNone := append(methods[:2:2], "none")
	return map[string]any{
		"issuer": h.Desk.Resource, "authorization_endpoint": at + oauth.AuthorizePath, "token_endpoint": at + Path,
		"revocation_endpoint": at + RevokePath, "introspection_endpoint": at + IntrospectPath, "userinfo_endpoint": at + UserInfoPath, "jwks_uri": at + KeysPath,
		"scopes_supported": oauth.Scopes(), "response_types_supported": []string{"code"}, "response_modes_supported": []string{"query"},
		"grant_types_supported":                          []string{"authorization_code", "refresh_token", "client_credentials"},
		"code_challenge_methods_supported":               []string{"S256"},
		"token_endpoint_auth_methods_supported":          withNone,
		"revocation_endpoint_auth_methods_supported":     withNone,
		"introspection_endpoint_auth_methods_supported":  methods,
		"authorization_response_iss_parameter_supported": true,
		"subject_types_supported":                        []string{"pairwise"},
		"id_token_signing_alg_values_supported":          []string{signingkey.Algorithm},
		"claims_supported":                               []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "amr", "name", "email", "email_verified"},
		"prompt_values_supported":                        []string{"none", "login", "consent"},
		"request_uri_parameter_supported":                false, // without it, it would be true
	}
}
