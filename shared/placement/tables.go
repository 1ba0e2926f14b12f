package placement

import (
	"context"
	"errors"
	"slices"
	"strings"

	"portico/shared/pg"

	"github.com/jackc/pgx/v5"
)

// table is a table whose rows are moved.
type table struct {
	Name    string
	Columns []string
	Key     []string // columns of the primary key, in order
	where   string   // the condition that selects the organization's rows
	ahead   bool     // copied while writers still write to it
	users   bool     // its rows may belong to other organizations too
}

func (t table) key() string { return strings.Join(t.Key, ", ") }

// order is the primary key without the organization, which is the same in all
// rows: only a comparison without it uses the index to start at a given row.
func (t table) order() []string {
	if t.Key[0] == "org_id" && len(t.Key) > 1 {
		return t.Key[1:]
	}
	return t.Key
}

func (t table) orderBy() string { return strings.Join(t.order(), ", ") }

// ahead are the large tables, and those that they refer to: rows are added, few of
// them change, and only expired ones are deleted. All other tables are small.
var ahead = []string{
	"organization", "event", "webhook_delivery", "webhook_attempt", "audit_entry", "audit_target", "audit_head", "audit_chain", "idempotency_key", "job_log",
}

// listTables reads the tables with an organization's rows from the catalogue, so
// that no table is forgotten. A table comes before the tables that refer to it.
func (v *move) listTables(ctx context.Context) ([]table, error) {
	list, err := pg.List[table](ctx, v.from, "placement.listTables", `
		WITH RECURSIVE moved (oid, depth) AS (
			SELECT polrelid, 0 FROM pg_policy WHERE polname = 'erase' AND polrelid <> 'placement'::regclass
			UNION ALL
			SELECT 'user_account'::regclass, 0
			UNION
			SELECT k.conrelid, moved.depth + 1 FROM moved
			JOIN pg_constraint k ON k.confrelid = moved.oid AND k.contype = 'f' AND k.conparentid = 0
			WHERE moved.depth < 20 AND EXISTS (SELECT FROM pg_policy WHERE polrelid = k.conrelid AND polname = 'erase')) -- credentials stay at home
		SELECT oid::regclass::text,
			(SELECT array_agg(quote_ident(attname) ORDER BY attnum) FROM pg_attribute
				WHERE attrelid = oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''),
			(SELECT array_agg(quote_ident(attname) ORDER BY k.n) FROM pg_index i
				CROSS JOIN unnest(i.indkey) WITH ORDINALITY k (attnum, n) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
				WHERE i.indrelid = oid AND i.indisprimary)
		FROM moved GROUP BY oid ORDER BY max(depth), oid`)
	for i := range list {
		t := &list[i]
		t.where, t.ahead = "org_id = (SELECT app_org())", slices.Contains(ahead, t.Name)
		switch t.Name {
		case "organization":
			t.where = "id = (SELECT app_org())"
		case "user_account":
			t.where, t.users = "id IN (SELECT user_id FROM member WHERE org_id = (SELECT app_org()))", true
		}
	}
	return list, err
}

// ScanRow reads what listTables selects.
func (t *table) ScanRow(row pgx.Rows) error { return row.Scan(&t.Name, &t.Columns, &t.Key) }

// horizon returns the oldest transaction that is still running: rows written by
// it or by later ones may be missing in a copy that is made from now on.
func (v *move) horizon(ctx context.Context) (xid uint32, err error) {
	err = v.from.QueryRow(ctx, `SELECT pg_snapshot_xmin(pg_current_snapshot())::xid`).Scan(&xid)
	return xid, err
}

// sameSchema returns an error if the two databases have different schema
// versions.
func (v *move) sameSchema(ctx context.Context) error {
	const version = `SELECT max(version_id) FROM goose_db_version WHERE is_applied`
	var here, there int64
	if err := v.from.QueryRow(ctx, version).Scan(&there); err != nil {
		return err
	}
	if err := v.to.QueryRow(ctx, version).Scan(&here); err != nil {
		return err
	}
	if here != there {
		return errors.New("the two databases have different schemas: invoke the migrate function first")
	}
	return nil
}
