package stream_test

import (
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/testkit"
)

// The operations on consumers, by own, missing and another organization's.
func TestConsumers(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	own := acme.Make("/v1/event-consumers", `{"name":"warehouse","event_types":["invoice.*"],"filter":"data.total > 100"}`)
	foreign := evil.Make("/v1/event-consumers", `{"name":"warehouse","event_types":["*"]}`)
	endpoint, _ := acme.NewEndpoint(`["*"]`)
	theirs, _ := evil.NewEndpoint(`["*"]`)
	missing := "ec_01890000000000000000000000"
	reader := acme.With(auth.EventConsumersRead)
	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"get own", "GET", "/" + own, "", acme, `200 "name":"warehouse" "filter":"data.total > 100" "backlog":0 "oldest_at":null "dead_letters_of":null !whsec_`},
		{"get missing", "GET", "/" + missing, "", acme, `404 event_consumer_not_found`},
		{"get another organization's", "GET", "/" + foreign, "", acme, `404 event_consumer_not_found`},
		{"list own", "GET", "", "", acme, `200 ` + own + ` !` + foreign + ` "next":null`},
		{"create a second with the name", "POST", "", `{"name":"warehouse","event_types":["*"]}`, acme, `409 event_consumer_exists`},
		{"create without types", "POST", "", `{"name":"x"}`, acme, `422 body.event_types`},
		{"create with types and an endpoint", "POST", "", `{"name":"x","event_types":["*"],"dead_letters_of":"` + endpoint + `"}`, acme, `422 body.event_types`},
		{"create with a filter and an endpoint", "POST", "", `{"name":"x","filter":"true","dead_letters_of":"` + endpoint + `"}`, acme, `422 body.filter`},
		{"create with a broken filter", "POST", "", `{"name":"x","event_types":["*"],"filter":"data.("}`, acme, `422 body.filter`},
		{"create with a broken name", "POST", "", `{"name":"a b","event_types":["*"]}`, acme, `422 body.name`},
		{"create for another organization's endpoint", "POST", "", `{"name":"x","dead_letters_of":"` + theirs + `"}`, acme, `404 webhook_endpoint_not_found`},
		{"create for dead letters", "POST", "", `{"name":"dead","dead_letters_of":"` + endpoint + `"}`, acme, `201 "dead_letters_of":"` + endpoint + `" "event_types":[] "secret":"whsec_`},
		{"create without permission", "POST", "", `{"name":"x","event_types":["*"]}`, reader, `403 event_consumers:write`},
		{"update own", "PATCH", "/" + own, `{"event_types":["group:billing"],"filter":""}`, acme, `200 "event_types":["group:billing"] "filter":""`},
		{"update another organization's", "PATCH", "/" + foreign, `{"filter":""}`, acme, `404 event_consumer_not_found`},
		{"rotate own", "POST", "/" + own + "/rotate-secret", `{"overlap_seconds":0}`, acme, `200 "secret":"whsec_`},
		{"rotate another organization's", "POST", "/" + foreign + "/rotate-secret", ``, acme, `404 event_consumer_not_found`},
		{"dead letters of another organization's", "GET", "/" + foreign + "/dead-letters", ``, acme, `404 event_consumer_not_found`},
		{"resend those of another organization's", "POST", "/" + foreign + "/resend-dead-letters", ``, acme, `404 event_consumer_not_found`},
		{"resend own", "POST", "/" + own + "/resend-dead-letters", ``, acme, `200 "resent":0`},
		{"dead letters of own", "GET", "/" + own + "/dead-letters", ``, acme, `200 "data":[]`},
		{"delete another organization's", "DELETE", "/" + foreign, ``, acme, `404 event_consumer_not_found`},
		{"delete own", "DELETE", "/" + own, ``, acme, `204`},
		{"get deleted", "GET", "/" + own, ``, acme, `404 event_consumer_not_found`},
		{"create with its name", "POST", "", `{"name":"warehouse","event_types":["*"]}`, acme, `201 "name":"warehouse"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			apitest.Want(t, tt.as.Do(tt.method, "/v1/event-consumers"+tt.path, tt.body), tt.want)
		})
	}
	apitest.Want(t, acme.Do("GET", "/v1/event-stream?consumer=nobody", ""), `404 event_consumer_not_found`)
	apitest.Want(t, acme.Do("GET", "/v1/event-stream", ""), `422 query.consumer`)
	apitest.Want(t, reader.Do("GET", "/v1/event-stream?consumer=warehouse", ""), `403 event_stream:write`)
	apitest.Want(t, acme.Do("POST", "/v1/event-stream/acknowledge", `{"consumer":"warehouse","position":1}`), `422 body.position`)
}

// item is an item of a reply.
type item struct {
	Position int64             `json:"position"`
	Tries    int               `json:"tries"`
	EventID  string            `json:"event_id"`
	Body     string            `json:"body"`
	Headers  map[string]string `json:"headers"`
}

func read(t *testing.T, c apitest.Caller, query string) (items []item) {
	t.Helper()
	r := c.Do("GET", "/v1/event-stream?"+query, "")
	var reply struct{ Data []item }
	if err := json.Unmarshal([]byte(r.Body), &reply); err != nil || r.Status != http.StatusOK {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	return reply.Data
}

// verifies reports whether Standard Webhooks' own library accepts an item.
func verifies(t *testing.T, i item, secret string) bool {
	t.Helper()
	w, err := standard.NewWebhook(secret)
	testkit.Must(t, err)
	h := http.Header{}
	for name, value := range i.Headers {
		h.Set(name, value)
	}
	return w.VerifyIgnoringTimestamp([]byte(i.Body), h) == nil
}

// An event that is published after its consumer was created, also by a publisher that
// had read the subscriptions before, is read with the bytes that an endpoint would get
// and a signature that Standard Webhooks' own library verifies: with both secrets during
// a rotation, with the new one after it. When it is acknowledged it does not come back.
func TestStream(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	acme.Publish(`{"type":"invoice.paid","data":0}`) // the publisher now knows that nobody reads
	made := acme.Do("POST", "/v1/event-consumers", `{"name":"warehouse","event_types":["invoice.*"]}`)
	old := made.Get(t, "secret")
	evil.Make("/v1/event-consumers", `{"name":"warehouse","event_types":["*"]}`)
	first := acme.Publish(`{"type":"invoice.paid","data":{"total":  1.10}}`).Get(t, "id")
	acme.Publish(`{"type":"customer.created","data":{}}`)
	items := read(t, acme, "consumer=warehouse")
	if len(items) != 1 || items[0].EventID != first || items[0].Headers["Webhook-Id"] != first || items[0].Tries != 1 {
		t.Fatalf("items %+v", items)
	}
	if want := `"data":{"total":  1.10}}`; items[0].Body[len(items[0].Body)-len(want):] != want || !verifies(t, items[0], old) {
		t.Errorf("the body %s, or its signature, is not that of a delivery", items[0].Body)
	}
	fresh := acme.Do("POST", "/v1/event-consumers/"+made.Get(t, "id")+"/rotate-secret", `{"overlap_seconds":60}`).Get(t, "secret")
	h.Advance(t, 31*time.Second)
	again := read(t, acme, "consumer=warehouse")
	if len(again) != 1 || again[0].Tries != 2 || !verifies(t, again[0], old) || !verifies(t, again[0], fresh) {
		t.Fatalf("during the rotation %+v", again)
	}
	h.Advance(t, 61*time.Second)
	last := read(t, acme, "consumer=warehouse")
	if len(last) != 1 || verifies(t, last[0], old) || !verifies(t, last[0], fresh) {
		t.Fatalf("after the rotation %+v", last)
	}
	apitest.Want(t, acme.Do("POST", "/v1/event-stream/acknowledge", `{"consumer":"warehouse","position":3}`), `200 "acknowledged":1`)
	h.Advance(t, time.Hour)
	if left := read(t, acme, "consumer=warehouse"); len(left) != 0 {
		t.Errorf("after it was acknowledged: %+v", left)
	}
	if theirs := read(t, evil, "consumer=warehouse"); len(theirs) != 0 {
		t.Errorf("another organization reads %+v", theirs)
	}
}

// Twenty requests wait with the two sessions of one environment, and hold none of them:
// another request is served, no transaction is open, and one event ends one wait.
func TestWaitHoldsNothing(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	const waiting = 20
	acme.Make("/v1/event-consumers", `{"name":"warehouse","event_types":["*"]}`)
	var wait sync.WaitGroup
	var ended atomic.Int32
	got := make(chan item, waiting)
	for range waiting {
		wait.Go(func() {
			for _, i := range read(t, acme, "consumer=warehouse&wait=20&limit=1") {
				got <- i
			}
			ended.Add(1)
		})
	}
	testkit.Await(t, "all of them wait without a transaction", func() bool {
		return ended.Load() == 0 && testkit.Value[int](t, h.Database, `
			SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'portico_app' AND state LIKE '%in transaction%'`) == 0
	})
	if sessions := testkit.Value[int](t, h.Database, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'portico_app'`); sessions > 2 {
		t.Errorf("%d sessions for %d waiting requests", sessions, waiting)
	}
	for range waiting {
		acme.Publish(`{"type":"invoice.paid","data":1}`)
	}
	wait.Wait()
	close(got)
	seen := map[string]bool{}
	for i := range got {
		seen[i.EventID] = true
	}
	if len(seen) != waiting {
		t.Errorf("%d of %d events were read", len(seen), waiting)
	}
}
