package web

import (
	"context"
	"strings"
	"testing"
)

// The host of a request is the one at which the gateway received it, whatever the
// headers say.
func TestHostIsTheGateways(t *testing.T) {
	forged := strings.Replace(payload, `"host": "api.example.com",`, `"host": "portal.example.com", "x-forwarded-host": "portal.example.com",`, 1)
	named := strings.Replace(forged, `"requestContext": {`, `"requestContext": {"domainName": "api.example.com", `, 1)
	for text, want := range map[string]string{payload: "api.example.com", named: "api.example.com"} {
		if r := request(context.Background(), eventOf(t, text)); r.Host != want {
			t.Errorf("%s\nhas the host %s, want %s", text, r.Host, want)
		}
	}
}
