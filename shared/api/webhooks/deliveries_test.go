package webhooks_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/auth"
	"portico/shared/webhook/sending"
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
		{"of an answer", "?answer=none&type=a", acme, `200 ` + event + ` !` + other},
		{"of another answer", "?answer=timeout", acme, `200 "data":[] "next":null`},
		{"of an answer that is none", "?answer=6xx", acme, `422 query.answer`},
		{"of a type", "?type=b", acme, `200 ` + other + ` !` + event},
		{"of a prefix", "?type=a.*", acme, `200 "data":[]`},
		{"of a malformed type", "?type=*", acme, `422 query.type`},
		{"of a time", "?since=2020-01-01T00:00:00Z&until=2100-01-01T00:00:00Z", acme, `200 ` + event + ` ` + other},
		{"of another time", "?until=1960-01-01T00:00:00Z", acme, `200 "data":[]`},
		{"of a malformed time", "?since=yesterday", acme, `422 query.since`},
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

// An attempt is shown with how its request went. One that an older version of Portico
// has made is shown without.
func TestAttempts(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	acme.NewEndpoint(`["*"]`)
	acme.Publish(`{"type":"a","data":1}`)
	at := time.Date(2026, 11, 22, 13, 30, 0, 0, time.UTC)
	exchange := sending.Exchange{
		DNS: time.Millisecond, Connect: 2 * time.Millisecond, TLS: 3 * time.Millisecond, FirstByte: 4500 * time.Microsecond,
		Address: netip.MustParseAddr("93.184.216.34"), Scheme: "standard", CustomHeaders: []string{"X-Own"},
		ResponseHeaders: []sending.Field{{Name: "Server", Value: "nginx \xff"}},
	}.Encode(at)
	h.Exec(`
		INSERT INTO webhook_attempt (org_id, event_id, endpoint_id, number, started_at, latency, status_code, error, response_body, answer, exchange)
		SELECT org_id, event_id, endpoint_id, n, $1, 12345, CASE n WHEN 3 THEN 200 END, CASE WHEN n < 3 THEN 'no luck' END, '\x6fff',
			CASE n WHEN 2 THEN 'tls' END, CASE WHEN n > 1 THEN $2::bytea END
		FROM webhook_delivery, generate_series(1, 3) n`, at, exchange)
	h.Exec(`UPDATE webhook_delivery SET attempts = 3, status = 'delivered', completed_at = portico_now(), next_retry_at = NULL`)
	list := acme.Do("GET", "/v1/deliveries", "")
	apitest.Want(t, list, `200 "last_answer":"2xx"`)
	got := acme.Do("GET", "/v1/deliveries/"+list.Get(t, "data.0.id"), "")
	for path, want := range map[string]string{
		"last_answer":         "2xx",
		"attempts.0.answer":   "null",
		"attempts.0.exchange": "",
		"attempts.1.answer":   "tls",
		"attempts.2.answer":   "2xx",

		"attempts.2.latency_ms":                      "12.345",
		"attempts.2.response_body":                   "o\uFFFD",
		"attempts.2.exchange.address":                "93.184.216.34",
		"attempts.2.exchange.reused_connection":      "false",
		"attempts.2.exchange.dns_ms":                 "1",
		"attempts.2.exchange.connect_ms":             "2",
		"attempts.2.exchange.tls_ms":                 "3",
		"attempts.2.exchange.first_byte_ms":          "4.5",
		"attempts.2.exchange.request_headers.0.name": "Content-Type",
		"attempts.2.exchange.request_headers.4.name": "Webhook-Timestamp",
		"attempts.2.exchange.request_headers.5.name": "X-Own",

		"attempts.2.exchange.request_headers.2.value":  list.Get(t, "data.0.event_id"),
		"attempts.2.exchange.request_headers.3.value":  "***",
		"attempts.2.exchange.request_headers.4.value":  fmt.Sprint(at.Unix()),
		"attempts.2.exchange.request_headers.5.value":  "***",
		"attempts.2.exchange.response_headers.0.value": "nginx \uFFFD",
		"attempts.2.exchange.response_headers_cut":     "false",
	} {
		if value := got.Get(t, path); value != want {
			t.Errorf("%s is %q, want %q", path, value, want)
		}
	}
}
