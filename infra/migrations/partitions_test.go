package migrations_test

import (
	"bytes"
	"context"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"portico/infra/migrations"
	"portico/shared/id"
	"portico/shared/testkit"
)

var partitioned = []string{"audit_chain", "audit_entry", "audit_target", "event", "job_log", "webhook_attempt", "webhook_delivery"}

type bounds struct{ from, to uuid.UUID }

var boundForm = regexp.MustCompile(`^FOR VALUES FROM \('([0-9a-f-]{36})'\) TO \('([0-9a-f-]{36})'\)$`)

// partitionsOf returns the bounds of a table's partitions in order.
func partitionsOf(t *testing.T, d *testkit.Database, table string) []bounds {
	t.Helper()
	rows, err := d.Admin.Query(context.Background(), `
		SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = $1::regclass`, table)
	if err != nil {
		t.Fatal(err)
	}
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	var list []bounds
	for _, text := range texts {
		m := boundForm.FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("%s has a partition %s", table, text)
		}
		list = append(list, bounds{uuid.MustParse(m[1]), uuid.MustParse(m[2])})
	}
	slices.SortFunc(list, func(a, b bounds) int { return bytes.Compare(a.from[:], b.from[:]) })
	return list
}

// reaches checks that every id made between two moments has a partition.
func reaches(t *testing.T, d *testkit.Database, from, to time.Time) {
	t.Helper()
	for _, table := range partitioned {
		list := partitionsOf(t, d, table)
		for i := range list[1:] {
			if list[i].to != list[i+1].from {
				t.Errorf("%s has a gap between %s and %s", table, list[i].to, list[i+1].from)
			}
		}
		first, last := id.New[id.Event](from), id.New[id.Event](to)
		if low := list[0].from; bytes.Compare(low[:], first.UUID[:]) > 0 {
			t.Errorf("%s starts at %s, after %s", table, low, from)
		}
		if high := list[len(list)-1].to; bytes.Compare(last.UUID[:], high[:]) >= 0 {
			t.Errorf("%s ends at %s, before %s", table, high, to)
		}
	}
}

// After a migration the partitions reach three months ahead, and after
// make_partitions again at any later time.
func TestPartitionsReachAhead(t *testing.T) {
	ctx, d := context.Background(), testkit.DB(t)
	start := d.Clock.Now()
	makePartitions := func() (made int) {
		t.Helper()
		if err := d.Worker.QueryRow(ctx, `SELECT make_partitions()`).Scan(&made); err != nil {
			t.Fatal(err)
		}
		return made
	}
	makePartitions() // the template may be from last month
	reaches(t, d, start, start.AddDate(0, 3, 0))
	if made := makePartitions(); made != 0 {
		t.Errorf("%d partitions were made although there was nothing to do", made)
	}
	made := 0
	for range 12 {
		d.Advance(t, 61*24*time.Hour/2)
		made += makePartitions()
		reaches(t, d, start, d.Clock.Now().AddDate(0, 3, 0))
	}
	if made != 3*12+4*4 {
		t.Errorf("in a year %d partitions were made, want one a month of three tables, and one a quarter of four", made)
	}
}

// A database that was not in use for a year gets the partitions of today when
// migrations are applied, even if none is new.
func TestPartitionsAfterALongPause(t *testing.T) {
	d := testkit.DB(t)
	d.Advance(t, 366*24*time.Hour)
	testkit.Must(t, migrations.Apply(context.Background(), d.Admin.Config(), "portico"))
	for _, table := range partitioned {
		list := partitionsOf(t, d, table)
		today := id.New[id.Event](d.Clock.Now())
		if high := list[len(list)-1].to; bytes.Compare(today.UUID[:], high[:]) >= 0 {
			t.Errorf("%s ends at %s, before today", table, high)
		}
	}
}

// uuid_floor is the smallest id that package id makes in a millisecond.
func TestUUIDFloor(t *testing.T) {
	d := testkit.DB(t)
	rapid.Check(t, func(r *rapid.T) {
		at := time.UnixMicro(rapid.Int64Range(0, 4_102_444_800_000_000).Draw(r, "µs")).UTC()
		want, _ := id.New[id.Event](at).Bounds()
		if got := testkit.Value[uuid.UUID](t, d, `SELECT uuid_floor($1)`, at); got != want {
			r.Fatalf("%s: %s, want %s", at, got, want)
		}
	})
}

// Autovacuum starts early for every partition of the queue, and for no other.
func TestQueueIsVacuumedEarly(t *testing.T) {
	d := testkit.DB(t)
	d.Advance(t, 100*24*time.Hour)
	if made := testkit.Value[int](t, d, `SELECT make_partitions()`); made < 2 {
		t.Fatalf("%d partitions were made", made)
	}
	for _, table := range partitioned {
		without := testkit.Value[int](t, d, `
			SELECT count(*) FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
			WHERE inhparent = $1::regclass AND NOT coalesce('autovacuum_vacuum_scale_factor=0.02' = ANY (c.reloptions), false)`, table)
		if (without == 0) != (table == "webhook_delivery") {
			t.Errorf("%s: autovacuum waits for the usual 20 %% in %d partitions", table, without)
		}
	}
}
