package audit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// insert writes an entry of a new organization.
func insert(t *testing.T, d *testkit.Database, org id.Org, e audit.Entry) {
	t.Helper()
	d.InOrg(t, org, func(ctx context.Context, tx pg.Tx) error { return audit.Insert(ctx, tx, org, e) })
}

func entryAt(at time.Time, action string) audit.Entry {
	return audit.Entry{Action: action, Actor: audit.Actor{Type: audit.System, ID: "test"}, Targets: []audit.Target{{Type: "x", ID: "x_1"}}, CreatedAt: at}
}

// No role can change, remove or empty what was written: the application has no
// right to, and a trigger stops even a superuser. Only erasing an organization
// removes its entries, and only its own.
func TestInsertOnly(t *testing.T) {
	t.Parallel()
	d, ctx := testkit.DB(t), context.Background()
	org, other := d.NewOrg(t), d.NewOrg(t)
	for _, o := range []id.Org{org, other} {
		insert(t, d, o, entryAt(d.Clock.Now(), "role.create"))
	}
	conns := map[string]*pgx.Conn{"superuser": d.Admin}
	for _, role := range []string{"portico_app", "portico_worker"} {
		conns[role] = d.Session(t, role)
		testkit.Exec(t, conns[role], `SELECT set_config('app.org_id', $1, false), set_config('app.erase_org', $1, false)`, org.UUID.String())
	}
	for role, conn := range conns {
		for _, table := range []string{"audit_entry", "audit_target"} {
			for _, sql := range []string{`UPDATE %s SET org_id = org_id`, `DELETE FROM %s`, `TRUNCATE %s`, `DELETE FROM %s WHERE org_id <> app_org()`} {
				_, err := conn.Exec(ctx, fmt.Sprintf(sql, table))
				if state := new(pgconn.PgError); !errors.As(err, &state) || state.Code != "42501" {
					t.Errorf("%s: "+sql+": %v, want it refused", role, table, err)
				}
			}
		}
	}
	d.Exec(t, `SELECT set_config('app.erase_org', $1, false)`, org.UUID.String())
	for _, tt := range []struct {
		org     id.Org
		refused bool
	}{{other, true}, {org, false}} {
		if _, err := d.Admin.Exec(ctx, `DELETE FROM audit_entry WHERE org_id = $1`, tt.org); (err != nil) != tt.refused {
			t.Errorf("erasing %v: %v", tt, err)
		}
	}
}

// An entry is read as it was written. The name of an API key is looked up.
func TestInsertAndList(t *testing.T) {
	t.Parallel()
	d, ctx := testkit.DB(t), context.Background()
	org := d.NewOrg(t)
	key := id.New[id.APIKey](d.Clock.Now())
	d.Insert(t, "api_key", testkit.Row{"org_id": org, "id": key, "name": "mine", "hash": make([]byte, 32), "permissions": []string{}})
	at := d.Clock.Now()
	insert(t, d, org, audit.Entry{
		Action: "role.create", Actor: audit.Actor{Type: audit.APIKey, ID: key.String()}, For: audit.Actor{Type: "member", ID: "3"}, CreatedAt: at,
		Targets: []audit.Target{{Type: "a", ID: "1"}, {Type: "b", ID: "2"}, {Type: "b", ID: "2"}},
		After:   audit.Fields{"z": "a\x00\n<", "a": nil, "n": 9007199254740993},
		Origin:  audit.Origin{RequestID: "r\x00", UserAgent: "\xff\x00"},
	})
	var list []audit.Entry
	err := d.App.InOrg(ctx, org, func(tx pg.Tx) (err error) {
		list, _, err = audit.List(ctx, tx, org, audit.Filter{TargetID: "2"}, 10)
		return err
	})
	if err != nil || len(list) != 1 {
		t.Fatalf("%d entries, %v", len(list), err)
	}
	got := fmt.Sprintf("%q %v %v %q %v %v %t", list[0].Actor.Name, list[0].For, list[0].Targets, list[0].Origin, list[0].Before, list[0].After, list[0].CreatedAt.Equal(at))
	want := `"mine" {member 3 } [{a 1 } {b 2 } {b 2 }] {"r�" "invalid IP" "��" {"" "" ""}} map[] map[a:<nil> n:9007199254740993 z:a` + "\x00\n<" + `] true`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Values that are the same before and after are left out of both.
func TestDiff(t *testing.T) {
	t.Parallel()
	one, same := 1, 1
	before, after := audit.Diff(
		audit.Fields{"same": []string{"a"}, "number": &one, "text": "a", "gone": 1, "order": []string{"a", "b"}},
		audit.Fields{"same": []string{"a"}, "number": &same, "text": "b", "new": audit.Changed, "order": []string{"b", "a"}})
	wantBefore := audit.Fields{"text": "a", "gone": 1, "order": []string{"a", "b"}}
	wantAfter := audit.Fields{"text": "b", "new": audit.Changed, "order": []string{"b", "a"}}
	if diff := cmp.Diff(wantBefore, before) + cmp.Diff(wantAfter, after); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
