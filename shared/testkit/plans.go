package testkit

import (
	"context"
	"testing"

	"portico/shared/pg"
)

// OneSession returns portico_worker's with a single session, which keeps its plans, as
// the session of a dispatcher does.
func (d *Database) OneSession(t testing.TB) *pg.Worker {
	t.Helper()
	w, err := pg.OpenWorker(context.Background(), d.URL("portico_worker"), 1)
	Must(t, err)
	t.Cleanup(w.Close)
	return w
}

// RowsRead returns how many rows and index entries of a table and its partitions all
// sessions have read. Postgres counts what a session has read some time after its
// transaction ends; for the session of w it does so now.
func (d *Database) RowsRead(t testing.TB, w *pg.Worker, table string) int64 {
	t.Helper()
	_, err := w.Exec(context.Background(), `SELECT pg_stat_force_next_flush()`)
	Must(t, err)
	return Value[int64](t, d, `
		WITH part AS (SELECT $1::regclass AS relid UNION SELECT relid FROM pg_partition_tree($1::regclass))
		SELECT ((SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables JOIN part USING (relid))
			+ (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes JOIN part USING (relid)))::bigint`, table)
}

// RowsReadBy returns how many rows and index entries of tables and their partitions the
// session of tx has read since it last reported to Postgres. The difference of two calls
// in one transaction counts nothing that other sessions read.
func RowsReadBy(t testing.TB, tx pg.Tx, tables ...string) (n int64) {
	t.Helper()
	err := tx.QueryRow(t.Context(), `
		WITH named AS (SELECT relid::regclass FROM unnest($1::text[]) relid),
			part AS (SELECT relid FROM named UNION SELECT tree.relid FROM named, pg_partition_tree(named.relid) tree),
			counted AS (SELECT relid FROM part UNION SELECT indexrelid FROM pg_index JOIN part ON indrelid = relid)
		SELECT sum(pg_stat_get_xact_tuples_returned(relid) + pg_stat_get_xact_tuples_fetched(relid))::bigint FROM counted`, tables).Scan(&n)
	Must(t, err)
	return n
}
