package testkit

import (
	"testing"

	"github.com/google/uuid"
)

// Hold stops every statement of a kind, such as `AFTER DELETE ON event`, in the middle
// of its transaction, until the test calls release. reached waits until one has stopped.
// It works behind a lock_timeout, too.
func (d *Database) Hold(t testing.TB, kind string) (reached, release func()) {
	t.Helper()
	name := `"hold ` + uuid.NewString() + `"`
	holder := d.Session(t, "portico_master")
	Exec(t, holder, `SELECT pg_advisory_lock(hashtext($1))`, name)
	d.Exec(t, `
		CREATE FUNCTION `+name+`() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			PERFORM pg_advisory_xact_lock_shared(hashtext('reached' || '`+name+`'));
			WHILE NOT pg_try_advisory_xact_lock_shared(hashtext('`+name+`')) LOOP
				PERFORM pg_sleep(0.002);
			END LOOP;
			RETURN NULL;
		END $$`)
	d.Exec(t, `CREATE TRIGGER `+name+` `+kind+` FOR EACH STATEMENT EXECUTE FUNCTION `+name+`()`)
	reached = func() {
		t.Helper()
		Await(t, "a statement to stop "+kind, func() bool {
			return Value[bool](t, d, `
				SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
					AND ((classid::bigint << 32) | objid::bigint) = hashtext('reached' || $1)::bigint)`, name)
		})
	}
	return reached, func() { t.Helper(); Exec(t, holder, `SELECT pg_advisory_unlock_all()`) }
}

// AwaitLockWait waits until a session of the application waits for a lock.
func (d *Database) AwaitLockWait(t testing.TB) {
	t.Helper()
	Await(t, "a session to wait for a lock", func() bool {
		return Value[bool](t, d, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND usename = 'portico_app')`)
	})
}
