// Package pg is the only way to Postgres. A DB belongs to portico_app and runs
// nothing but transactions bound to one organization; a Worker belongs to
// portico_worker and works across organizations.
package pg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"portico/shared/id"
)

// Tx is a transaction. A Tx from InOrg sees and writes rows of one
// organization only.
type Tx = pgx.Tx

// DB runs transactions for organizations.
type DB struct{ pool *pgxpool.Pool }

// Open returns a DB that connects when first used, so a function that is never
// asked for data opens no session. A url without password takes an IAM token.
func Open(ctx context.Context, url string) (*DB, error) {
	// A Lambda environment serves one request at a time.
	pool, err := open(ctx, url, 2)
	return &DB{pool: pool}, err
}

// Close ends the sessions.
func (d *DB) Close() { d.pool.Close() }

// InOrg runs fn in a transaction bound to org and commits it unless fn fails.
// Begin and binding share one round trip.
func (d *DB) InOrg(ctx context.Context, org id.Org, fn func(Tx) error) error {
	if org.IsZero() {
		return errors.New("pg.InOrg: no organization")
	}
	// org renders as 36 characters of hex and dashes, so it cannot inject.
	begin := "begin; select set_config('app.org_id', '" + org.UUID.String() + "', true)"
	tx, err := beginTx(ctx, d.pool, pgx.TxOptions{BeginQuery: begin})
	if err != nil {
		return fmt.Errorf("pg: begin: %w", err)
	}
	defer func() { _ = tx.Rollback(ctx) }() // after Commit it does nothing
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("pg: commit: %w", err)
	}
	return nil
}

// beginTx tries again once when the session had died since its last use and
// nothing was sent on it: after a failover a pool is full of such sessions.
func beginTx(ctx context.Context, pool *pgxpool.Pool, options pgx.TxOptions) (pgx.Tx, error) {
	tx, err := pool.BeginTx(ctx, options)
	if err == nil || !lostSession(err) {
		return tx, err
	}
	pool.Reset()
	return pool.BeginTx(ctx, options)
}

// Shared is what the few tables outside the wall are read through: a bare pool
// session of portico_app, on which every walled table raises.
func (d *DB) Shared() Querier { return d.pool }

// Querier runs single statements.
type Querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Worker runs statements across organizations, on the tables opened to
// portico_worker.
type Worker struct{ *pgxpool.Pool }

// OpenWorker returns a Worker of at most sessions connections, opened when first used.
func OpenWorker(ctx context.Context, url string, sessions int32) (*Worker, error) {
	pool, err := open(ctx, url, sessions)
	return &Worker{Pool: pool}, err
}

func open(ctx context.Context, url string, sessions int32) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL cannot be read: %w", err)
	}
	config.MaxConns = sessions
	config.MinConns = 0
	config.MaxConnIdleTime = 5 * time.Minute
	config.ConnConfig.ConnectTimeout = 10 * time.Second
	if config.ConnConfig.Password == "" {
		config.BeforeConnect = iamToken
	}
	return pgxpool.NewWithConfig(ctx, config)
}
