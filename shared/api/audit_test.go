package api_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"portico/shared/api"
	"portico/shared/auth"
	"portico/shared/testkit"
)

var (
	// calls numbers the requests of all tests.
	calls atomic.Int64
	// recorded has the ids of the operations that some test has seen recorded.
	recorded sync.Map
)

// Of every mutation that writes an audit entry some test has seen one, checked
// by checkRecord: an operation without such a test fails the whole run.
func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if code == 0 && flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.list").Value.String() == "" {
		for _, o := range api.All() {
			op := o.Meta()
			if _, seen := recorded.Load(op.ID); op.Audit != "" && op.RecordedBy == "" && !seen {
				fmt.Fprintf(os.Stderr, "FAIL: no test calls %s with success, so nothing shows that it is recorded\n", op.ID)
				code = 1
			}
		}
	}
	os.Exit(code)
}

// checkRecord makes every call of every test a test of the audit log: a
// mutation that succeeds has written one entry that names what it changed, and
// any other call none.
func (c caller) checkRecord(r *http.Request, w *httptest.ResponseRecorder) {
	c.t.Helper()
	if r.Method == http.MethodGet {
		return
	}
	entries, targets := c.entriesOf(r.UserAgent())
	op, found := operationOf(r)
	switch done := w.Code < 300 && w.Header().Get("Idempotent-Replayed") == ""; {
	case !found:
		return // not one of the API's own
	case !done || op.RecordedBy != "":
		if entries != 0 {
			c.t.Errorf("%s answered %d and wrote %d audit entries", op.ID, w.Code, entries)
		}
	case entries != 1 || targets == 0:
		c.t.Errorf("%s wrote %d audit entries with %d targets, want one with some: call c.Audit", op.ID, entries, targets)
	default:
		recorded.Store(op.ID, true)
	}
}

// entriesOf counts the entries of one request and their targets. Of a long user
// agent an entry has the beginning only. It asks on a session of the harness,
// one call at a time, because tests call from many goroutines.
func (h *harness) entriesOf(userAgent string) (entries, targets int) {
	h.t.Helper()
	h.auditing.Lock()
	defer h.auditing.Unlock()
	err := h.auditor.QueryRow(context.Background(), `
		SELECT count(*), coalesce(sum((SELECT count(*) FROM audit_target t WHERE t.org_id = e.org_id AND t.entry_id = e.id)), 0)
		FROM audit_entry e WHERE user_agent <> '' AND starts_with($1, user_agent)`, userAgent).Scan(&entries, &targets)
	if err != nil {
		h.t.Fatal(err)
	}
	return entries, targets
}

// operationOf returns the operation that a request is for.
func operationOf(r *http.Request) (api.Op, bool) {
	mux := http.NewServeMux()
	all := map[string]api.Op{}
	for _, o := range api.All() {
		op := o.Meta()
		mux.Handle(op.Method+" "+op.Path, http.NotFoundHandler())
		all[op.Method+" "+op.Path] = op
	}
	_, pattern := mux.Handler(r)
	op, found := all[pattern]
	return op, found
}

// What fails after its work, in whatever way, leaves neither the work nor an
// entry; and what cannot be recorded is not done.
func TestChangeAndEntryCommitTogether(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		op   func(h *harness) api.Operation
	}{
		{"the handler fails", func(*harness) api.Operation {
			return failing(api.CreateWebhookEndpoint, func() error { return errors.New("after the work") })
		}},
		{"the handler panics", func(*harness) api.Operation {
			return failing(api.CreateWebhookEndpoint, func() error { panic("after the work") })
		}},
		{"the entry cannot be written", func(h *harness) api.Operation {
			h.admin(`ALTER TABLE audit_entry ADD CHECK (action <> 'webhook_endpoint.create')`)
			return api.CreateWebhookEndpoint
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t)
			acme := h.org("Acme")
			var err error
			if h.handler, err = h.edge.Handler(tt.op(h)); err != nil {
				t.Fatal(err)
			}
			want(t, acme.do("POST", "/v1/webhook-endpoints", plainEndpoint+"}"), "500 internal")
			want(t, acme.do("POST", "/v1/webhook-endpoints", plainEndpoint+"}", "Idempotency-Key", "k"), "500 internal")
			if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM webhook_endpoint`); n != 0 {
				t.Errorf("%d endpoints were made", n)
			}
		})
	}
}

// failing returns a mutation that fails when its handler has done its work.
func failing[I, O any](w api.Write[I, O], fail func() error) api.Write[I, O] {
	work := w.Handle
	w.Handle = func(c *api.Call, in *I) (*O, error) {
		if _, err := work(c, in); err != nil {
			return nil, err
		}
		return nil, fail()
	}
	return w
}

// admin runs a statement as a superuser.
func (h *harness) admin(sql string, args ...any) {
	h.t.Helper()
	if _, err := h.Admin.Exec(h.t.Context(), sql, args...); err != nil {
		h.t.Fatal(err)
	}
}

// A handler that says nothing of its change is recorded all the same.
func TestSilentHandlerIsRecorded(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	silent := api.Write[none, none]{
		Op: api.Op{
			ID: "makeThing", Method: "POST", Path: "/v1/things", Function: "things", Summary: "x",
			Permission: auth.EventsWrite, Cost: 1, Audit: "thing.make",
		},
		Handle: func(*api.Call, *none) (*none, error) { return nil, nil },
	}
	var err error
	if h.handler, err = h.edge.Handler(silent); err != nil {
		t.Fatal(err)
	}
	want(t, acme.do("POST", "/v1/things", "", "User-Agent", "one"), "204")
	if entries, targets := h.entriesOf("one"); entries != 1 || targets != 0 {
		t.Errorf("%d entries with %d targets", entries, targets)
	}
}

// A repeated mutation gets its reply again and no second entry; what only
// publishes has its events for a record, and they name who published.
func TestReplayAndPublishWriteNoEntry(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	before := testkit.Value[int](t, h.Database, `SELECT count(*) FROM audit_entry`)
	for range 3 {
		want(t, acme.do("POST", "/v1/webhook-endpoints", plainEndpoint+"}", "Idempotency-Key", "k"), "201 ")
	}
	actor := testkit.Value[string](t, h.Database, `SELECT actor_id FROM audit_entry WHERE action = 'webhook_endpoint.create'`)
	want(t, acme.publish(`{"type":"a","data":1}`), `202 "published_by":"`+actor+`"`)
	want(t, acme.do("POST", "/v1/events/batch", `{"events":[{"type":"a","data":1}]}`), `202 "published_by":"`+actor+`"`)
	want(t, acme.do("GET", "/v1/events", ""), `200 "published_by":"`+actor+`" !"published_by":null`)
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM audit_entry`) - before; n != 1 {
		t.Errorf("%d entries, want that of the endpoint", n)
	}
}

// An entry says who, from where and in which request, whatever characters a
// stranger chose: they are data, not lines. It says what was before and after,
// of what has changed and nothing else.
func TestEntry(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	endpoint, _ := acme.newEndpoint(`["a"]`)
	evil := "\x1b[31m\\\"}\n{\"level\":\"ERROR\"}\r\n%0a<script>\u202e"
	body := `{"description":"a\n\u001b[31m\"}{<\u202e","rate_limit":5}`
	want(t, acme.do("PATCH", "/v1/webhook-endpoints/"+endpoint, body, "User-Agent", evil+strings.Repeat("ü", 300), "X-Forwarded-For", "203.0.113.9"), "200 ")
	r := acme.do("GET", "/v1/audit-log?limit=1", "")
	var list struct {
		Data []struct {
			Action, Outcome string
			Actor           struct{ Type, ID, Name string }
			Targets         []struct{ Type, ID string }
			Before, After   map[string]any
			RequestID       string `json:"request_id"`
			SourceIP        string `json:"source_ip"`
			UserAgent       string `json:"user_agent"`
		}
	}
	r.decode(t, &list)
	e := list.Data[0]
	for _, pair := range [][2]any{
		{e.Action, "webhook_endpoint.update"}, {e.Outcome, "success"}, {e.RequestID, "req-1"}, {e.SourceIP, "192.0.2.1"},
		{e.Actor.Type, "api_key"}, {e.Actor.Name, "first"}, {strings.HasPrefix(e.Actor.ID, "key_"), true},
		{len(e.Targets), 1}, {e.Targets[0].Type, "webhook_endpoint"}, {e.Targets[0].ID, endpoint},
		{e.Before, map[string]any{"description": "", "rate_limit": nil}},
		{e.After, map[string]any{"description": "a\n\x1b[31m\"}{<\u202e", "rate_limit": 5.0}},
		{strings.HasPrefix(e.UserAgent, evil), true}, {len(e.UserAgent) > 490 && len(e.UserAgent) <= 500, true},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%#v, want %#v", pair[0], pair[1])
		}
	}
}
