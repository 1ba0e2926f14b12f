package pg_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// pair reads its row itself.
type pair struct{ sum int }

func (p *pair) ScanRow(row pgx.Rows) error {
	var a, b int
	err := row.Scan(&a, &b)
	p.sum = a + b
	return err
}

// Rows are read as structs by the names of their columns, as types that read
// themselves, and as the value of one column, whatever kind of type that is.
func TestList(t *testing.T) {
	ctx, q := t.Context(), testkit.DB(t).App.Shared()
	type named struct {
		Name string
		Age  int
	}
	people, err := pg.List[named](ctx, q, "test.people", `SELECT 30 AS age, 'Ada' AS name UNION ALL SELECT 31, 'Bo' ORDER BY age`)
	if diff := cmp.Diff([]named{{"Ada", 30}, {"Bo", 31}}, people); err != nil || diff != "" {
		t.Errorf("%v, by name:\n%s", err, diff)
	}
	pairs, err := pg.List[pair](ctx, q, "test.pairs", `SELECT n, n FROM generate_series(1, $1::int) n`, 2)
	if err != nil || fmt.Sprint(pairs) != "[{2} {4}]" {
		t.Errorf("pairs: %v, %v", pairs, err)
	}
	at := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	times, err := pg.List[time.Time](ctx, q, "test.times", `SELECT $1::timestamptz`, at)
	if err != nil || len(times) != 1 || !times[0].Equal(at) {
		t.Errorf("times: %v, %v", times, err)
	}
	org := id.New[id.Org](at)
	orgs, err := pg.List[id.Org](ctx, q, "test.orgs", `SELECT $1::uuid`, org)
	if err != nil || len(orgs) != 1 || orgs[0] != org {
		t.Errorf("ids: %v, %v", orgs, err)
	}
	if none, err := pg.List[string](ctx, q, "test.none", `SELECT 'x' WHERE false`); err != nil || none == nil || len(none) != 0 {
		t.Errorf("no rows: %#v, %v", none, err)
	}
}

// A missing row is the caller's own error; every other one names who asked.
func TestOne(t *testing.T) {
	ctx, q := t.Context(), testkit.DB(t).App.Shared()
	errNone := errors.New("there is none")
	if n, err := pg.One[int](ctx, q, "test.One", errNone, `SELECT 7`); err != nil || n != 7 {
		t.Errorf("one: %d, %v", n, err)
	}
	if _, err := pg.One[int](ctx, q, "test.One", errNone, `SELECT 7 WHERE false`); err != errNone {
		t.Errorf("no row: %v", err)
	}
	for name, ask := range map[string]func() error{
		"One": func() error { _, err := pg.One[int](ctx, q, "test.caller", errNone, `SELECT 1/0`); return err },
		"two": func() error {
			_, err := pg.One[int](ctx, q, "test.caller", errNone, `SELECT generate_series(1, 2)`)
			return err
		},
		"Value":  func() error { _, err := pg.Value[int](ctx, q, "test.caller", `SELECT 1 WHERE false`); return err },
		"List":   func() error { _, err := pg.List[int](ctx, q, "test.caller", `SELECT 1/0`); return err },
		"Exec":   func() error { return pg.Exec(ctx, q, "test.caller", `SELECT 1/0`) },
		"Affect": func() error { _, err := pg.Affect(ctx, q, "test.caller", `SELECT 1/0`); return err },
	} {
		if err := ask(); err == nil || !strings.HasPrefix(err.Error(), "test.caller: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n, err := pg.Affect(ctx, q, "test.Affect", `SELECT generate_series(1, 3)`); err != nil || n != 3 {
		t.Errorf("affected: %d, %v", n, err)
	}
}
