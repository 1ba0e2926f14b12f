package api_test

import (
	"fmt"
	"portico/shared/auth"
	"strings"
	"testing"
)

// Deliveries are listed by endpoint, event and status, and read with their
// attempts, by their own organization only.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme, evil := h.org("Acme"), h.org("Evil")
	one, _ := acme.newEndpoint(`["a"]`)
	two, _ := acme.newEndpoint(`["*"]`)
	evil.newEndpoint(`["*"]`)
	event := acme.publish(`{"type":"a","data":1}`).get(t, "id")
	other := acme.publish(`{"type":"b","data":1}`).get(t, "id")
	evil.publish(`{"type":"a","data":1}`)
	list := acme.do("GET", "/v1/deliveries?event_id="+event+"&endpoint_id="+one, "")
	own := list.body[strings.Index(list.body, "dlv_"):][:30]
	foreignList := evil.do("GET", "/v1/deliveries", "")
	foreign := foreignList.body[strings.Index(foreignList.body, "dlv_"):][:30]

	for _, tt := range []struct {
		name, path string
		as         caller
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
		{"list without permission", "", acme.with(auth.EventsRead), `403 deliveries:read`},
		{"get without permission", "/" + own, acme.with(auth.EventsRead), `403 deliveries:read`},
	} {
		t.Run(tt.name, func(t *testing.T) { want(t, tt.as.do("GET", "/v1/deliveries"+tt.path, ""), tt.want) })
	}
	seen := map[string]bool{}
	for after := ""; ; {
		r := acme.do("GET", "/v1/deliveries?limit=1"+after, "")
		seen[r.body[strings.Index(r.body, "dlv_"):][:30]] = true
		next := r.get(t, "next")
		if next == "null" {
			break
		}
		after = fmt.Sprint("&after=", next)
	}
	if len(seen) != 3 {
		t.Errorf("%d deliveries over all pages, want 3", len(seen))
	}
}
