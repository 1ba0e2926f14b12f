package events_test

import (
	"fmt"
	"regexp"
	"sync"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/testkit"
)

// An event with an external id is published once: the same again returns the first
// event, and another one with the id is refused.
func TestExternalID(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	acme.NewEndpoint(`["a"]`)
	const body = `{"type":"a","data":{"n":1},"external_id":"x","ordering_key":"k"}`
	first := acme.Publish(body)
	apitest.Want(t, first, `202 "external_id":"x" "delivery_count":1`)
	made := first.Get(t, "id")
	again := acme.Publish(body)
	apitest.Want(t, again, `202 `+made+` "external_id":"x" "delivery_count":1`)
	if first.Header.Get("Idempotent-Replayed") != "" || again.Header.Get("Idempotent-Replayed") != "true" || again.Header.Get("Location") != "/v1/events/"+made {
		t.Errorf("headers %v, then %v", first.Header, again.Header)
	}
	for _, tt := range []struct{ name, body, want string }{
		{"other data", `{"type":"a","data":{"n": 1},"external_id":"x","ordering_key":"k"}`, `409 external_id_used body.external_id ` + made},
		{"another type", `{"type":"b","data":{"n":1},"external_id":"x","ordering_key":"k"}`, `409 external_id_used`},
		{"another key", `{"type":"a","data":{"n":1},"external_id":"x","ordering_key":"l"}`, `409 external_id_used`},
		{"no key", `{"type":"a","data":{"n":1},"external_id":"x"}`, `409 external_id_used`},
		{"another id", `{"type":"a","data":{"n":1},"external_id":"y","ordering_key":"k"}`, `202 "external_id":"y" !` + made},
		{"an empty id", `{"type":"a","data":1,"external_id":""}`, `422 body.external_id`},
		{"U+0000", `{"type":"a","data":1,"external_id":"\u0000"}`, `422 body.external_id`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, acme.Publish(tt.body), tt.want) })
	}
	apitest.Want(t, evil.Publish(body), `202 "external_id":"x" !`+made)
	apitest.Want(t, acme.Do("GET", "/v1/events?external_id=x", ""), `200 `+made+` "external_id":"x" "next":null !"external_id":"y"`)
	apitest.Want(t, acme.Do("GET", "/v1/events?external_id=x&type=b.*", ""), `200 "data":[]`)
	apitest.Want(t, acme.Do("GET", "/v1/events?external_id=z", ""), `200 "data":[]`)
	apitest.Want(t, acme.Do("GET", "/v1/events/"+made, ""), `200 "external_id":"x"`)
	apitest.Want(t, acme.Do("GET", "/v1/events", ""), `200 "external_id":"x" "external_id":"y"`)
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM webhook_delivery`); n != 2 {
		t.Errorf("%d deliveries, want 2", n)
	}

	// Without its event an id is free.
	h.Exec(`DELETE FROM event`)
	fresh := acme.Publish(`{"type":"b","data":2,"external_id":"x"}`)
	apitest.Want(t, fresh, `202 "external_id":"x" !`+made)
	apitest.Want(t, acme.Publish(`{"type":"b","data":2,"external_id":"x"}`), `202 `+fresh.Get(t, "id"))
}

// A batch stores all or nothing. It may have an external id twice if both are alike.
func TestExternalIDsOfABatch(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	acme.NewEndpoint(`["*"]`)
	batch := func(events string) apitest.Reply {
		return acme.Do("POST", "/v1/events/batch", `{"events":[`+events+`]}`)
	}
	x, y, plain := `{"type":"a","data":1,"external_id":"x"}`, `{"type":"a","data":2,"external_id":"y"}`, `{"type":"a","data":3}`
	made := acme.Publish(x).Get(t, "id")
	r := batch(plain + `,` + x + `,` + y + `,` + y)
	apitest.Want(t, r, `202 `+made)
	found := regexp.MustCompile(`"id":"(evt_\w+)".*?"replayed":(\w+)`).FindAllStringSubmatch(r.Body, -1)
	if len(found) != 4 || found[0][2] != "false" || found[1][1] != made || found[1][2] != "true" || found[2][2] != "false" || found[3][1] != found[2][1] || found[3][2] != "true" {
		t.Errorf("%v", found)
	}
	apitest.Want(t, batch(plain+`,`+plain+`,{"type":"b","data":1,"external_id":"x"}`), `409 external_id_used body.events[2].external_id`)
	apitest.Want(t, batch(`{"type":"b","data":1,"external_id":"z"},{"type":"b","data":2,"external_id":"z"}`), `409 external_id_used body.events[1].external_id batch`)
	if events, deliveries := testkit.Value[int](t, h.Database, `SELECT count(*) FROM event`), testkit.Value[int](t, h.Database, `SELECT count(*) FROM webhook_delivery`); events != 3 || deliveries != 3 {
		t.Errorf("%d events and %d deliveries, want 3", events, deliveries)
	}
	if rows := testkit.Value[int](t, h.Database, `SELECT count(*) FROM event_external_id`); rows != 2 {
		t.Errorf("%d external ids, want 2", rows)
	}
}

// However many publish an external id at the same time, in whatever order, there is one
// event, and all get it.
func TestExternalIDAtTheSameTime(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	acme.NewEndpoint(`["*"]`)
	for round := range 5 {
		x, y := fmt.Sprintf(`{"type":"a","data":1,"external_id":"x%d","ordering_key":"k"}`, round), fmt.Sprintf(`{"type":"a","data":1,"external_id":"y%d","ordering_key":"l"}`, round)
		var wait sync.WaitGroup
		var mutex sync.Mutex
		ids := map[string]bool{}
		for i := range 8 {
			body := x + `,` + y
			if i%2 == 1 {
				body = y + `,` + x
			}
			wait.Go(func() {
				r := acme.Do("POST", "/v1/events/batch", `{"events":[`+body+`]}`)
				mutex.Lock()
				defer mutex.Unlock()
				for _, id := range regexp.MustCompile(`evt_\w+`).FindAllString(r.Body, -1) {
					ids[id] = true
				}
				if r.Status != 202 {
					t.Errorf("%d %s", r.Status, r.Body)
				}
			})
		}
		wait.Wait()
		if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM event`); n != 2*(round+1) || len(ids) != 2 {
			t.Fatalf("round %d: %d events in all, the replies have %v", round, n, ids)
		}
	}
}
