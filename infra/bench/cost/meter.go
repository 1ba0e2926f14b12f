package cost

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Meter measures the processes below one process, and Postgres through an
// administrator's session.
type Meter struct {
	root int
	conn *pgx.Conn
}

// Open needs pg_walinspect, which belongs to every full installation of
// Postgres.
func Open(ctx context.Context, url string, root int) (*Meter, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, `CREATE EXTENSION IF NOT EXISTS pg_walinspect`); err != nil {
		_ = conn.Close(ctx)
		return nil, fmt.Errorf("the bench reads the WAL with the extension pg_walinspect: install Postgres's contrib modules (on Debian: apt-get install postgresql-contrib): %w", err)
	}
	return &Meter{root, conn}, nil
}

// Close ends the session.
func (m *Meter) Close() { _ = m.conn.Close(context.Background()) }

// Mark is the beginning of some work.
type Mark struct {
	root  int
	begin time.Time
	cpu   Work
	lsn   string
	Took  time.Duration
	used  Work
}

// slot keeps the WAL of the work until it is read, whatever checkpoints happen.
const slot = "bench"

// Begin begins to measure.
func (m *Meter) Begin(ctx context.Context) (*Mark, error) {
	if _, err := m.conn.Exec(ctx, `SELECT pg_create_physical_replication_slot($1, true, true)`, slot); err != nil {
		return nil, err
	}
	k := &Mark{root: m.root}
	if err := m.conn.QueryRow(ctx, `SELECT pg_current_wal_insert_lsn()::text`).Scan(&k.lsn); err != nil {
		return nil, err
	}
	k.cpu, k.begin = cpuNow(m.root), time.Now()
	return k, nil
}

// Stop ends the time and the CPU time of the work.
func (k *Mark) Stop() {
	k.Took = time.Since(k.begin)
	k.used = cpuNow(k.root).Plus(k.cpu, -1)
}

// Finish returns the work with all that was written to the WAL until now.
func (m *Meter) Finish(ctx context.Context, k *Mark) (Work, error) {
	var end string
	if err := m.conn.QueryRow(ctx, `SELECT pg_current_wal_insert_lsn()::text`).Scan(&end); err != nil {
		return Work{}, err
	}
	// A commit that waits for the disk writes everything before it.
	if _, err := m.conn.Exec(ctx, `SELECT pg_logical_emit_message(true, 'bench', '')`); err != nil {
		return Work{}, err
	}
	rows, err := m.conn.Query(ctx, `
		SELECT "resource_manager/record_type", count::float8, fpi_size::float8, ($2::text::pg_lsn - $1::text::pg_lsn)::float8
		FROM pg_get_wal_stats($1::text::pg_lsn, $2::text::pg_lsn, true)`, k.lsn, end)
	if err != nil {
		return Work{}, err
	}
	var list []walKind
	var bytes float64
	for rows.Next() {
		var w walKind
		if err := rows.Scan(&w.name, &w.count, &w.images, &bytes); err != nil {
			return Work{}, err
		}
		list = append(list, w)
	}
	if rows.Err() != nil {
		return Work{}, rows.Err()
	}
	if _, err := m.conn.Exec(ctx, `SELECT pg_drop_replication_slot($1)`, slot); err != nil {
		return Work{}, err
	}
	return k.used.Plus(walWork(list, bytes), 1), nil
}

// walKind is a kind of WAL record.
type walKind struct {
	name          string
	count, images float64 // images: bytes
}

// walWork adds up the records of a stretch of the WAL. An insertion that splits
// a page of an index is part of the record of the split.
func walWork(list []walKind, bytes float64) (w Work) {
	w[Bytes] = bytes
	for _, k := range list {
		w[Records] += k.count
		w[Images] += k.images
		w[Bytes] -= k.images
		switch k.name {
		case "Btree/INSERT_LEAF", "Btree/INSERT_POST", "Btree/SPLIT_L", "Btree/SPLIT_R":
			w[Entries] += k.count
		case "Heap/UPDATE", "Heap/UPDATE+INIT", "Heap/HOT_UPDATE", "Heap/HOT_UPDATE+INIT":
			w[Updates] += k.count
		case "Transaction/COMMIT":
			w[Commits] += k.count
		case "Transaction/ABORT":
			w[Aborts] += k.count
		}
	}
	return w
}
