package webhooks_test

import (
	"fmt"
	"strings"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
)

// Deliveries are listed by endpoint, event and status, and read with their
// attempts, only by their own organization.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	one, _ := acme.NewEndpoint(`["a"]`)
	two, _ := acme.NewEndpoint(`["*"]`)
	evil.NewEndpoint(`["*"]`)
	event := acme.Publish(`{"type":"a","data":1}`).Get(t, "id")
	other := acme.Publish(`{"type":"b","data":1}`).Get(t, "id")
	evil.Publish(`{"type":"a","data":1}`)
	list := acme.Do("GET", "/v1/deliveries?event_id="+event+"&endpoint_id="+one, "")
	own := list.Body[strings.Index(list.Body, "dlv_"):][:30]
	foreignList := evil.Do("GET", "/v1/deliveries", "")
	foreign := foreignList.Body[strings.Index(foreignList.Body, "dlv_"):][:30]

	for _, tt := range []struct {
		name, path string
		as         apitest.Caller
		want       string
	}{
		{"all", "", acme, `200 ` + one + ` ` + two + ` ` + event + ` ` + other + ` "status":"pending" "attempt_count":0 !` + foreign},
		{"of an endpoint", "?endpoint_id=" + one, acme, `200 ` + event + ` !` + other + ` !` + two},
		{"of an event", "?event_id=" + other, acme, `200 ` + two + ` !` + one},
		{"of a status", "?status=failed", acme, `200 "data":[] "next":null`},
		{"of a status that is none", "?status=lost", acme, `422 query.status`},
		{"of a malformed endpoint", "?endpoint_id=we_", acme, `422 query.endpoint_id`},
		{"of another organization's endpoint", "?endpoint_id=" + one, evil, `200 "data":[]`},
		{"by pages", "?limit=1", acme, `200 "next":"`},
		{"get own", "/" + own, acme, `200 "id":"` + own + `" "attempts":[] "next_retry_at":"20`},
		{"get another organization's", "/" + foreign, acme, `404 delivery_not_found`},
		{"get missing", "/dlv_01890000000000000000000000", acme, `404 delivery_not_found`},
		{"get with a malformed id", "/1", acme, `422 path.id`},
		{"list without permission", "", acme.With(auth.EventsRead), `403 deliveries:read`},
		{"get without permission", "/" + own, acme.With(auth.EventsRead), `403 deliveries:read`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do("GET", "/v1/deliveries"+tt.path, ""), tt.want) })
	}
	seen := map[string]bool{}
	for after := ""; ; {
		r := acme.Do("GET", "/v1/deliveries?limit=1"+after, "")
		seen[r.Body[strings.Index(r.Body, "dlv_"):][:30]] = true
		next := r.Get(t, "next")
		if next == "null" {
			break
		}
		after = fmt.Sprint("&after=", next)
	}
	if len(seen) != 3 {
		t.Errorf("%d deliveries over all pages, want 3", len(seen))
	}
}
