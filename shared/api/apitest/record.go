package apitest

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"portico/shared/api"
	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/testkit"
)

var (
	// calls numbers the requests of all tests.
	calls atomic.Int64
	// recorded has the ids of the operations whose audit entry a test has seen.
	recorded sync.Map
)

// Main runs the tests of an area. The run fails unless, for every operation of
// the area that writes an audit entry, a test has called it with success:
// checkRecord then checks the entry.
func Main(m *testing.M, tag string) {
	flag.Parse()
	code := m.Run()
	if code == 0 && flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.list").Value.String() == "" {
		for _, o := range api.All() {
			op := o.Meta()
			if _, seen := recorded.Load(op.ID); op.Tag == tag && op.Audit != "" && op.RecordedBy == "" && !seen {
				fmt.Fprintf(os.Stderr, "FAIL: no test calls %s with success, so its audit entry is not checked\n", op.ID)
				code = 1
			}
		}
	}
	os.Exit(code)
}

// checkRecord checks the audit log after every call of every test: a mutation
// that succeeds has written one entry with targets, and so has staff who have read
// records, or who has read the log. A call that was refused has at most one, and so has
// one that reads, if the organization wants it; any other call has none. What a person
// does on their own account is in the person's history instead.
func (c Caller) checkRecord(r *http.Request, w *httptest.ResponseRecorder) {
	c.T.Helper()
	op, found := operationOf(r)
	if !found || op.Permission == auth.Public {
		return
	}
	entries, targets := c.EntriesOf(r.UserAgent())
	if op.Acts == edge.OnSelf {
		c.checkEvent(op, r.UserAgent(), w.Code)
		return
	}
	done := w.Code < 300 && w.Header().Get("Idempotent-Replayed") == ""
	changes := done && op.Audit != "" && op.RecordedBy == ""
	reads := done && op.Access != "" && op.Access != edge.NoRecords
	refused := slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound}, w.Code)
	must := changes || reads && (op.Access == audit.ReadLog || w.Header().Get("Portico-Staff-Key") != "")
	switch {
	case entries > 1, must && entries == 0, !must && !reads && !refused && entries != 0, changes && targets == 0:
		c.T.Errorf("%s answered %d and wrote %d audit entries with %d targets; a mutation writes one entry with targets: call c.Audit", op.ID, w.Code, entries, targets)
	case entries == 1:
		c.checkDeclared(r.UserAgent())
	}
	if changes {
		recorded.Store(op.ID, true)
	}
}

// checkEvent checks that a mutation of a person on their own account has written one event,
// and any other call none.
func (c Caller) checkEvent(op edge.Op, userAgent string, status int) {
	c.T.Helper()
	want := 0
	if op.Audit != "" && status < 300 {
		want = 1
		recorded.Store(op.ID, true)
	}
	if n := testkit.Value[int](c.T, c.Database, `SELECT count(*) FROM user_event WHERE user_agent = $1 AND action = $2`, userAgent, op.Audit); n != want {
		c.T.Errorf("%s answered %d and wrote %d events %q, want %d", op.ID, status, n, op.Audit, want)
	}
}

// checkDeclared checks that the entry of a request has only the kinds of targets and the
// fields that the registry of actions says.
func (c Caller) checkDeclared(userAgent string) {
	c.T.Helper()
	var action, outcome string
	var targets, fields []string
	c.auditing.Lock()
	defer c.auditing.Unlock()
	err := c.auditor.QueryRow(context.Background(), `
		SELECT action, outcome, ARRAY(SELECT t ->> 'type' FROM json_array_elements(targets) AS t WHERE t ->> 'as' IS NULL),
			ARRAY(SELECT json_object_keys(coalesce(before, '{}')) UNION SELECT json_object_keys(coalesce(after, '{}')))
		FROM audit_entry WHERE user_agent <> '' AND starts_with($1, user_agent)`, userAgent).Scan(&action, &outcome, &targets, &fields)
	if err != nil {
		c.T.Fatal(err)
	}
	declared, _ := audit.Find(action)
	if outcome == audit.Failure {
		declared.Targets = append(slices.Clone(declared.Targets), "organization") // what a request names that was refused
		declared.Fields = append(slices.Clone(declared.Fields), audit.RefusedFields...)
	}
	for _, list := range []struct{ used, declared []string }{{targets, declared.Targets}, {fields, declared.Fields}} {
		for _, name := range list.used {
			if !slices.Contains(list.declared, name) {
				c.T.Errorf("the entry of %s has %q, which shared/audit/actions.go does not name", action, name)
			}
		}
	}
}

// EntriesOf counts the entries of one request and their targets, without those that the
// platform's log has of what an organization's has, too. An entry has
// only the beginning of a long user agent. All tests share one database session,
// so it runs one query at a time.
func (h *Harness) EntriesOf(userAgent string) (entries, targets int) {
	h.T.Helper()
	h.auditing.Lock()
	defer h.auditing.Unlock()
	err := h.auditor.QueryRow(context.Background(), `
		SELECT count(*), coalesce(sum((SELECT count(*) FROM audit_target t WHERE t.org_id = e.org_id AND t.entry_id = e.id)
			- (SELECT count(*) FROM json_array_elements(e.targets) AS t WHERE t ->> 'as' IS NOT NULL)), 0)
		FROM audit_entry e WHERE user_agent <> '' AND starts_with($1, user_agent)
			AND NOT (org_id = '00000000-0000-0000-0000-000000000000' AND outcome = 'success' AND action IN ('organization.create', 'organization.delete'))`,
		userAgent).Scan(&entries, &targets)
	if err != nil {
		h.T.Fatal(err)
	}
	return entries, targets
}

// operationOf returns the operation of a request.
func operationOf(r *http.Request) (edge.Op, bool) {
	mux := http.NewServeMux()
	all := map[string]edge.Op{}
	for _, o := range api.All() {
		op := o.Meta()
		mux.Handle(op.Method+" "+op.Path, http.NotFoundHandler())
		all[op.Method+" "+op.Path] = op
	}
	_, pattern := mux.Handler(r)
	op, found := all[pattern]
	return op, found
}

// Exec runs a statement as a superuser.
func (h *Harness) Exec(sql string, args ...any) {
	h.T.Helper()
	h.Database.Exec(h.T, sql, args...)
}

// RowsWith returns the tables that contain the text unencrypted, as text or bytes.
func RowsWith(t *testing.T, h *Harness, text string) (tables []string) {
	t.Helper()
	all := testkit.Value[[]string](t, h.Database, `
		SELECT array_agg(oid::regclass::text) FROM pg_class
		WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`)
	for _, table := range all {
		if testkit.Value[bool](t, h.Database, `
			SELECT EXISTS (SELECT FROM `+table+` r WHERE position($1 IN r::text) > 0
				OR position(encode(convert_to($1, 'UTF8'), 'hex') IN r::text) > 0)`, text) {
			tables = append(tables, table)
		}
	}
	if len(all) < 5 {
		t.Errorf("only %d tables were searched", len(all))
	}
	return tables
}

// Checksum returns a text that changes when any row of an organization changes.
func Checksum(c Caller) (sum string) {
	c.T.Helper()
	ctx := context.Background()
	tables := testkit.Value[[]string](c.T, c.Database, `
		SELECT array_agg(a.attrelid::regclass::text ORDER BY 1) FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid
		WHERE (a.attname = 'org_id' OR t.relname = 'organization' AND a.attname = 'id') AND t.relkind IN ('r', 'p') AND NOT t.relispartition AND t.relnamespace = 'public'::regnamespace`)
	for _, table := range tables {
		var rows string
		column := "org_id"
		if table == "organization" {
			column = "id"
		}
		err := c.Admin.QueryRow(ctx, `SELECT coalesce(md5(string_agg(r::text, '|' ORDER BY r::text)), '') FROM `+table+` r WHERE `+column+` = $1`, c.Org).Scan(&rows)
		if err != nil {
			c.T.Fatal(err)
		}
		sum += table + " " + rows + "\n"
	}
	return sum
}
