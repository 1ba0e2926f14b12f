package webhooks_test

import (
	"strings"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
)

// Everyone who may read endpoints may read the addresses from which deliveries
// come. If none is known, the list is empty, not absent.
func TestSourceIPs(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	const path = "/v1/webhook-source-ips"
	for _, tt := range []struct {
		name, path string
		as         apitest.Caller
		want       string
	}{
		{"with permission", path, acme.With(auth.WebhookEndpointsRead), `200 {"data":["192.0.2.1","192.0.2.2"]}`},
		{"without permission", path, acme.With(auth.EventsRead), `403 webhook_endpoints:read`},
		{"without a key", path, apitest.Caller{Harness: h}, `401 api_key_missing`},
		{"with an unknown parameter", path + "?limit=1", acme, `422 query.limit`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do("GET", tt.path, ""), tt.want) })
	}
	h.Server.SourceIPs = nil
	if r := acme.Do("GET", path, ""); strings.TrimSpace(r.Body) != `{"data":[]}` {
		t.Errorf("without addresses: %d %s", r.Status, r.Body)
	}
}
