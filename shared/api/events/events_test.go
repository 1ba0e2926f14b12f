package events_test

import (
	"strings"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// Every operation works on the caller's own events, and on no other
// organization's. Malformed input gets a 4xx that names the field.
func TestEvents(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	own := acme.Publish(`{"type":"invoice.paid","data":{"n":1}}`).Get(t, "id")
	foreign := evil.Publish(`{"type":"invoice.paid","data":{"n":1}}`).Get(t, "id")
	reader := acme.With(auth.EventsRead)
	big := `"` + strings.Repeat("x", 256<<10) + `"`
	fits := `"` + strings.Repeat("x", 256<<10-2) + `"`

	for _, tt := range []struct {
		name, method, path, body string
		as                       apitest.Caller
		want                     string
	}{
		{"publish", "POST", "", `{"type":"invoice.paid","data":{"n":1},"ordering_key":"c1"}`, acme, `202 "id":"evt_ "type":"invoice.paid" "ordering_key":"c1" !"data"`},
		{"publish any JSON", "POST", "", `{"type":"a","data":null}`, acme, `202 !"data"`},
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
		{"get without permission", "GET", "/" + own, "", acme.With(auth.EventsWrite), `403 events:read`},
		{"list own without data", "GET", "", "", acme, `200 ` + own + ` !` + foreign + ` !"data":{`},
		{"list a type", "GET", "?type=invoice.*", "", acme, `200 ` + own},
		{"list another key", "GET", "?ordering_key=none", "", acme, `200 "data":[] "next":null`},
		{"list a key", "GET", "?ordering_key=c1", "", acme, `200 "ordering_key":"c1" !` + own},
		{"list a key with NUL", "GET", "?ordering_key=%00", "", acme, `422 query.ordering_key`},
		{"list a time", "GET", "?type=invoice.paid&since=2020-01-01T00:00:00Z", "", acme, `200 ` + own},
		{"list another time", "GET", "?until=2020-01-01T00:00:00Z", "", acme, `200 "data":[]`},
		{"list without permission", "GET", "", "", acme.With(auth.EventsWrite), `403 events:read`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do(tt.method, "/v1/events"+tt.path, tt.body), tt.want) })
	}
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM event WHERE type = 'b'`); n != 1 {
		t.Errorf("%d events of type b, want 1: a refused batch left some", n)
	}
}

// A publish nudges a dispatcher unless one is awake, and sets the due time for
// the sweep.
func TestPublishWakes(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	acme.NewEndpoint(`["*"]`)
	apitest.Want(t, acme.Publish(`{"type":"a","data":1}`), "202 ")
	if n := h.Nudges.Depth().Visible; n != 1 {
		t.Errorf("%d nudges, want 1", n)
	}
	item, err := h.Server.Wakers[pg.Home].Due.Read(t.Context())
	if err != nil || item.At.IsZero() || item.At.After(h.Clock.Now()) {
		t.Errorf("due item %+v (%v)", item, err)
	}
	if lines := h.Lines.String(); !strings.Contains(lines, `"Enqueued":1`) || !strings.Contains(lines, `"nudged":true`) {
		t.Errorf("log lines %s", lines)
	}
}
