package pg_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portico/shared/pg"
	"portico/shared/testkit"
)

// Every database has its turn, home first, whatever became of the others.
func TestEach(t *testing.T) {
	errAway := errors.New("away")
	all := pg.Databases[int]{"berlin": 3, "acme": 2, "home": 1, "zebra": 4}
	var seen []string
	err := all.Each(func(name string, of int) error {
		seen = append(seen, name)
		if of%2 == 0 {
			return errAway
		}
		return nil
	})
	if diff := cmp.Diff([]string{"home", "acme", "berlin", "zebra"}, seen); diff != "" {
		t.Error(diff)
	}
	if !errors.Is(err, errAway) || err.Error() != "database acme: away\ndatabase zebra: away" {
		t.Errorf("the errors are %v", err)
	}
	made, err := pg.Make(all, func(name string, of int) (string, error) {
		if name == "home" {
			return "", errAway
		}
		return strings.ToUpper(name), nil
	})
	if diff := cmp.Diff(pg.Databases[string]{"acme": "ACME", "berlin": "BERLIN", "zebra": "ZEBRA"}, made); diff != "" || !errors.Is(err, errAway) {
		t.Errorf("%v\n%s", err, diff)
	}
	if of, err := all.At("acme"); of != 2 || err != nil {
		t.Errorf("acme: %d, %v", of, err)
	}
	if _, err := all.At("paris"); err == nil || !strings.Contains(err.Error(), `DATABASES does not name "paris"`) {
		t.Errorf("paris: %v", err)
	}
}

// A search ends at the first database that knows, and at one that cannot say.
func TestSearch(t *testing.T) {
	home, acme := testkit.DB(t).App.Shared(), testkit.DB(t).App.Shared()
	all := pg.Databases[pg.Querier]{"home": home, "acme": acme}
	found, err := pg.Search[string](t.Context(), all, "test.Search", `SELECT current_database()::text`)
	if want := testValue(t, home); err != nil || found != want {
		t.Errorf("found %q, %v, want %q", found, err, want)
	}
	found, err = pg.Search[string](t.Context(), all, "test.Search", `SELECT CASE current_database()::text WHEN $1 THEN '' ELSE 'acme' END`, found)
	if err != nil || found != "acme" {
		t.Errorf("found %q, %v", found, err)
	}
	if _, err = pg.Search[int](t.Context(), all, "test.Search", `SELECT 1/0`); err == nil || !strings.HasPrefix(err.Error(), "test.Search: database home: ") {
		t.Errorf("the error is %v", err)
	}
}

func testValue(t *testing.T, q pg.Querier) string {
	t.Helper()
	name, err := pg.Value[string](t.Context(), q, "test", `SELECT current_database()::text`)
	if err != nil {
		t.Fatal(err)
	}
	return name
}
