package api_test

import "testing"

// A key of no use is refused, and outside all kinds of it look alike.
func TestKeys(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	forged := acme.key[:len(acme.key)-1] + "_"
	for _, tt := range []struct{ name, header, want string }{
		{"none", "", "401 api_key_missing"},
		{"another scheme", "Basic " + acme.key, "401 api_key_missing"},
		{"no scheme", acme.key, "401 api_key_missing"},
		{"mistyped", "Bearer " + forged, "401 api_key_invalid"},
		{"unknown", "Bearer ptc_000000000000000000000000000000" + "2UFVVV", "401 api_key_invalid"},
		{"lower-case scheme", "bearer " + acme.key, "200 "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := caller{harness: h}.do("GET", "/v1/events", "", "Authorization", tt.header)
			want(t, r, tt.want)
			if r.status == 401 && r.header.Get("WWW-Authenticate") != "Bearer" {
				t.Error("no WWW-Authenticate")
			}
		})
	}
}
