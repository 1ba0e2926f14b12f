package webhooks_test

import (
	"regexp"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
)

// A finished delivery is due again after a redelivery, which wakes a dispatcher. Only
// its own organization may redeliver it, and a repeated request changes nothing.
func TestRedeliver(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	endpoint, _ := acme.NewEndpoint(`["*"]`)
	acme.Publish(`{"type":"a","data":1}`)
	delivery := regexp.MustCompile(`dlv_\w{26}`).FindString(acme.Do("GET", "/v1/deliveries", "").Body)
	path := "/v1/deliveries/" + delivery + "/redeliver"
	h.Exec(`UPDATE webhook_delivery SET status = 'failed', next_retry_at = NULL, completed_at = portico_now(), attempts = 8, expired = true`)
	nudges := h.Nudges.Depth().Visible
	h.NewWaker()
	for _, tt := range []struct {
		name, path string
		as         apitest.Caller
		want       string
	}{
		{"without permission", path, acme.With(auth.DeliveriesRead, auth.EventsWrite), `403 deliveries:write`},
		{"another organization's", path, evil, `404 delivery_not_found`},
		{"missing", "/v1/deliveries/dlv_01890000000000000000000000/redeliver", acme, `404 delivery_not_found`},
		{"malformed", "/v1/deliveries/1/redeliver", acme, `422 path.id`},
		{"own", path, acme, `200 "status":"pending" "attempt_count":8 "completed_at":null "last_error":null`},
		{"again", path, acme, `200 "status":"pending" "attempt_count":8`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do("POST", tt.path, ""), tt.want) })
	}
	if got := h.Nudges.Depth().Visible - nudges; got != 1 {
		t.Errorf("%d nudges, want 1", got)
	}
	apitest.Want(t, acme.Do("GET", "/v1/audit-log?action=delivery.redeliver", ""), `200 `+delivery+` "before":{"status":"failed"} "after":{"status":"pending"}`)
	acme.Do("PATCH", "/v1/webhook-endpoints/"+endpoint, `{"status":"disabled"}`)
	apitest.Want(t, acme.Do("POST", path, ""), `200 "status":"held"`)
	acme.Do("DELETE", "/v1/webhook-endpoints/"+endpoint, "")
	apitest.Want(t, acme.Do("POST", path, ""), `409 webhook_endpoint_deleted`)
}
