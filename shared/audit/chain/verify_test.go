package chain_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit/chain"
	"portico/shared/audit/record"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// forge changes rows as portico_owner, with the triggers that protect them disabled.
func (l *log) forge(sql string, args ...any) {
	l.t.Helper()
	ctx := context.Background()
	testkit.Must(l.t, pgx.BeginFunc(ctx, l.Admin, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			SET LOCAL ROLE portico_owner;
			ALTER TABLE audit_entry DISABLE TRIGGER USER;
			ALTER TABLE audit_chain DISABLE TRIGGER USER, DROP CONSTRAINT audit_chain_org_id_entry_id_key`)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SELECT bind_organization($1, true)`, l.org); err != nil {
			return err
		}
		if _, err = tx.Exec(ctx, sql, args...); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			ALTER TABLE audit_entry ENABLE TRIGGER USER;
			ALTER TABLE audit_chain ENABLE TRIGGER USER, ADD CONSTRAINT audit_chain_org_id_entry_id_key UNIQUE (org_id, entry_id)`)
		return err
	}))
}

// Ids in SQL that have a partition: one before all entries, and one of this moment.
const (
	early = `uuid_floor(date_trunc('quarter', portico_now(), 'UTC'))`
	newID = `overlay(gen_random_uuid()::text PLACING left(uuid_floor(portico_now())::text, 13) FROM 1)::uuid`
)

// The entry with number 5 in SQL.
const fifth = `(SELECT entry_id FROM audit_chain WHERE org_id = app_org() AND number = 5)`

// shift moves the places from a number on up or down.
func shift(from, by int) string {
	return fmt.Sprintf(`
		CREATE TEMP TABLE later ON COMMIT DROP AS SELECT * FROM audit_chain WHERE org_id = app_org() AND number >= %d;
		DELETE FROM audit_chain WHERE org_id = app_org() AND number >= %d;
		INSERT INTO audit_chain SELECT org_id, number + %d, entry_id, personal_hash, hash FROM later`, from, from, by)
}

// swap exchanges columns of two places.
func swap(a, b int, columns string) string {
	return fmt.Sprintf(`
		UPDATE audit_chain c SET (%[3]s) = (SELECT %[3]s FROM audit_chain o WHERE o.org_id = c.org_id AND o.number = %[1]d + %[2]d - c.number)
		WHERE org_id = app_org() AND number IN (%[1]d, %[2]d)`, a, b, columns)
}

const strangeHash = `decode(repeat('ab', 32), 'hex')`

// Each forgery in a chain of twelve entries is found, with its kind and number, also
// when only a range around it is verified.
func TestForgeriesAreFound(t *testing.T) {
	t.Parallel()
	d := testkit.DB(t)
	edit := func(set string) string { return `UPDATE audit_entry SET ` + set + ` WHERE id = ` + fifth }
	for _, tt := range []struct {
		name, sql string
		kind      record.Kind
		number    int64
	}{
		{"id", edit(`id = ` + newID), record.Deleted, 5},
		{"id in both", `WITH n AS (UPDATE audit_entry SET id = ` + early + ` WHERE id = ` + fifth + `)
			UPDATE audit_chain SET entry_id = ` + early + ` WHERE number = 5`, record.Edited, 5},
		{"action", edit(`action = 'thing.delete'`), record.Edited, 5},
		{"actor type", edit(`actor_type = 'staff_key'`), record.Edited, 5},
		{"actor id", edit(`actor_id = 'other'`), record.Edited, 5},
		{"targets", edit(`targets = '[]'`), record.Edited, 5},
		{"white space in targets", edit(`targets = (targets::text || ' ')::json`), record.Edited, 5},
		{"before", edit(`before = '{}'`), record.Edited, 5},
		{"before to NULL", edit(`before = NULL`), record.Edited, 5},
		{"after", edit(`after = '{}'`), record.Edited, 5},
		{"before and after", edit(`before = after, after = before`), record.Edited, 5},
		{"request", edit(`request_id = ''`), record.Edited, 5},
		{"outcome", edit(`outcome = 'failure'`), record.Edited, 5},
		{"time", edit(`created_at = created_at + interval '1 microsecond'`), record.Edited, 5},
		{"name", edit(`actor_name = 'Eve'`), record.Edited, 5},
		{"name to NULL", edit(`actor_name = NULL`), record.Edited, 5},
		{"address", edit(`source_ip = '203.0.113.8'`), record.Edited, 5},
		{"user agent", edit(`user_agent = ''`), record.Edited, 5},
		{"salt", edit(`salt = uuid_send(gen_random_uuid())`), record.Edited, 5},
		{"name without salt", edit(`actor_name = 'Eve', source_ip = NULL, user_agent = '', salt = NULL`), record.Edited, 5},
		{"personal hash", `UPDATE audit_chain SET personal_hash = ` + strangeHash + ` WHERE number = 5`, record.Edited, 5},
		{"hash", `UPDATE audit_chain SET hash = ` + strangeHash + ` WHERE number = 5`, record.Edited, 5},
		{"last hash", `UPDATE audit_chain SET hash = ` + strangeHash + ` WHERE number = 12`, record.Edited, 12},
		{"entry deleted", `DELETE FROM audit_entry WHERE id = ` + fifth, record.Deleted, 5},
		{"place deleted", `DELETE FROM audit_chain WHERE number = 5`, record.Deleted, 5},
		{"first place deleted", `DELETE FROM audit_chain WHERE number = 1`, record.Deleted, 1},
		{"both deleted", `DELETE FROM audit_entry WHERE id = ` + fifth + `; DELETE FROM audit_chain WHERE number = 5`, record.Deleted, 5},
		{"deleted and closed up", `DELETE FROM audit_entry WHERE id = ` + fifth + `; DELETE FROM audit_chain WHERE number = 5;` + shift(6, -1), record.Deleted, 5},
		{"tail deleted", `DELETE FROM audit_chain WHERE number > 10`, record.Deleted, 11},
		{"entry inserted", insertEntry, record.Inserted, 0},
		{"place inserted", insertEntry + `;` + shift(5, 1) + `; INSERT INTO audit_chain SELECT org_id, 5, id, ` + strangeHash + `, ` + strangeHash + `
			FROM audit_entry WHERE id = ` + early + ``, record.Inserted, 5},
		{"swapped", swap(5, 6, "entry_id, personal_hash, hash"), record.Reordered, 5},
		{"swapped far apart", swap(5, 9, "entry_id, personal_hash, hash"), record.Reordered, 5},
		{"swapped without hashes", swap(5, 6, "entry_id, personal_hash"), record.Reordered, 5},
		{"head too high", `UPDATE audit_head SET number = 13`, record.Deleted, 13},
		{"head too low", `UPDATE audit_head SET number = 11`, record.BadHead, 11},
		{"head's hash", `UPDATE audit_head SET hash = ` + strangeHash, record.BadHead, 12},
		{"head deleted", `ALTER TABLE audit_chain DROP CONSTRAINT audit_chain_org_id_fkey;DELETE FROM audit_head`, record.BadHead, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := &log{d, t, d.NewOrg(t)}
			l.write(12)
			l.work(l.sequencer())
			l.whole(12)
			l.forge(tt.sql)
			for from, to := range map[int64]int64{1: last, max(tt.number-3, 1): last} {
				v := l.verify(from, to)
				if v.Fault == nil || v.Fault.Kind != tt.kind || v.Fault.Number != tt.number {
					t.Errorf("from %d: %+v, want %s at %d", from, v.Fault, tt.kind, tt.number)
				}
			}
		})
	}
}

const insertEntry = `INSERT INTO audit_entry (org_id, id, action, actor_type, actor_id, targets, request_id, user_agent, created_at)
	SELECT org_id, ` + early + `, action, actor_type, actor_id, targets, request_id, user_agent, created_at FROM audit_entry WHERE id = ` + fifth

// A forger who has put a wrong entry into the chain with a right hash is found at the
// entry that follows.
func TestGoodHashInBetween(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.write(12)
	s := l.sequencer()
	l.work(s)
	// The sequencer itself makes the right hash: the forger cuts the chain behind 4, lets
	// it chain the new entry, and puts the old places behind it.
	l.forge(`
		CREATE TABLE later AS SELECT org_id, number + 1 AS number, entry_id, personal_hash, hash FROM audit_chain WHERE number > 4;
		DELETE FROM audit_chain WHERE number > 4;
		UPDATE audit_head SET number = 4, hash = (SELECT hash FROM audit_chain WHERE number = 4)`)
	l.write(1)
	l.work(s)
	l.forge(`
		INSERT INTO audit_chain SELECT * FROM later;
		UPDATE audit_head SET number = 13, hash = (SELECT hash FROM audit_chain WHERE number = 13)`)
	if v := l.verify(1, last); v.Fault == nil || v.Fault.Kind != record.Inserted || v.Fault.Number != 5 || v.Fault.Entry.IsZero() {
		t.Errorf("%+v", v.Fault)
	}
}

// Erasing the personal fields of an actor leaves the chain valid and says of how many
// entries. It is the only change that the table allows, and only as a whole. What is
// put into the erased fields later is found.
func TestErasedPersons(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.write(12)
	s := l.sequencer()
	l.work(s)
	l.write(1) // is erased before it is chained
	var at *id.AuditEntry
	forget := func() (n int) {
		l.InOrg(t, l.org, func(ctx context.Context, tx pg.Tx) error {
			return tx.QueryRow(ctx, `SELECT last, forgotten FROM forget_actor('test', coalesce($1::uuid, '00000000-0000-0000-0000-000000000000'), uuid_floor(portico_now() + interval '1 day'), 5)`, at).Scan(&at, &n)
		})
		return n
	}
	if a, b, c, d := forget(), forget(), forget(), forget(); a != 5 || b != 5 || c != 3 || d != 0 {
		t.Errorf("%d %d %d %d entries were erased", a, b, c, d)
	}
	l.work(s)
	l.whole(13)
	if v := l.verify(1, last); v.Erased != 13 {
		t.Errorf("%d are erased", v.Erased)
	}
	if n := testkit.Value[int](t, l.Database, `SELECT count(*) FROM audit_entry e WHERE e::text ~ 'Ada|203.0.113|curl'`); n != 0 {
		t.Errorf("%d entries show a personal field", n)
	}
	l.write(1)
	l.work(s)
	for _, set := range []string{`salt = NULL`, `actor_name = NULL, source_ip = NULL, user_agent = ''`, `actor_name = 'Eve', source_ip = NULL, user_agent = '', salt = NULL`,
		`actor_name = NULL, source_ip = NULL, user_agent = '', salt = NULL, action = 'a.b'`, `actor_name = NULL, source_ip = NULL, user_agent = '', salt = NULL, targets = '[]'`} {
		if _, err := l.Admin.Exec(context.Background(), `UPDATE audit_entry SET `+set+` WHERE salt IS NOT NULL`); err == nil {
			t.Errorf("%s was accepted", set)
		}
	}
	l.forge(`UPDATE audit_entry SET user_agent = 'forged' WHERE id = ` + fifth)
	if v := l.verify(1, last); v.Fault == nil || v.Fault.Kind != record.Edited || v.Fault.Number != 5 {
		t.Errorf("%+v", v.Fault)
	}
}

// An entry that was deleted before it was chained gets its number, so that verifying
// finds that it is missing.
func TestDeletedBeforeChained(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.write(3)
	l.forge(`DELETE FROM audit_entry WHERE id = (SELECT entry_id FROM audit_unchained ORDER BY entry_id OFFSET 1 LIMIT 1)`)
	l.work(l.sequencer())
	if v := l.verify(1, last); v.Fault == nil || v.Fault.Kind != record.Deleted || v.Fault.Number != 2 || v.Head.Number != 3 {
		t.Errorf("%+v", v)
	}
}

// A long chain is verified in pages, and an entry that was inserted between the ranges
// of two pages is found.
func TestVerifyInPages(t *testing.T) {
	t.Parallel()
	const entries = 2*chain.VerifyAtMost + 500
	l := newLog(t)
	l.Exec(t, `
		INSERT INTO audit_entry (org_id, id, action, actor_type, actor_id, targets, request_id, user_agent, created_at)
		SELECT $1, overlay(`+early+`::text PLACING lpad(to_hex(2 * n), 12, '0') FROM 25)::uuid,
			'thing.update', 'system', 'test', '[]', 'r', 'u', portico_now() FROM generate_series(1, $2::integer) AS n`, l.org, entries)
	l.work(l.sequencer())
	l.whole(entries)
	for _, at := range []int{1, 2*chain.VerifyAtMost + 1, 2*entries + 1} {
		l.forge(fmt.Sprintf(`INSERT INTO audit_entry (org_id, id, action, actor_type, actor_id, targets, request_id, user_agent, created_at)
			VALUES (app_org(), overlay(`+early+`::text PLACING lpad(to_hex(%d), 12, '0') FROM 25)::uuid, 'a.b', 'system', 'x', '[]', '', '', now())`, at))
		if v := l.verify(1, last); v.Fault == nil || v.Fault.Kind != record.Inserted || v.Fault.Entry.IsZero() {
			t.Errorf("%d: %+v", at, v.Fault)
		}
		l.forge(`DELETE FROM audit_entry WHERE action = 'a.b'`)
	}
	l.whole(entries)
}

// No role of the application can change the chain or the salts.
func TestChainIsInsertOnly(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.write(3)
	l.work(l.sequencer())
	for role, tables := range map[string][]string{
		"portico_app": {"audit_entry", "audit_chain", "audit_head", "audit_unchained"}, "portico_worker": {"audit_entry", "audit_chain"},
	} {
		conn := l.Session(t, role)
		testkit.Exec(t, conn, `SELECT set_config('app.org_id', $1, false), set_config('app.erase_org', $1, false)`, l.org.UUID.String())
		for _, table := range tables {
			for _, sql := range []string{`UPDATE %s SET org_id = org_id`, `DELETE FROM %s`, `TRUNCATE %s`} {
				if _, err := conn.Exec(context.Background(), fmt.Sprintf(sql, table)); err == nil {
					t.Errorf("%s: "+sql+" was accepted", role, table)
				}
			}
		}
	}
	for _, sql := range []string{`UPDATE audit_chain SET number = number`, `DELETE FROM audit_chain`, `TRUNCATE audit_chain`} {
		if _, err := l.Admin.Exec(context.Background(), sql); err == nil {
			t.Errorf("a superuser: %s was accepted", sql)
		}
	}
	l.whole(3)
}

// A chain without entries is valid, and so are entries that still wait.
func TestEmptyChain(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	if v := l.verify(1, last); v.Fault != nil || v.Head != (chain.Head{}) || v.Verified != 0 {
		t.Errorf("%+v", v)
	}
	l.write(1) // it waits, which is no fault
	if v := l.verify(1, last); v.Fault != nil {
		t.Errorf("%+v", v.Fault)
	}
}
