package jobs_test

import (
	"context"
	"testing"

	"portico/shared/pg"
	"portico/shared/testkit"
)

// bootstrap's delete_organization is in the platform's log in the home database, once,
// also if the organization lives in another one, and stays when it is erased.
func TestDeleteOrganizationIsRecorded(t *testing.T) {
	t.Parallel()
	m := newMoved(t)
	for range 2 {
		_, err := m.deleter.Delete(context.Background(), m.org.String())
		testkit.Must(t, err)
	}
	got := testkit.Value[string](t, m.home, `
		SELECT string_agg(action || ' ' || actor_id || ' ' || coalesce(actor_name, '') || ' ' || coalesce(before ->> 'name', after ->> 'name', after ->> 'database'), ', ' ORDER BY created_at, action)
		FROM audit_entry JOIN audit_target t USING (org_id) WHERE entry_id = id AND org_id = $1 AND target_id = $2`, [16]byte{}, m.org.String())
	if want := "organization.create bootstrap create_organization Acme, organization.move move  acme, organization.delete bootstrap delete_organization Acme"; got != want {
		t.Errorf("recorded %q, want %q", got, want)
	}
	for database, d := range map[string]*testkit.Database{pg.Home: m.home, "acme": m.db} {
		for table, n := range d.Rows(t, m.org) {
			if n != 0 {
				t.Errorf("%d rows are left in %s of %s", n, table, database)
			}
		}
	}
}
