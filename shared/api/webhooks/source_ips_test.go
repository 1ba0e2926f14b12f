package api_test

import (
	"strings"
	"testing"

	"portico/shared/auth"
)

// Whoever may read endpoints may read where deliveries come from; without any
// known address the list is empty, not absent.
func TestSourceIPs(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	const path = "/v1/webhook-source-ips"
	for _, tt := range []struct {
		name, path string
		as         caller
		want       string
	}{
		{"with permission", path, acme.with(auth.WebhookEndpointsRead), `200 {"data":["192.0.2.1","192.0.2.2"]}`},
		{"without permission", path, acme.with(auth.EventsRead), `403 webhook_endpoints:read`},
		{"without a key", path, caller{harness: h}, `401 api_key_missing`},
		{"with an unknown parameter", path + "?limit=1", acme, `422 query.limit`},
	} {
		t.Run(tt.name, func(t *testing.T) { want(t, tt.as.do("GET", tt.path, ""), tt.want) })
	}
	h.edge.SourceIPs = nil
	if r := acme.do("GET", path, ""); strings.TrimSpace(r.body) != `{"data":[]}` {
		t.Errorf("without addresses: %d %s", r.status, r.body)
	}
}
