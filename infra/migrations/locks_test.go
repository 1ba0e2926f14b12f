package migrations_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"portico/infra/migrations"
	"portico/shared/event"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// read leaves a transaction open that has read tables.
func read(t *testing.T, conn *pgx.Conn, tables ...string) pgx.Tx {
	t.Helper()
	ctx := context.Background()
	tx, err := conn.Begin(ctx)
	if err == nil {
		_, err = tx.Exec(ctx, `LOCK TABLE `+strings.Join(tables, ", ")+` IN ACCESS SHARE MODE`)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// New partitions do not wait for readers, so publishing does not wait for them.
func TestNewPartitionsStopNobody(t *testing.T) {
	t.Parallel()
	d := testkit.DB(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // blocked, it would be for ever
	defer cancel()
	org := d.NewOrg(t)
	d.Advance(t, 100*24*time.Hour)
	read(t, d.Admin, partitioned...)
	var made int
	if err := d.Worker.QueryRow(ctx, `SELECT make_partitions()`).Scan(&made); err != nil || made < 6 {
		t.Fatalf("with readers, %d partitions are made: %v", made, err)
	}
	err := d.App.InOrg(ctx, org, func(tx pg.Tx) error {
		_, _, err := event.Publish(ctx, tx, org, []event.Draft{{Type: "invoice.paid", Data: []byte(`{}`)}}, d.Clock.Now())
		return err
	})
	if err != nil {
		t.Errorf("publishing: %v", err)
	}
}

// asMade describes a table without its name and bounds, one line each.
const asMade = `
	SELECT format('table %s %s %s %s %s', c.relowner::regrole, c.relacl, c.relrowsecurity, c.relforcerowsecurity, c.relpersistence) FROM pg_class c WHERE oid = $1::regclass
	UNION ALL SELECT format('column %s %s %s %s %s %s %s %s', attname, atttypid::regtype, attnotnull, attislocal, attinhcount, attstorage, attacl,
		pg_get_expr(d.adbin, d.adrelid)) FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = attrelid AND d.adnum = attnum WHERE attrelid = $1::regclass AND attnum > 0
	UNION ALL SELECT format('constraint %s %s %s %s', conislocal, coninhcount, conparentid, pg_get_constraintdef(oid)) FROM pg_constraint WHERE conrelid = $1::regclass AND contype <> 'p'
	UNION ALL SELECT format('index %s %s %s %s %s', inhparent::regclass, indisunique, indisprimary, indisvalid, replace(pg_get_indexdef(indexrelid), $2, ''))
		FROM pg_index LEFT JOIN pg_inherits ON inhrelid = indexrelid WHERE indrelid = $1::regclass
	UNION ALL SELECT format('policy %s', polname) FROM pg_policy WHERE polrelid = $1::regclass
	UNION ALL SELECT format('trigger %s', CASE WHEN tgisinternal THEN rtrim(tgname, '0123456789') ELSE tgname END) FROM pg_trigger WHERE tgrelid = $1::regclass
	ORDER BY 1`

// A partition that was attached has the same properties as one that was created
// in place.
func TestPartitionsAreAsCreatedInPlace(t *testing.T) {
	t.Parallel()
	d, ctx := testkit.DB(t), context.Background()
	for _, table := range partitioned {
		attached, inPlace := table+"_1999_01", table+"_1998_01"
		d.Exec(t, `
			SET ROLE portico_owner;
			SELECT make_partitions('1999-01-01');
			CREATE TABLE `+inPlace+` PARTITION OF `+table+` FOR VALUES FROM (uuid_floor('1998-01-01')) TO (uuid_floor('1998-02-01'));
			ALTER TABLE `+inPlace+` ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
			RESET ROLE`)
		describe := func(name string) []string {
			rows, _ := d.Admin.Query(ctx, asMade, name, name)
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil || len(lines) < 6 {
				t.Fatalf("%s: %v %v", name, lines, err)
			}
			return lines
		}
		if diff := cmp.Diff(describe(inPlace), describe(attached)); diff != "" {
			t.Errorf("-in place +attached:\n%s", diff)
		}
	}
}

// A migration that must lock a table lets others use it while it waits for a
// reader to end.
func TestMigrationLetsOthersIn(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // blocked, it would be for ever
	defer cancel()
	config, password := testkit.Empty(t)
	testkit.LockRoles(t)
	testkit.Must(t, migrations.Apply(ctx, config, password))
	reader, other := testkit.Session(t, config), testkit.Session(t, config)
	testkit.Exec(t, reader, `SET ROLE portico_owner`)
	testkit.Exec(t, other, `SET ROLE portico_owner`)
	tx := read(t, reader, "organization")
	applied := make(chan error, 1)
	go func() { applied <- migrations.ApplyLater(ctx, config, `ALTER TABLE organization ADD later text`) }()
	testkit.Await(t, "the migration to wait", func() bool {
		var waits bool
		err := other.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'organization'::regclass AND NOT granted)`).Scan(&waits)
		return err == nil && waits
	})
	if _, err := other.Exec(ctx, `SELECT FROM organization`); err != nil {
		t.Errorf("while the migration waits: %v", err)
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-applied; err != nil {
		t.Error(err)
	}
}
