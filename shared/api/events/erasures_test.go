package events_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/auth"
)

// Erasures are begun, shown and cancelled only by their own organization. What is wrong,
// or would select everything, is refused with the member's name.
func TestErasures(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	theirs := evil.Make("/v1/erasures", `{"filter":"data.who == 1"}`)
	own := "/v1/erasures"
	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"nothing", "POST", own, `{}`, acme, `422 body.filter`},
		{"only a time", "POST", own, `{"since":"2026-01-01T00:00:00Z"}`, acme, `422 body.filter`},
		{"an empty filter", "POST", own, `{"filter":""}`, acme, `422 body.filter`},
		{"a filter that is none", "POST", own, `{"filter":"data.who =="}`, acme, `422 body.filter`},
		{"a filter that is a text", "POST", own, `{"filter":"'x'"}`, acme, `422 body.filter`},
		{"a filter of spaces", "POST", own, `{"filter":"  "}`, acme, `422 body.filter`},
		{"a long filter", "POST", own, `{"filter":"` + strings.Repeat("x", 10_000) + `"}`, acme, `422 body.filter`},
		{"a filter with U+0000", "POST", own, `{"filter":"type == 'a\u0000'"}`, acme, `422 body.filter`},
		{"all events", "POST", own, `{"filter":"true"}`, acme, `422 body.filter`},
		{"all other people", "POST", own, `{"filter":"data.who != 7"}`, acme, `422 body.filter`},
		{"all without a name", "POST", own, `{"filter":"data?.who == nil"}`, acme, `422 body.filter`},
		{"no keys", "POST", own, `{"ordering_keys":[]}`, acme, `422 body.ordering_keys`},
		{"an empty key", "POST", own, `{"ordering_keys":["a",""]}`, acme, `422 body.ordering_keys[1]`},
		{"a long key", "POST", own, `{"ordering_keys":["` + strings.Repeat("x", 10_000) + `"]}`, acme, `422 body.ordering_keys[0]`},
		{"a key with U+0000", "POST", own, `{"ordering_keys":["\u0000"]}`, acme, `422 body.ordering_keys[0]`},
		{"many keys", "POST", own, `{"ordering_keys":["a"` + strings.Repeat(`,"a"`, 100) + `]}`, acme, `422 body.ordering_keys`},
		{"an address that is none", "POST", own, `{"recipient":"Ada <ada@example.com>"}`, acme, `422 body.recipient`},
		{"no address", "POST", own, `{"recipient":""}`, acme, `422 body.recipient`},
		{"a long address", "POST", own, `{"recipient":"` + strings.Repeat("x", 10_000) + `@example.com"}`, acme, `422 body.recipient`},
		{"since after until", "POST", own, `{"filter":"data.who == 1","since":"2026-01-02T00:00:00Z","until":"2026-01-01T00:00:00Z"}`, acme, `422 body.since`},
		{"the future", "POST", own, `{"filter":"data.who == 1","since":"2099-01-02T00:00:00Z"}`, acme, `422 body.since`},
		{"a time before all", "POST", own, `{"filter":"data.who == 1","until":"0000-01-01T00:00:00Z"}`, acme, `422 body.`},
		{"two mistakes", "POST", own, `{"filter":"true","recipient":"x"}`, acme, `422 body.filter body.recipient`},
		{"unknown member", "POST", own, `{"filter":"data.who == 1","address":"x"}`, acme, `422 body.address`},
		{"without permission", "POST", own, `{"filter":"data.who == 1"}`, acme.With(auth.EventsRead, auth.EventsWrite), `403 events:delete`},
		{"list none", "GET", own, "", acme, `200 "data":[]`},
		{"list without permission", "GET", own, "", acme.With(auth.EventsDelete), `403 events:read`},
		{"get another organization's", "GET", own + "/" + theirs, "", acme, `404 erasure_not_found`},
		{"get a malformed one", "GET", own + "/1", "", acme, `422 path.id`},
		{"cancel another organization's", "POST", own + "/" + theirs + "/cancel", "", acme, `404 erasure_not_found`},
		{"cancel without permission", "POST", own + "/" + theirs + "/cancel", "", acme.With(auth.EventsRead), `403 events:delete`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do(tt.method, tt.path, tt.body), tt.want) })
	}
	made := acme.Make(own, `{"filter":"data.who == 1","until":"2026-01-02T00:00:00Z"}`)
	apitest.Want(t, acme.Do("POST", own+"/"+made+"/cancel", ""), `200 "status":"cancelled" "criteria":["filter"]`)
	apitest.Want(t, acme.Do("POST", own+"/"+made+"/cancel", ""), `409 erasure_finished`)
	second := acme.Make(own, `{"ordering_keys":["k"]}`)
	apitest.Want(t, acme.Do("GET", own, ""), `200 `+made+` `+second+` !`+theirs)
	apitest.Want(t, acme.Do("GET", own+"?limit=1", ""), `200 `+second+` "next":" !`+made)
	apitest.Want(t, acme.Do("GET", "/v1/audit-log?action=erasure.cancel", ""), `200 `+made+` "status":"cancelled"`)
}

// One call removes all data of a person: from events, the attempts of their deliveries
// and mails. It says how many, and what was asked for is found nowhere afterwards: not in
// the database, where only the sealed reply is kept, and not in the log.
func TestErasureOfPerson(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	acme.NewEndpoint(`["*"]`)
	acme.Make("/v1/event-consumers", `{"name":"reader","event_types":["*"]}`)
	events := []string{
		acme.Publish(`{"type":"user.seen","data":{"who":"lovelace"},"external_id":"lovelace_1"}`).Get(t, "id"),
		acme.Publish(`{"type":"user.left","data":1,"ordering_key":"lovelace"}`).Get(t, "id"),
	}
	other := acme.Publish(`{"type":"user.seen","data":{"who":"Eve"}}`).Get(t, "id")
	mail := acme.NewMail("lovelace@example.com", "lovelace").String()
	h.Exec(`INSERT INTO webhook_attempt (org_id, event_id, endpoint_id, number, started_at, latency, response_body, error)
		SELECT org_id, event_id, endpoint_id, 1, portico_now(), 1, 'hello lovelace', 'lovelace' FROM webhook_delivery`)
	h.Advance(t, time.Second)
	const body = `{"filter":"data.who == \"lovelace\"","ordering_keys":["lovelace"],"recipient":"Lovelace@example.com"`
	dry := acme.Make("/v1/erasures", body+`,"dry_run":true}`)
	r := acme.Do("POST", "/v1/erasures", body+`}`, "Idempotency-Key", "once")
	made := r.Get(t, "id")
	apitest.Want(t, r, `201 "status":"running" "criteria":["filter","ordering_keys","recipient"] "dry_run":false "since":null !ovelace`)
	apitest.Want(t, acme.Do("POST", "/v1/erasures", body+`}`, "Idempotency-Key", "once"), `201 `+made)
	for range 6 {
		h.DoJobs()
		h.Advance(t, time.Minute)
	}
	const counts = `200 "status":"succeeded" "examined_count":3 "event_count":2 "mail_count":1 !"finished_at":null !ovelace`
	apitest.Want(t, acme.Do("GET", "/v1/erasures/"+dry, ""), counts+` "dry_run":true`)
	apitest.Want(t, acme.Do("GET", "/v1/erasures/"+made, ""), counts+` "dry_run":false`)
	for _, e := range events {
		apitest.Want(t, acme.Do("GET", "/v1/events/"+e, ""), `200 "data":null "ordering_key":null "external_id":null "expunged_at":"2`)
	}
	apitest.Want(t, acme.Do("GET", "/v1/events/"+other, ""), `200 Eve "expunged_at":null`)
	apitest.Want(t, acme.Do("GET", "/v1/event-stream?consumer=reader", ""), `200 `+other+` !`+events[0]+` !`+events[1])
	apitest.Want(t, h.NewStaff().Do("GET", "/v1/staff/mails/"+mail, ""), `200 "expunged":true "recipient":"" "recipient_name":"" !ovelace`)
	apitest.Want(t, acme.Do("GET", "/v1/audit-log?action=erasure.create", ""), `200 `+made+` "criteria":["filter","ordering_keys","recipient"] !ovelace`)
	apitest.Want(t, acme.Do("GET", "/v1/audit-log?action=event.publish", ""), `200 !ovelace`)
	left := apitest.RowsWith(t, h, "ovelace")
	slices.Sort(left)
	// Later events with the key continue its numbers.
	if want := "ordering_key webhook_attempt"; strings.Join(left, " ") != want {
		t.Errorf("the tables with the person are %v, want %v: the key's, and the attempt of another event", left, want)
	}
	if strings.Contains(h.Lines.String(), "ovelace") {
		t.Error("the log names the person")
	}
}
