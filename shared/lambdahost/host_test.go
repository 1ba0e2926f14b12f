package lambdahost

import (
	"context"
	"strings"
	"testing"
)

// The host of a request is the one that the gateway has answered for, whatever
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
