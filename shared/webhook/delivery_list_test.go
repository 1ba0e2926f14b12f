package webhook_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/sending"
)

// history is an organization with endpoints and past deliveries.
type history struct {
	*testkit.Database
	t         *testing.T
	org       id.Org
	endpoints []id.WebhookEndpoint
}

func newHistory(t *testing.T, endpoints int) *history {
	h := &history{Database: testkit.DB(t), t: t}
	h.org = h.NewOrg(t)
	for range endpoints {
		e := id.New[id.WebhookEndpoint](h.Clock.Now())
		h.endpoints = append(h.endpoints, e)
		h.Insert(t, "webhook_endpoint", testkit.Row{"org_id": h.org, "id": e, "url": "https://example.com", "event_types": []string{"*"}})
	}
	return h
}

// page lists deliveries as the API does.
func (h *history) page(f webhook.DeliveryFilter, limit int) (list []webhook.Delivery, scanned webhook.DeliveryPlace) {
	h.t.Helper()
	h.InOrg(h.t, h.org, func(ctx context.Context, tx pg.Tx) (err error) {
		if _, err = tx.Exec(ctx, `SELECT pg_stat_force_next_flush()`); err == nil {
			list, scanned, err = webhook.ListDeliveries(ctx, tx, h.org, f, limit)
		}
		return err
	})
	return list, scanned
}

// pages lists all deliveries that match, and counts the pages.
func (h *history) pages(f webhook.DeliveryFilter, limit int) (all []id.Delivery, pages int) {
	h.t.Helper()
	for {
		list, scanned := h.page(f, limit)
		pages++
		for _, d := range list {
			all = append(all, d.ID)
		}
		switch {
		case len(list) == limit:
			f.After = webhook.DeliveryPlace{Event: list[limit-1].EventID, Endpoint: list[limit-1].EndpointID}
		case !scanned.Event.IsZero():
			f.After = scanned
		default:
			return all, pages
		}
	}
}

// past is a delivery that was made, and what a list shows of it.
type past struct {
	id       id.Delivery
	event    id.Event
	endpoint id.WebhookEndpoint
	at       time.Time
	kind     string
	status   webhook.Status
	answer   sending.Answer
}

// pasts are what a delivery can look like: the columns, and what is shown. The second
// endpoint is disabled, the third one deleted.
var pasts = []struct {
	stored   string
	attempts int
	answer   *string
	shown    [3]webhook.Status
	got      sending.Answer
}{
	{"delivered", 1, nil, [3]webhook.Status{"delivered", "delivered", "delivered"}, "2xx"},
	{"delivered", 3, nil, [3]webhook.Status{"delivered", "delivered", "delivered"}, "2xx"},
	{"pending", 0, nil, [3]webhook.Status{"pending", "held", "failed"}, "none"},
	{"pending", 1, new("timeout"), [3]webhook.Status{"pending", "held", "failed"}, "timeout"},
	{"failed", 8, new("5xx"), [3]webhook.Status{"failed", "failed", "failed"}, "5xx"},
	{"failed", 0, nil, [3]webhook.Status{"failed", "failed", "failed"}, "none"},
}

// fill adds random deliveries, newest first.
func (h *history) fill(random *rand.Rand, events int) (all []past) {
	h.t.Helper()
	h.Exec(h.t, `UPDATE webhook_endpoint SET status = 'disabled', disabled_at = now(), disabled_reason = 'requested' WHERE id = $1`, h.endpoints[1])
	h.Exec(h.t, `UPDATE webhook_endpoint SET deleted_at = now() WHERE id = $1`, h.endpoints[2])
	kinds := []string{"invoice.paid", "invoice.sent", "invoices", "user.created"}
	for i := range events {
		at := h.Clock.Now().Add(time.Duration(i-events) * 1500 * time.Microsecond).Truncate(time.Microsecond)
		e, kind := id.New[id.Event](at), kinds[random.IntN(len(kinds))]
		h.Insert(h.t, "event", testkit.Row{"org_id": h.org, "id": e, "type": kind, "payload": []byte{}, "created_at": at})
		for n, endpoint := range h.endpoints {
			p := pasts[random.IntN(len(pasts))]
			d := past{id.New[id.Delivery](at), e, endpoint, at, kind, p.shown[n], p.got}
			row := testkit.Row{"org_id": h.org, "event_id": e, "endpoint_id": endpoint, "id": d.id, "status": p.stored, "attempts": p.attempts, "answer": p.answer}
			if p.stored == "pending" {
				row["next_retry_at"] = at.Add(time.Hour)
			}
			h.Insert(h.t, "webhook_delivery", row)
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b past) int {
		return -strings.Compare(string(a.event.UUID[:])+string(a.endpoint.UUID[:]), string(b.event.UUID[:])+string(b.endpoint.UUID[:]))
	})
	return all
}

func (p past) matches(f webhook.DeliveryFilter) bool {
	prefix, isPrefix := strings.CutSuffix(f.Type, "*")
	return (f.EndpointID.IsZero() || f.EndpointID == p.endpoint) && (f.EventID.IsZero() || f.EventID == p.event) &&
		(f.Status == "" || f.Status == p.status) && (f.Answer == "" || f.Answer == p.answer) &&
		(f.Type == "" || f.Type == p.kind || isPrefix && strings.HasPrefix(p.kind, prefix)) &&
		(f.Since.IsZero() || !p.at.Before(f.Since)) && (f.Until.IsZero() || p.at.Before(f.Until))
}

// Whatever the filter and the size of the pages, a list has exactly the deliveries that
// match, newest first.
func TestDeliveryFilters(t *testing.T) {
	t.Parallel()
	h := newHistory(t, 3)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	all := h.fill(random, 60)
	choose := func(list ...string) string { return list[random.IntN(len(list))] }
	found := 0
	for range 150 {
		f := webhook.DeliveryFilter{
			Status: webhook.Status(choose("", "", "pending", "delivered", "failed", "held")),
			Answer: sending.Answer(choose("", "", "2xx", "5xx", "timeout", "none", "tls")),
			Type:   choose("", "", "invoice.paid", "invoice.*", "user.*", "none"),
		}
		some := all[random.IntN(len(all))]
		switch random.IntN(5) {
		case 0:
			f.EndpointID = some.endpoint
		case 1:
			f.EventID = some.event
		case 2:
			f.Since, f.Until = some.at, some.at.Add(time.Duration(random.IntN(50))*time.Millisecond)
		case 3:
			f.EndpointID, f.Until = some.endpoint, some.at
		}
		var want []id.Delivery
		for _, p := range all {
			if p.matches(f) {
				want = append(want, p.id)
			}
		}
		if got, _ := h.pages(f, 1+random.IntN(20)); !slices.Equal(got, want) {
			t.Fatalf("%+v: %d deliveries, want %d", f, len(got), len(want))
		}
		found += len(want)
	}
	if found == 0 {
		t.Error("no filter has found anything")
	}
}

// With any filter a page reads a bounded number of rows, however few deliveries match,
// and its end leads on to those that match.
func TestDeliveryPagesAreBounded(t *testing.T) {
	t.Parallel()
	const rows, rare = 40_000, 15_000
	h := newHistory(t, 1)
	now := fillHistory(h, rows, rare)
	counting := h.OneSession(t)
	read := func(f webhook.DeliveryFilter, table string) int64 {
		before := h.RowsRead(t, counting, table)
		h.page(f, 21)
		return h.RowsRead(t, counting, table) - before
	}
	middle := now.Add(-rows / 2 * time.Millisecond)
	for _, tt := range []struct {
		name   string
		f      webhook.DeliveryFilter
		atMost int64 // index entries and rows of deliveries
		pages  int   // until the end of the list; 0: too many
	}{
		{"all", webhook.DeliveryFilter{}, 200, 0},
		{"an endpoint", webhook.DeliveryFilter{EndpointID: h.endpoints[0]}, 200, 0},
		{"a time", webhook.DeliveryFilter{Until: middle}, 200, 0},
		{"a time of an endpoint", webhook.DeliveryFilter{EndpointID: h.endpoints[0], Until: middle}, 200, 0},
		{"a rare status", webhook.DeliveryFilter{Status: webhook.Failed}, 31_000, 5},
		{"a rare answer", webhook.DeliveryFilter{Answer: sending.AnswerTLS}, 31_000, 5},
		{"a rare answer of an endpoint", webhook.DeliveryFilter{EndpointID: h.endpoints[0], Answer: sending.AnswerTLS}, 31_000, 5},
		{"a frequent answer", webhook.DeliveryFilter{Answer: sending.Answer2xx}, 200, 0},
		{"a rare type", webhook.DeliveryFilter{Type: "rare.*"}, 7_000, 21},
		{"a rare type with a rare status", webhook.DeliveryFilter{Type: "rare.one", Status: webhook.Failed}, 7_000, 21},
	} {
		if n := read(tt.f, "webhook_delivery"); n > tt.atMost {
			t.Errorf("%s: a page read %d rows and index entries of deliveries, want at most %d", tt.name, n, tt.atMost)
		}
		if n := read(tt.f, "event"); n > 5_000 {
			t.Errorf("%s: a page read %d rows and index entries of events", tt.name, n)
		}
		if tt.pages == 0 {
			continue
		}
		if found, pages := h.pages(tt.f, 21); len(found) != 1 || pages != tt.pages {
			t.Errorf("%s: %d deliveries on %d pages, want 1 on %d", tt.name, len(found), pages, tt.pages)
		}
	}
}

// fillHistory adds events a millisecond apart, each with a delivery. One of them, `rare`
// from the newest, has another type and has failed. It returns the time after them all.
func fillHistory(h *history, rows, rare int) (now time.Time) {
	h.t.Helper()
	now = h.Clock.Now()
	h.Exec(h.t, fmt.Sprintf(`
		WITH made AS (
			INSERT INTO event (org_id, id, type, payload, created_at)
			SELECT $1, (lpad(to_hex((extract(epoch FROM $2::timestamptz) * 1000)::bigint - n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid,
				CASE n WHEN %[2]d THEN 'rare.one' ELSE 'frequent' END, '', $2::timestamptz - n * interval '1 ms'
			FROM generate_series(1, %[1]d) n RETURNING id, type
		)
		INSERT INTO webhook_delivery (org_id, event_id, endpoint_id, id, status, attempts, answer)
		SELECT $1, id, $3, id, CASE type WHEN 'frequent' THEN 'delivered' ELSE 'failed' END, 1, CASE type WHEN 'frequent' THEN NULL ELSE 'tls' END FROM made`,
		rows, rare), h.org, now, h.endpoints[0])
	h.Exec(h.t, `VACUUM (ANALYZE) webhook_delivery, event`)
	return now
}

// A page of events with a rare type or key reads a bounded number of them.
func TestEventPagesAreBounded(t *testing.T) {
	t.Parallel()
	const rows, rare = 40_000, 15_000
	h := newHistory(t, 1)
	now := fillHistory(h, rows, rare)
	h.Exec(t, `UPDATE event SET ordering_key = 'k' WHERE type = 'rare.one'`)
	counting := h.OneSession(t)
	middle := now.Add(-rows / 2 * time.Millisecond)
	for _, tt := range []struct {
		f      event.Filter
		atMost int64
		found  int
	}{
		{event.Filter{Until: middle}, 200, 21},
		{event.Filter{Type: "rare.*"}, 31_000, 1},
		{event.Filter{OrderingKey: "k"}, 31_000, 1},
		{event.Filter{OrderingKey: "k", Type: "frequent"}, 31_000, 0},
		{event.Filter{OrderingKey: "k", Since: middle}, 31_000, 1},
		{event.Filter{OrderingKey: "k", Until: middle}, 31_000, 0},
		{event.Filter{Type: "frequent", Since: middle, Until: middle.Add(10 * time.Millisecond)}, 200, 10},
	} {
		found := 0
		for more := true; more; {
			before := h.RowsRead(t, counting, "event")
			h.InOrg(t, h.org, func(ctx context.Context, tx pg.Tx) error {
				if _, err := tx.Exec(ctx, `SELECT pg_stat_force_next_flush()`); err != nil {
					return err
				}
				list, scanned, err := event.List(ctx, tx, h.org, tt.f, 21)
				found, tt.f.After, more = found+len(list), scanned, !scanned.IsZero() && len(list) < 21
				return err
			})
			if n := h.RowsRead(t, counting, "event") - before; n > tt.atMost {
				t.Errorf("%+v: a page read %d rows and index entries, want at most %d", tt.f, n, tt.atMost)
			}
		}
		if found != tt.found {
			t.Errorf("%+v: %d events, want %d", tt.f, found, tt.found)
		}
	}
}
