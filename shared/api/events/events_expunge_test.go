package events_test

import (
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/testkit"
)

// An expunged event is a stub: nothing that was sent with it is left, nobody gets it any
// more, and its external id is free. Expunging it again changes nothing. Only its own
// organization may, with a permission that a developer has not.
func TestExpunge(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	acme.NewEndpoint(`["*"]`)
	acme.Make("/v1/event-consumers", `{"name":"reader","event_types":["*"]}`)
	const body = `{"type":"a","data":{"name":"Ada"},"external_id":"ada_1","ordering_key":"ada"}`
	made := acme.Publish(body).Get(t, "id")
	path := "/v1/events/" + made + "/expunge"
	apitest.Want(t, acme.Do("GET", "/v1/events/"+made, ""), `200 Ada "expunged_at":null`)
	const stub = `"type":"a" "data":null "ordering_key":null "external_id":null "delivery_count":1 "expunged_at":"2 !Ada !ada`
	for _, tt := range []struct {
		name, path string
		as         apitest.Caller
		want       string
	}{
		{"without permission", path, acme.With(auth.EventsRead, auth.EventsWrite), `403 events:delete`},
		{"another organization's", path, evil, `404 event_not_found`},
		{"missing", "/v1/events/evt_01890000000000000000000000/expunge", acme, `404 event_not_found`},
		{"malformed", "/v1/events/1/expunge", acme, `422 path.id`},
		{"own", path, acme, "200 " + stub},
		{"again", path, acme, "200 " + stub},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do("POST", tt.path, ""), tt.want) })
	}
	at := acme.Do("GET", "/v1/events/"+made, "").Get(t, "expunged_at")
	h.Advance(t, time.Second)
	acme.Do("POST", path, "")
	apitest.Want(t, acme.Do("GET", "/v1/events/"+made, ""), `200 `+stub+` "expunged_at":"`+at+`"`)
	apitest.Want(t, acme.Do("GET", "/v1/events", ""), `200 `+made+` "expunged_at":"`+at+`" !ada`)
	apitest.Want(t, acme.Do("GET", "/v1/deliveries", ""), `200 "status":"failed" "attempt_count":0`)
	apitest.Want(t, acme.Do("GET", "/v1/event-stream?consumer=reader", ""), `200 "data":[]`)
	apitest.Want(t, acme.Do("GET", "/v1/audit-log?action=event.expunge", ""), `200 `+made+` "before":{"expunged":false} "after":{"expunged":true}`)
	if left := testkit.Value[int](t, h.Database, `
		SELECT (SELECT count(*) FROM event WHERE convert_from(payload, 'UTF8') ILIKE '%ada%' OR ordering_key IS NOT NULL OR seq IS NULL)
			+ (SELECT count(*) FROM event_external_id) + (SELECT count(*) FROM event_consumer_item)`); left != 0 {
		t.Errorf("%d rows have something left of it", left)
	}
	apitest.Want(t, acme.Publish(body), `202 "external_id":"ada_1" !`+made)
}
