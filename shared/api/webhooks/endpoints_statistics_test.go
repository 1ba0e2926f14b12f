package webhooks_test

import (
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/auth"
)

// The statistics of an endpoint are shown over the hours that were asked for, to its own
// organization only.
func TestEndpointStatistics(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	own, _ := acme.NewEndpoint(`["*"]`)
	foreign, _ := evil.NewEndpoint(`["*"]`)
	h.Exec(`
		INSERT INTO webhook_stat (org_id, endpoint_id, hour, succeeded, failed, dead, latencies)
		SELECT org_id, id, date_trunc('hour', portico_now(), 'UTC') - n * interval '1 hour', 3, 1, CASE n WHEN 0 THEN 1 ELSE 0 END,
			-- 2 tries up to 1 ms, and up to 32 ms: one in this hour, three in the one before
			ARRAY[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, CASE n WHEN 0 THEN 1 ELSE 3 END]
		FROM webhook_endpoint, unnest('{0, 1, 30}'::int[]) n`)
	path := "/v1/webhook-endpoints/" + own + "/statistics"
	hour := h.Clock.Now().UTC().Truncate(time.Hour)
	for hours, want := range map[string]map[string]string{
		"?hours=1": {
			"since": hour.Format("2006-01-02T15:04:05.000000Z"), "succeeded": "3", "failed": "1", "dead": "1", "success_rate": "0.75",
			"latency_p50_ms": "0.84", "latency_p95_ms": "26.908",
		},
		"": {
			"succeeded": "6", "failed": "2", "dead": "1", "latency_p50_ms": "0.84", "health.backlog": "0", "health.lag_seconds": "0",
			"hours.0.hour":           hour.Add(-time.Hour).Format("2006-01-02T15:04:05.000000Z"),
			"hours.0.latency_p50_ms": "26.908", "hours.0.dead": "0", "hours.1.latency_p50_ms": "0.84", "hours.1.success_rate": "0.75",
		},
		"?hours=720": {"succeeded": "9", "hours.2.succeeded": "3"},
	} {
		r := acme.Do("GET", path+hours, "")
		for member, value := range want {
			if got := r.Get(t, member); got != value {
				t.Errorf("%s: %s is %s, want %s", hours, member, got, value)
			}
		}
	}
	fresh, _ := acme.NewEndpoint(`["*"]`)
	apitest.Want(t, acme.Do("GET", "/v1/webhook-endpoints/"+fresh+"/statistics", ""),
		`200 "succeeded":0 "success_rate":null "latency_p50_ms":null "hours":[]`)
	apitest.Want(t, acme.Do("GET", "/v1/webhook-endpoints/"+foreign+"/statistics", ""), `404 webhook_endpoint_not_found`)
	apitest.Want(t, acme.Do("GET", path+"?hours=721", ""), `422 query.hours`)
	apitest.Want(t, acme.With(auth.DeliveriesRead).Do("GET", path, ""), `403 webhook_endpoints:read`)
}
