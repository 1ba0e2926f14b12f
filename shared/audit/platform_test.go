package audit_test

import (
	"context"
	"errors"
	"testing"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// What outlives an organization is in the platform's log in the home database. If the
// organization lives there, both entries commit together or not at all, and the wall
// stands again behind it. If it lives in another database, the platform's is first: a
// change that fails after it is there, and when it is repeated, once more.
func TestInsertOutlives(t *testing.T) {
	t.Parallel()
	for _, lives := range []string{pg.Home, "acme"} {
		t.Run(lives, func(t *testing.T) {
			t.Parallel()
			home, other, ctx := testkit.DB(t), testkit.DB(t), context.Background()
			testkit.Must(t, home.App.Add(ctx, "acme", other.URL("portico_app")))
			at := map[string]*testkit.Database{pg.Home: home, "acme": other}[lives]
			org := at.NewOrg(t)
			if at != home {
				home.Place(t, org, "left", lives)
			}
			died := errors.New("died")
			change := func(end error) error {
				return home.App.InOrg(ctx, org, func(tx pg.Tx) error {
					if _, err := tx.Exec(ctx, `UPDATE organization SET name = 'x'`); err != nil {
						return err
					}
					e := entryAt(home.Clock.Now(), "organization.delete")
					e.Before = audit.Fields{"name": "Acme", "version": 1}
					if err := audit.Insert(ctx, tx, org, e); err != nil {
						return err
					}
					if bound, err := pg.Value[id.Org](ctx, tx, "test", `SELECT app_org()`); err != nil || bound != org {
						t.Errorf("bound to %s, %v", bound, err)
					}
					return end
				})
			}
			count := func(where string, d *testkit.Database, want int) {
				t.Helper()
				n := testkit.Value[int](t, d, `SELECT count(*) FROM audit_entry e JOIN audit_unchained u ON u.org_id = e.org_id AND u.entry_id = e.id
					WHERE e.org_id = $1 AND (e.org_id = $2 OR e.before::text = '{"name":"Acme"}')`, map[bool]any{true: org, false: [16]byte{}}[where == "own"], org)
				if n != want {
					t.Errorf("%d entries in the %s log, want %d", n, where, want)
				}
			}
			if err := change(died); !errors.Is(err, died) {
				t.Fatal(err)
			}
			before := map[bool]int{true: 0, false: 1}[at == home]
			count("own", at, 0)
			count("platform's", home, before)
			testkit.Must(t, change(nil))
			count("own", at, 1)
			count("platform's", home, before+1)
			count("platform's", other, 0)
		})
	}
}
