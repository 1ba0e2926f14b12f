package api_test

import (
	"strings"
	"testing"

	"portico/shared/api/apitest"
)

// A key that does not work is refused, and the reply does not show why.
func TestKeys(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	forged := acme.Key[:len(acme.Key)-1] + "_"
	for _, tt := range []struct{ name, header, want string }{
		{"none", "", "401 api_key_missing"},
		{"another scheme", "Basic " + acme.Key, "401 api_key_missing"},
		{"no scheme", acme.Key, "401 api_key_missing"},
		{"mistyped", "Bearer " + forged, "401 api_key_invalid"},
		{"unknown", "Bearer ptc_000000000000000000000000000000" + "2UFVVV", "401 api_key_invalid"},
		{"lower-case scheme", "bearer " + acme.Key, "200 "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := apitest.Caller{Harness: h}.Do("GET", "/v1/events", "", "Authorization", tt.header)
			apitest.Want(t, r, tt.want)
			if r.Status == 401 && !strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Bearer ") {
				t.Error("no WWW-Authenticate")
			}
		})
	}
}
