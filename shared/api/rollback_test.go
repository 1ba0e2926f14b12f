package api_test

import (
	"net/http"
	"testing"

	"portico/shared/api"
	"portico/shared/api/apitest"
	"portico/shared/testkit"
)

// Every operation that writes an audit entry does so in the transaction of its change: if
// the commit fails because of the entry, no row of any table has changed, and the same
// request succeeds later. checkRecord then finds exactly one entry. Only reportMail acts in
// the database of the mail's organization before its entry is written: a report that was
// answered has its entry, because whoever got no answer hands it in again. The same holds
// for what a person does on their own account and its event; only who leaves an organization
// does so in the organization's database, and with the entry in its log.
func TestNoChangeWithoutItsEntry(t *testing.T) {
	t.Parallel()
	s := newStatuses(t)
	s.acme.Exec(`CREATE TABLE spoiled (action text)`)
	s.acme.Exec(`CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
		BEGIN IF NEW.outcome = 'success' AND NEW.action IN (SELECT action FROM spoiled) THEN RAISE 'spoiled'; END IF; RETURN NULL; END $$`)
	s.acme.Exec(`CREATE CONSTRAINT TRIGGER spoil AFTER INSERT ON audit_entry DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION spoil()`)
	s.acme.Exec(`CREATE FUNCTION spoil_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
		BEGIN IF NEW.action IN (SELECT action FROM spoiled) THEN RAISE 'spoiled'; END IF; RETURN NULL; END $$`)
	s.acme.Exec(`CREATE CONSTRAINT TRIGGER spoil_event AFTER INSERT ON user_event DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION spoil_event()`)
	operations := 0
	for _, o := range sorted(api.All()) {
		op := o.Meta()
		if op.Method == http.MethodGet || op.Audit == "" || op.RecordedBy != "" {
			continue
		}
		operations++
		path, body := s.valid(op)
		before := everyRow(t, s.acme.Harness)
		entry := op.Audit
		if op.ID == "leaveMyOrganization" {
			entry = "member.leave"
		}
		s.acme.Exec(`INSERT INTO spoiled VALUES ($1)`, entry)
		r := s.call(op, path, body, "Idempotency-Key", op.ID)
		s.acme.Exec(`DELETE FROM spoiled`)
		if r.Status != http.StatusInternalServerError {
			t.Errorf("%s answered %d %s although its entry could not be committed", op.ID, r.Status, r.Body)
		}
		for table, rows := range everyRow(t, s.acme.Harness) {
			if before[table] != rows && op.ID != "reportMail" {
				t.Errorf("%s changed the table %s, and has no entry", op.ID, table)
			}
		}
		s.note(op, apitest.Published().Statuses(described(op))[0], s.call(op, path, body, "Idempotency-Key", op.ID))
	}
	if operations < 60 {
		t.Errorf("only %d operations were called", operations)
	}
}

// everyRow returns a text for each table that changes when any of its rows does.
func everyRow(t *testing.T, h *apitest.Harness) map[string]string {
	t.Helper()
	sums := map[string]string{}
	for _, table := range testkit.Value[[]string](t, h.Database, `
		SELECT array_agg(oid::regclass::text) FROM pg_class
		WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`) {
		sums[table] = testkit.Value[string](t, h.Database, `SELECT coalesce(md5(string_agg(r::text, '|' ORDER BY r::text)), '') FROM `+table+` r`)
	}
	return sums
}
