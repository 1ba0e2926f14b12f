package audit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// pages returns all entries of a list, page by page, and how many pages there were.
func pages(t *testing.T, d *testkit.Database, org id.Org, f audit.Filter, limit int) (all []audit.Entry, n int) {
	t.Helper()
	for n = 1; ; n++ {
		list, scanned, err := page(d, org, f, limit)
		testkit.Must(t, err)
		all = append(all, list...)
		switch {
		case len(list) == limit:
			f.After = list[limit-1].ID
		case !scanned.IsZero():
			f.After = scanned
		default:
			return all, n
		}
	}
}

func page(d *testkit.Database, org id.Org, f audit.Filter, limit int) (list []audit.Entry, scanned id.AuditEntry, err error) {
	err = d.App.InOrg(context.Background(), org, func(tx pg.Tx) error {
		if _, err := tx.Exec(context.Background(), `SELECT pg_stat_force_next_flush()`); err != nil {
			return err
		}
		list, scanned, err = audit.List(context.Background(), tx, org, f, limit)
		return err
	})
	return list, scanned, err
}

// With any filter a page reads a bounded number of rows, however few entries match, and
// its end leads on to those that match.
func TestPagesAreBounded(t *testing.T) {
	t.Parallel()
	const rows, rare = 40_000, 15_000
	d := testkit.DB(t)
	org, now := d.NewOrg(t), d.Clock.Now()
	d.Exec(t, `SELECT make_partitions(portico_now() - interval '1 hour')`)
	d.Exec(t, fmt.Sprintf(`
		WITH entry AS (
			INSERT INTO audit_entry (org_id, id, action, actor_type, actor_id, actor_name, category, outcome, targets, request_id, user_agent, created_at)
			SELECT $1, overlay(gen_random_uuid()::text placing left(uuid_floor($2::timestamptz - n * interval '1 ms')::text, 13) from 1)::uuid,
				'role.update', 'api_key', CASE n WHEN %[2]d THEN 'rare' ELSE 'key' END, CASE n WHEN %[2]d THEN 'Ada Lovelace' ELSE 'Eve' END, 'security',
				CASE n WHEN %[2]d THEN 'failure' ELSE 'success' END, '[]', 'r' || n, '', $2::timestamptz - n * interval '1 ms'
			FROM generate_series(1, %[1]d) AS n RETURNING id
		)
		INSERT INTO audit_target (org_id, target_id, entry_id) SELECT $1, 'role_1', id FROM entry`, rows, rare), org, now)
	d.Exec(t, `VACUUM (ANALYZE) audit_entry, audit_target`)
	counting := d.OneSession(t)
	read := func(f audit.Filter) int64 {
		before := d.RowsRead(t, counting, "audit_entry") + d.RowsRead(t, counting, "audit_target")
		_, _, err := page(d, org, f, 21)
		testkit.Must(t, err)
		return d.RowsRead(t, counting, "audit_entry") + d.RowsRead(t, counting, "audit_target") - before
	}
	middle := now.Add(-rows / 2 * time.Millisecond)
	for _, tt := range []struct {
		name   string
		f      audit.Filter
		atMost int64 // index entries and rows
		pages  int   // until the end of the list; 0: too many
		found  int   // on all of them
	}{
		{"all", audit.Filter{}, 200, 0, 0},
		{"a time", audit.Filter{Until: middle}, 200, 0, 0},
		{"a rare actor", audit.Filter{ActorID: "rare"}, 200, 1, 1},
		{"a rare outcome", audit.Filter{Outcome: audit.Failure}, 200, 1, 1},
		{"a rare outcome with more", audit.Filter{Outcome: audit.Failure, Category: audit.Security, Action: "role.update"}, 31_000, 5, 1},
		{"a rare outcome of an action", audit.Filter{Outcome: audit.Failure, Action: "role.update"}, 31_000, 5, 1},
		{"a rare outcome of an actor and a time", audit.Filter{Outcome: audit.Failure, ActorID: "rare", Since: middle}, 200, 1, 1},
		{"two that never meet", audit.Filter{Outcome: audit.Failure, ActorID: "key"}, 31_000, 0, 0},
		{"a target", audit.Filter{TargetID: "role_1"}, 300, 0, 0},
		{"a target and a rare actor", audit.Filter{TargetID: "role_1", ActorID: "rare"}, 9_000, 21, 1},
		{"a target of a time", audit.Filter{TargetID: "role_1", Since: middle, Until: middle.Add(10 * time.Millisecond)}, 200, 1, 10},
		{"a rare word", audit.Filter{Words: []string{"lovelace"}}, 7_000, 21, 1},
		{"a rare word of an action", audit.Filter{Words: []string{"lovelace", "ada"}, Action: "role.update"}, 7_000, 21, 1},
		{"a rare word of a target", audit.Filter{Words: []string{"lovelace"}, TargetID: "role_1"}, 9_000, 21, 1},
		{"a rare word of a time", audit.Filter{Words: []string{"lovelace"}, Since: middle, Until: middle.Add(10 * time.Millisecond)}, 200, 1, 0},
		{"a frequent word", audit.Filter{Words: []string{"eve"}}, 7_000, 0, 0},
	} {
		if n := read(tt.f); n > tt.atMost {
			t.Errorf("%s: a page read %d rows and index entries, want at most %d", tt.name, n, tt.atMost)
		}
		if tt.pages == 0 {
			continue
		}
		if found, n := pages(t, d, org, tt.f, 21); len(found) != tt.found || n != tt.pages {
			t.Errorf("%s: %d entries on %d pages, want %d on %d", tt.name, len(found), n, tt.found, tt.pages)
		}
	}
}

// Whatever the filter and the size of the pages, a list has exactly the entries that
// match, newest first.
func TestFilters(t *testing.T) {
	t.Parallel()
	d := testkit.DB(t)
	org := d.NewOrg(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	choose := func(list ...string) string { return list[random.IntN(len(list))] }
	var all []audit.Entry
	for i := range 80 {
		e := audit.Entry{
			Action: choose("role.update", "role.delete", "domain.create"), Actor: audit.Actor{Type: audit.System, ID: choose("one", "two"), Name: choose("Ada", `Ä "Ä" 100%_`, "")},
			Targets: []audit.Target{{Type: "role", ID: choose("r1", "r2")}}, After: audit.Fields{"name": choose("Straße\\", "<b>", "x\ny")},
			Outcome: choose(audit.Success, audit.Success, audit.Failure), Origin: audit.Origin{RequestID: fmt.Sprint(i / 5)},
			CreatedAt: d.Clock.Now().Add(time.Duration(i) * 300 * time.Microsecond).Truncate(time.Microsecond),
		}
		insert(t, d, org, e)
		all = append(all, e)
	}
	slices.Reverse(all)
	matches := func(e audit.Entry, f audit.Filter) bool {
		text := strings.ToLower(fmt.Sprint(e.Action, " ", e.Actor.ID, " ", e.Actor.Name, " ", e.Targets, " ", e.After["name"]))
		for _, word := range f.Words {
			if !strings.Contains(text, strings.ToLower(word)) {
				return false
			}
		}
		noun, _, _ := strings.Cut(e.Action, ".")
		action, _ := audit.Find(e.Action)
		return (f.Action == "" || f.Action == e.Action) && (f.Noun == "" || f.Noun == noun) && (f.Category == "" || f.Category == action.Category) &&
			(f.Outcome == "" || f.Outcome == e.Outcome) && (f.ActorID == "" || f.ActorID == e.Actor.ID) && (f.TargetID == "" || f.TargetID == e.Targets[0].ID) &&
			(f.Request == "" || f.Request == e.Origin.RequestID) && (f.Since.IsZero() || !e.CreatedAt.Before(f.Since)) && (f.Until.IsZero() || e.CreatedAt.Before(f.Until))
	}
	found := 0
	for range 200 {
		f := audit.Filter{
			Action: choose("", "", "", "role.update", "domain.create"), Noun: choose("", "", "role"), Category: audit.Category(choose("", "", "security", "data")),
			Outcome: choose("", "", "success", "failure"), ActorID: choose("", "", "one"), TargetID: choose("", "", "r1"), Request: choose("", "", "", "", "3"),
			Words: strings.Fields(choose("", "", "ada", "ADA role", "STRASSE", "straße\\", `"Ä"`, "100%_", "%", "_", "<B>", "role.delete r2", "nowhere")),
		}
		if random.IntN(2) == 0 {
			f.Since = all[random.IntN(len(all))].CreatedAt
			f.Until = f.Since.Add(time.Duration(random.IntN(20)) * 500 * time.Microsecond)
		}
		var want, got []time.Time
		for _, e := range all {
			if matches(e, f) {
				want = append(want, e.CreatedAt)
			}
		}
		list, _ := pages(t, d, org, f, 1+random.IntN(20))
		for _, e := range list {
			got = append(got, e.CreatedAt)
		}
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Fatalf("%+v: %d entries, want %d", f, len(got), len(want))
		}
		found += len(want)
	}
	if found == 0 {
		t.Error("no filter has found anything")
	}
}
