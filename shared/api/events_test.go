package api_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/shared/auth"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// Every operation on an event works on one's own, and on nobody else's; what is
// malformed gets a 4xx that names the field, whatever it is.
func TestEvents(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme, evil := h.org("Acme"), h.org("Evil")
	own := acme.publish(`{"type":"invoice.paid","data":{"n":1}}`).get(t, "id")
	foreign := evil.publish(`{"type":"invoice.paid","data":{"n":1}}`).get(t, "id")
	reader := acme.with(auth.EventsRead)
	big := `"` + strings.Repeat("x", 256<<10) + `"`
	fits := `"` + strings.Repeat("x", 256<<10-2) + `"`

	for _, tt := range []struct {
		name, method, path, body string
		as                       caller
		want                     string
	}{
		{"publish", "POST", "", `{"type":"invoice.paid","data":{"n":1},"ordering_key":"c1"}`, acme, `202 "id":"evt_ "type":"invoice.paid" "ordering_key":"c1" "data":{"n":1}`},
		{"publish any JSON", "POST", "", `{"type":"a","data":null}`, acme, `202 "data":null`},
		{"publish the largest data", "POST", "", `{"type":"a","data":` + fits + `}`, acme, `202`},
		{"publish too large data", "POST", "", `{"type":"a","data":` + big + `}`, acme, `413 body.data 262146`},
		{"publish a too large body", "POST", "", `{"type":"a","data":` + big + strings.Repeat(" ", 8<<10) + `}`, acme, `413 body_too_large`},
		{"publish without permission", "POST", "", `{"type":"a","data":1}`, reader, `403 events:write`},
		{"publish what only Portico does", "POST", "", `{"type":"webhook_endpoint.disabled","data":1}`, acme, `422 body.type Portico`},
		{"publish what only Portico does in a batch", "POST", "/batch", `{"events":[{"type":"delivery.exhausted","data":1}]}`, acme, `422 body.events[0].type`},
		{"publish what sounds like it", "POST", "", `{"type":"delivery.created","data":1}`, acme, `202`},
		{"publish without data", "POST", "", `{"type":"a"}`, acme, `422 data`},
		{"publish without type", "POST", "", `{"data":1}`, acme, `422 type`},
		{"publish with type null", "POST", "", `{"type":null,"data":1}`, acme, `422 body.type`},
		{"publish with a type of spaces", "POST", "", `{"type":"in voice","data":1}`, acme, `422 body.type`},
		{"publish with NUL in the type", "POST", "", `{"type":"a\u0000","data":1}`, acme, `422 body.type`},
		{"publish with NUL in the key", "POST", "", `{"type":"a","data":1,"ordering_key":"a\u0000"}`, acme, `422 body.ordering_key`},
		{"publish with an empty key", "POST", "", `{"type":"a","data":1,"ordering_key":""}`, acme, `422 body.ordering_key`},
		{"publish with a numeric key", "POST", "", `{"type":"a","data":1,"ordering_key":7}`, acme, `422 body.ordering_key`},
		{"publish with an unknown field", "POST", "", `{"type":"a","data":1,"id":"evt_1"}`, acme, `422 body.id`},
		{"publish data twice", "POST", "", `{"type":"a","data":1,"data":2}`, acme, `400 twice`},
		{"publish data twice, once escaped", "POST", "", `{"type":"a","data":1,"d\u0061ta":2}`, acme, `400 twice`},
		{"publish data that repeats its own names", "POST", "", `{"type":"a","data":{"x":1,"x":2}}`, acme, `202`},
		{"publish invalid UTF-8", "POST", "", "{\"type\":\"a\",\"data\":\"\xff\"}", acme, `400 UTF-8`},
		{"publish half a body", "POST", "", `{"type":"a","data":`, acme, `400 malformed_request`},
		{"publish two bodies", "POST", "", `{"type":"a","data":1}{}`, acme, `400 malformed_request`},
		{"publish nothing", "POST", "", ``, acme, `400 body`},
		{"publish deep nesting", "POST", "", `{"type":"a","data":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, acme, `400 malformed_request`},
		{"publish a batch", "POST", "/batch", `{"events":[{"type":"a","data":1},{"type":"b","data":2}]}`, acme, `202 "type":"a" "type":"b"`},
		{"publish an empty batch", "POST", "/batch", `{"events":[]}`, acme, `422 body.events`},
		{"publish a batch of 101", "POST", "/batch", `{"events":[` + strings.Repeat(`{"type":"a","data":1},`, 100) + `{"type":"a","data":1}]}`, acme, `422 body.events`},
		{"publish a batch with one bad event", "POST", "/batch", `{"events":[{"type":"a","data":1},{"type":"","data":2}]}`, acme, `422 body.events[1].type`},
		{"publish a batch with repeated names", "POST", "/batch", `{"events":[{"type":"a","data":1,"data":2}]}`, acme, `400 twice`},
		{"publish a batch over 1 MiB", "POST", "/batch", `{"events":[{"type":"a","data":"` + strings.Repeat("x", 1<<20) + `"}]}`, acme, `413 body_too_large`},
		{"get own", "GET", "/" + own, "", acme, `200 "id":"` + own + `" "data":{"n":1}`},
		{"get missing", "GET", "/evt_01890000000000000000000000", "", acme, `404 event_not_found`},
		{"get another organization's", "GET", "/" + foreign, "", acme, `404 event_not_found`},
		{"get with a malformed id", "GET", "/evt_!", "", acme, `422 path.id`},
		{"get without permission", "GET", "/" + own, "", acme.with(auth.EventsWrite), `403 events:read`},
		{"list own without data", "GET", "", "", acme, `200 ` + own + ` !` + foreign + ` !"data":{`},
		{"list without permission", "GET", "", "", acme.with(auth.EventsWrite), `403 events:read`},
	} {
		t.Run(tt.name, func(t *testing.T) { want(t, tt.as.do(tt.method, "/v1/events"+tt.path, tt.body), tt.want) })
	}
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM event WHERE type = 'b'`); n != 1 {
		t.Errorf("%d events of type b, want 1: a refused batch left some", n)
	}
}

// A key of no use is refused, and outside all kinds of it look alike.
func TestKeys(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	forged := acme.key[:len(acme.key)-1] + "_"
	for _, tt := range []struct{ name, header, want string }{
		{"none", "", "401 api_key_missing"},
		{"another scheme", "Basic " + acme.key, "401 api_key_missing"},
		{"no scheme", acme.key, "401 api_key_missing"},
		{"mistyped", "Bearer " + forged, "401 api_key_invalid"},
		{"unknown", "Bearer ptc_000000000000000000000000000000" + "2UFVVV", "401 api_key_invalid"},
		{"lower-case scheme", "bearer " + acme.key, "200 "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := caller{harness: h}.do("GET", "/v1/events", "", "Authorization", tt.header)
			want(t, r, tt.want)
			if r.status == 401 && r.header.Get("WWW-Authenticate") != "Bearer" {
				t.Error("no WWW-Authenticate")
			}
		})
	}
}

// A mutation with an Idempotency-Key happens once: repeated it gets the first
// reply, changed it conflicts, and a failed try leaves nothing.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	body := `{"type":"a","data":{"html":"<b>","n":1.10}}`
	for _, path := range []string{"/v1/events", "/v1/events/batch"} {
		body, other := body, `{"type":"a","data":2}`
		if path == "/v1/events/batch" {
			body, other = `{"events":[`+body+`]}`, `{"events":[`+other+`]}`
		}
		want(t, acme.do("POST", path, `{"type":1}`, "Idempotency-Key", "k"), "422 ")
		first := acme.do("POST", path, body, "Idempotency-Key", "k")
		want(t, first, "202 ")
		again := acme.do("POST", path, body, "Idempotency-Key", "k")
		if again.status != 202 || again.body != first.body || again.header.Get("Location") != first.header.Get("Location") {
			t.Errorf("replay %d %s, want %s", again.status, again.body, first.body)
		}
		if first.header.Get("Idempotent-Replayed") != "" || again.header.Get("Idempotent-Replayed") != "true" {
			t.Error("only the replay says that it is one")
		}
		want(t, acme.do("POST", path, other, "Idempotency-Key", "k"), "409 idempotency_key_reused")
		want(t, acme.do("POST", path, body, "Idempotency-Key", "other"), "202 ")
		want(t, h.org("Evil").do("POST", path, other, "Idempotency-Key", "k"), "202 ")
		want(t, acme.do("POST", path, body, "Idempotency-Key", strings.Repeat("x", 256)), "422 header.Idempotency-Key")
	}
	h.Advance(t, 25*time.Hour)
	want(t, acme.publish(`{"type":"a","data":3}`, "Idempotency-Key", "k"), "202 ")
}

// However many send the same key at once, one event is published, and nobody
// is told anything but its reply or to come back.
func TestConcurrentIdempotency(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	var mu sync.Mutex
	ids, group := map[string]bool{}, sync.WaitGroup{}
	for range 16 {
		group.Go(func() {
			r := acme.publish(`{"type":"a","data":1}`, "Idempotency-Key", "same")
			mu.Lock()
			defer mu.Unlock()
			switch r.status {
			case 202:
				ids[r.get(t, "id")] = true
			case 409:
				want(t, r, "409 idempotency_key_in_use")
			default:
				t.Errorf("%d %s", r.status, r.body)
			}
		})
	}
	group.Wait()
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM event`); n != 1 || len(ids) != 1 {
		t.Errorf("%d events, %d ids", n, len(ids))
	}
}

// A publish nudges a dispatcher unless one is awake, and tells the sweep.
func TestPublishWakes(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	acme.newEndpoint(`["*"]`)
	want(t, acme.publish(`{"type":"a","data":1}`), "202 ")
	if n := h.nudges.Depth().Visible; n != 1 {
		t.Errorf("%d nudges, want 1", n)
	}
	item, err := h.edge.Wakers[pg.Home].Due.Read(t.Context())
	if err != nil || item.At.IsZero() || item.At.After(h.Clock.Now()) {
		t.Errorf("due item %+v (%v)", item, err)
	}
	if lines := h.lines.String(); !strings.Contains(lines, `"Enqueued":1`) || !strings.Contains(lines, `"nudged":true`) {
		t.Errorf("log lines %s", lines)
	}
}

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
