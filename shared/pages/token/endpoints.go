package token

import (
	"net/http"
	"time"

	"portico/shared/oauth"
	"portico/shared/pages/visit"
)

// reply is what RFC 6749 calls a token response.
type reply struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	Scope        string `json:"scope"`
}

func (h *Handler) token(r *http.Request, app oauth.Registered) (any, error) {
	g, t, err := h.Desk.Exchange(r.Context(), app, r.PostForm, visit.Origin(r))
	return reply{t.Access, "Bearer", int(t.Life / time.Second), t.Refresh, t.ID, g.Scope()}, err
}

func (h *Handler) revoke(r *http.Request, app oauth.Registered) (any, error) {
	if r.PostForm.Get("token") == "" {
		return nil, oauth.Error{Code: oauth.InvalidRequest, Description: "token is missing"}
	}
	return nil, h.Desk.Revoke(r.Context(), app, r.PostForm.Get("token"), visit.Origin(r))
}
