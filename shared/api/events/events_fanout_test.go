package events_test

import (
	"fmt"
	"strings"
	"testing"

	"portico/shared/api/apitest"
)

// The reply to a publish says which endpoints get the event, and why others do
// not. Reading the event says it later too, also for endpoints that were created
// or changed since.
func TestWhyNothingWasDelivered(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	foreign, _ := evil.NewEndpoint(`["*"]`)
	endpoint := func(types, change string) string {
		id, _ := acme.NewEndpoint(types)
		if change != "" {
			apitest.Want(t, acme.Do("PATCH", "/v1/webhook-endpoints/"+id, change), "200 ")
		}
		return id
	}
	skipped := func(id, reason string) string {
		return fmt.Sprintf(` {"endpoint_id":"%s","reason":"%s"}`, id, reason)
	}
	takes := endpoint(`["*"]`, "")
	filtered := endpoint(`["*"]`, `{"filter":"data.total > 100"}`)
	other := endpoint(`["order.*"]`, "")
	disabled := endpoint(`["invoice.paid"]`, `{"status":"disabled"}`)
	deleted := endpoint(`["*"]`, "")

	published := acme.Publish(`{"type":"invoice.paid","data":{"total":5}}`)
	apitest.Want(t, published, `202 "delivery_count":3`+skipped(filtered, "filter")+skipped(other, "event_type")+skipped(disabled, "disabled")+` !`+takes+` !`+foreign)
	apitest.Want(t, acme.Do("POST", "/v1/events/batch", `{"events":[{"type":"invoice.paid","data":{"total":500}},{"type":"order.made","data":1}]}`),
		`202 "delivery_count":4 "delivery_count":3 !skipped_endpoints`)

	later := endpoint(`["*"]`, "")
	apitest.Want(t, acme.Do("PATCH", "/v1/webhook-endpoints/"+other, `{"event_types":["*"]}`), "200 ")
	apitest.Want(t, acme.Do("DELETE", "/v1/webhook-endpoints/"+deleted, ""), "204")
	event := "/v1/events/" + published.Get(t, "id")
	apitest.Want(t, acme.Do("GET", event, ""), `200 "delivery_count":3`+skipped(filtered, "filter")+skipped(other, "changed_later")+
		skipped(disabled, "disabled")+skipped(later, "created_later")+` !`+takes+` !`+foreign)
	apitest.Want(t, acme.Do("PATCH", "/v1/webhook-endpoints/"+disabled, `{"status":"enabled"}`), "200 ")
	apitest.Want(t, acme.Do("GET", event, ""), `200 "delivery_count":3 !`+disabled)
}

// A reply names at most 100 skipped endpoints.
func TestSkippedEndpointsAreBounded(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	for range 101 {
		acme.NewEndpoint(`["order.*"]`)
	}
	published := acme.Publish(`{"type":"invoice.paid","data":1}`)
	for _, r := range []apitest.Reply{published, acme.Do("GET", "/v1/events/"+published.Get(t, "id"), "")} {
		if n := strings.Count(r.Body, `"reason":"event_type"`); n != 100 {
			t.Errorf("%d endpoints are named, want 100: %d", n, r.Status)
		}
	}
}

// Events are listed by type or prefix. A page with a type ends after a search of
// ten thousand events, with a cursor for the next page.
func TestListEventsByType(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	rare := acme.Publish(`{"type":"invoice.paid","data":1}`).Get(t, "id")
	voided := acme.Publish(`{"type":"invoice.voided","data":1}`).Get(t, "id")
	order := acme.Publish(`{"type":"order.made","data":1}`).Get(t, "id")
	for _, tt := range []struct{ name, query, want string }{
		{"all", "", "200 " + order + " " + voided + " " + rare},
		{"one type", "?type=invoice.paid", "200 " + rare + " !" + voided + " !" + order + ` "next":null`},
		{"a prefix", "?type=invoice.*", "200 " + voided + " " + rare + " !" + order},
		{"a prefix, one by one", "?type=invoice.*&limit=1", "200 " + voided + " !" + rare + ` !"next":null`},
		{"part of a word", "?type=invoice", "200 !evt_"},
		{"no such type", "?type=nothing.here", "200 !evt_"},
		{"a malformed type", "?type=in%20voice", "422 query.type"},
		{"a star", "?type=*", "422 query.type"},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, acme.Do("GET", "/v1/events"+tt.query, ""), tt.want) })
	}

	h.Exec(`
		INSERT INTO event (org_id, id, type, payload, created_at)
		SELECT org_id, (lpad(to_hex((extract(epoch FROM portico_now()) * 1000)::bigint + 1000 + n), 12, '0') || substr(replace(gen_random_uuid()::text, '-', ''), 13))::uuid,
			'order.made', '{"data":1}', portico_now()
		FROM event CROSS JOIN generate_series(1, 10000) AS n WHERE type = 'invoice.paid'`)
	first := acme.Do("GET", "/v1/events?type=invoice.paid", "")
	apitest.Want(t, first, `200 !evt_ !"next":null`)
	apitest.Want(t, acme.Do("GET", "/v1/events?type=invoice.paid&after="+first.Get(t, "next"), ""), "200 "+rare+` "next":null`)
}
