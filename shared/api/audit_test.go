package api_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/api/edge"
	"portico/shared/api/webhooks"
	"portico/shared/auth"
	"portico/shared/testkit"
)

// A request that fails after its work, in any way, leaves neither the work nor an
// audit entry. If the entry cannot be written, the work is not done.
func TestChangeAndEntryCommitTogether(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		op   func(h *apitest.Harness) edge.Operation
	}{
		{"the handler fails", func(*apitest.Harness) edge.Operation {
			return failing(webhooks.CreateEndpoint, func() error { return errors.New("after the work") })
		}},
		{"the handler panics", func(*apitest.Harness) edge.Operation {
			return failing(webhooks.CreateEndpoint, func() error { panic("after the work") })
		}},
		{"the entry cannot be written", func(h *apitest.Harness) edge.Operation {
			h.Exec(`ALTER TABLE audit_entry ADD CHECK (action <> 'webhook_endpoint.create')`)
			return webhooks.CreateEndpoint
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := apitest.New(t)
			acme := h.Organization("Acme")
			var err error
			if h.Handler, err = h.Server.Handler(tt.op(h)); err != nil {
				t.Fatal(err)
			}
			apitest.Want(t, acme.Do("POST", "/v1/webhook-endpoints", apitest.PlainEndpoint+"}"), "500 internal")
			apitest.Want(t, acme.Do("POST", "/v1/webhook-endpoints", apitest.PlainEndpoint+"}", "Idempotency-Key", "k"), "500 internal")
			if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM webhook_endpoint`); n != 0 {
				t.Errorf("%d endpoints were made", n)
			}
		})
	}
}

// failing returns a mutation that fails after its handler has done the work.
func failing[I, O any](w edge.Write[I, O], fail func() error) edge.Write[I, O] {
	work := w.Handle
	w.Handle = func(c *edge.Call, in *I) (*O, error) {
		if _, err := work(c, in); err != nil {
			return nil, err
		}
		return nil, fail()
	}
	return w
}

// A change is recorded even if its handler does not describe it.
func TestSilentHandlerIsRecorded(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	silent := edge.Write[none, none]{
		Op: edge.Op{
			ID: "makeThing", Method: "POST", Path: "/v1/things", Function: "things", Summary: "x",
			Permission: auth.EventsWrite, Cost: 1, Audit: "role.create",
		},
		Handle: func(*edge.Call, *none) (*none, error) { return nil, nil },
	}
	var err error
	if h.Handler, err = h.Server.Handler(silent); err != nil {
		t.Fatal(err)
	}
	apitest.Want(t, acme.Do("POST", "/v1/things", "", "User-Agent", "one"), "204")
	if entries, targets := h.EntriesOf("one"); entries != 1 || targets != 0 {
		t.Errorf("%d entries with %d targets", entries, targets)
	}
}

// A repeated mutation gets its first reply again and no second entry. A publish
// has no entry: its events name who published them.
func TestReplayAndPublishWriteNoEntry(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	before := testkit.Value[int](t, h.Database, `SELECT count(*) FROM audit_entry`)
	for range 3 {
		apitest.Want(t, acme.Do("POST", "/v1/webhook-endpoints", apitest.PlainEndpoint+"}", "Idempotency-Key", "k"), "201 ")
	}
	actor := testkit.Value[string](t, h.Database, `SELECT actor_id FROM audit_entry WHERE action = 'webhook_endpoint.create'`)
	apitest.Want(t, acme.Publish(`{"type":"a","data":1}`), `202 "published_by":"`+actor+`"`)
	apitest.Want(t, acme.Do("POST", "/v1/events/batch", `{"events":[{"type":"a","data":1}]}`), `202 "published_by":"`+actor+`"`)
	apitest.Want(t, acme.Do("GET", "/v1/events", ""), `200 "published_by":"`+actor+`" !"published_by":null`)
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM audit_entry`) - before; n != 1 {
		t.Errorf("%d entries, want one, of the endpoint", n)
	}
}

// An entry says who made a change, from where and in which request; any
// characters in these texts are only data. It shows the values before and after,
// of changed fields only.
func TestEntry(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	endpoint, _ := acme.NewEndpoint(`["a"]`)
	evil := "\x1b[31m\\\"}\n{\"level\":\"ERROR\"}\r\n%0a<script>\u202e"
	body := `{"description":"a\n\u001b[31m\"}{<\u202e","rate_limit":5}`
	apitest.Want(t, acme.Do("PATCH", "/v1/webhook-endpoints/"+endpoint, body, "User-Agent", evil+strings.Repeat("ü", 300), "X-Forwarded-For", "203.0.113.9"), "200 ")
	r := acme.Do("GET", "/v1/audit-log?limit=1", "")
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
	r.Decode(t, &list)
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
