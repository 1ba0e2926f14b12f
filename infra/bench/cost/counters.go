package cost

import (
	"context"
	"fmt"
	"time"
)

// countersSQL reads the statistics. RowEntries is how many index entries the row
// counts suggest: a new row, and a new version of a row that is not a HOT update,
// needs one in each index of its partition. It is an upper bound, because a row
// has no entry in a partial index whose condition it does not meet; Entries is
// exact.
const countersSQL = `
	SELECT d.blks_hit::float8, d.blks_read::float8, (d.xact_commit + d.xact_rollback)::float8, (
		SELECT sum((n_tup_ins + n_tup_upd - n_tup_hot_upd) * (SELECT count(*) FROM pg_index WHERE indrelid = relid))::float8
		FROM pg_stat_user_tables)
	FROM pg_stat_database d WHERE d.datname = current_database()`

// flushed is how long a session must have been idle until its statistics are
// published: Postgres does it ten seconds after the last transaction at the
// latest.
const flushed = 11 * time.Second

// Counters waits until all sessions have published their statistics, and returns
// them. No dispatcher is awake then.
func (m *Meter) Counters(ctx context.Context) (w Work, err error) {
	for begin := time.Now(); ; {
		var seconds float64
		if err := m.conn.QueryRow(ctx, `
			SELECT coalesce(min(CASE WHEN state = 'idle' THEN extract(epoch FROM clock_timestamp() - state_change) ELSE 0 END), 3600)::float8
			FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`).Scan(&seconds); err != nil {
			return w, err
		}
		idle := time.Duration(seconds * float64(time.Second))
		if idle >= flushed {
			break
		}
		if time.Since(begin) > 5*time.Minute {
			return w, fmt.Errorf("sessions of Postgres have not been idle for %s in five minutes, so its statistics are incomplete: look for the session in pg_stat_activity", flushed)
		}
		select {
		case <-ctx.Done():
			return w, ctx.Err()
		case <-time.After(flushed - idle):
		}
	}
	err = m.conn.QueryRow(ctx, countersSQL).Scan(&w[Hit], &w[Read], &w[Transactions], &w[RowEntries])
	return w, err
}
