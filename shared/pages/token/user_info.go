package token

import (
	"net/http"
	"strings"

	"portico/shared/limit"
	"portico/shared/pages/visit"
)

// userInfo answers what an app may know of the person who has let it in. The app proves with
// its access token that it was.
func (h *Handler) userInfo(w http.ResponseWriter, r *http.Request) (int, any, error) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		return http.StatusMethodNotAllowed, nil, nil
	}
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		w.Header().Set("WWW-Authenticate", "Bearer") // without an error: none was made yet (RFC 6750, section 3.1)
		return http.StatusUnauthorized, nil, nil
	}
	found, err := h.Desk.UserInfo(r.Context(), strings.TrimSpace(text))
	if err == nil && !h.allowed(r, h.Apps, found.Client.String()+" "+limit.AddressKey(visit.Address(r))) {
		err = errBusy
	}
	if err == nil {
		return http.StatusOK, found, nil
	}
	status, body := h.refuse(w, r, err)
	return status, body, err
}
