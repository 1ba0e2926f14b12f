// Package pg is the only way to Postgres. A DB connects as portico_app and runs
// only transactions bound to one organization; a Worker connects as
// portico_worker and works across organizations; an Identity connects as
// portico_identity and reaches the credentials of one user.
package pg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"portico/shared/cache"
	"portico/shared/id"
)

// DB runs transactions for organizations, each in the database where it lives.
type DB struct {
	// Signals are by name what happens around commits, see Raise. Set it before the
	// first transaction.
	Signals map[string]Signal

	pools    Databases[*pgxpool.Pool]
	sessions int32 // of each pool, at most

	// lastFound has the database in which an organization was last found, for
	// organizations that do not live at home. It may be out of date; then the
	// database asked names the right one.
	lastFound *cache.Cache[id.Org, string]
}

// Open returns a DB that connects when it is first used, so a function that needs
// no data opens no session. If url has no password, an IAM token is used.
func Open(ctx context.Context, url string) (*DB, error) {
	return OpenFor(ctx, url, 2) // a Lambda environment serves one request at a time
}

// OpenFor is Open with at most that many sessions for each database.
func OpenFor(ctx context.Context, url string, sessions int32) (*DB, error) {
	d := &DB{sessions: sessions, pools: Databases[*pgxpool.Pool]{}, lastFound: cache.New[id.Org, string](foundAtMost, 0)}
	return d, d.Add(ctx, Home, url)
}

// Add adds another database in which organizations may live.
func (d *DB) Add(ctx context.Context, name, url string) (err error) {
	d.pools[name], err = open(ctx, url, d.sessions)
	return err
}

// Close ends the sessions.
func (d *DB) Close() {
	for _, pool := range d.pools {
		pool.Close()
	}
}

// InOrg runs fn in a transaction bound to org and commits it unless fn fails.
// Begin and binding cost no round trip of their own. If the organization is
// moving to another database, InOrg waits until it has arrived.
func (d *DB) InOrg(ctx context.Context, org id.Org, fn func(Tx) error) error {
	err := d.InOrgThen(ctx, org, fn, nil)
	if errors.Is(err, ErrAgain) {
		err = d.InOrgAgain(ctx, org, fn, nil)
	}
	return err
}

// InOrgNow is InOrg for work on many organizations: if this one is moving, it does not
// wait but returns an error for which IsMoving is true.
func (d *DB) InOrgNow(ctx context.Context, org id.Org, fn func(Tx) error) error {
	err := d.run(ctx, &orgTx{db: d, org: org, now: true}, fn, nil)
	if errors.Is(err, ErrAgain) {
		err = d.run(ctx, &orgTx{db: d, org: org, now: true, again: true}, fn, nil)
	}
	return err
}

// InOrgThen is InOrg and also runs the statements of then after the commit, in
// its round trip. They are not bound to an organization, and each has a snapshot
// of its own, so they see everything that was committed before them. Their errors
// do not affect the transaction: if one fails, the callbacks are not called.
//
// ErrAgain means that nothing was written and that fn must run again, with
// InOrgAgain. The caller first takes back what else fn has done.
func (d *DB) InOrgThen(ctx context.Context, org id.Org, fn func(Tx) error, then *pgx.Batch) error {
	return d.run(ctx, &orgTx{db: d, org: org}, fn, then)
}

// InOrgAgain is InOrgThen after ErrAgain. It begins before fn runs, where the
// organization lives, and never returns ErrAgain.
func (d *DB) InOrgAgain(ctx context.Context, org id.Org, fn func(Tx) error, then *pgx.Batch) error {
	return d.run(ctx, &orgTx{db: d, org: org, again: true}, fn, then)
}

// PlatformThen is InOrgThen for the platform's own rows, which have the organization
// of zeros, in the home database. It is for staff only.
func (d *DB) PlatformThen(ctx context.Context, fn func(Tx) error, then *pgx.Batch) error {
	return d.run(ctx, &orgTx{db: d, platform: true}, fn, then)
}

// PlatformAgain is PlatformThen after ErrAgain.
func (d *DB) PlatformAgain(ctx context.Context, fn func(Tx) error, then *pgx.Batch) error {
	return d.run(ctx, &orgTx{db: d, platform: true, again: true}, fn, then)
}

// PlatformIn runs fn in a transaction on the platform's own rows in one database.
func (d *DB) PlatformIn(ctx context.Context, database string, fn func(Tx) error) error {
	if _, err := d.pools.At(database); err != nil {
		return fmt.Errorf("pg.PlatformIn: %w", err)
	}
	return d.run(ctx, &orgTx{db: d, platform: true, anyDatabase: true, database: database}, fn, nil)
}

func (d *DB) run(ctx context.Context, tx *orgTx, fn func(Tx) error, then *pgx.Batch) error {
	if tx.org.IsZero() != (tx.platform || !tx.user.IsZero()) {
		return errors.New("pg.InOrg: no organization")
	}
	defer func() {
		if tx.conn != nil {
			tx.conn.Release() // closes a session that is still in a transaction
		}
	}()
	if err := fn(tx); err != nil {
		if tx.conn != nil {
			rollback(ctx, tx.conn)
		}
		return err
	}
	if tx.conn == nil && len(tx.last.QueuedQueries) > 0 && len(tx.locking) == 0 && len(tx.signals) == 0 && !tx.again {
		return tx.whole(ctx, then)
	}
	return tx.end(ctx, then)
}

// rollback keeps the session for the next transaction if it can.
func rollback(ctx context.Context, conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, _ = conn.Exec(ctx, "rollback") // if it fails, Release closes the session
}

// Shared reads the few tables without a tenant wall, in the home database. Its
// sessions are bound to no organization, so every table behind the wall raises an
// error.
func (d *DB) Shared() Querier { return d.pools[Home] }

// Querier runs single statements.
type Querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Worker runs statements across organizations, on the tables that portico_worker
// may use.
type Worker struct{ *pgxpool.Pool }

// OpenWorker returns a Worker of at most sessions connections, opened when first used.
func OpenWorker(ctx context.Context, url string, sessions int32) (*Worker, error) {
	pool, err := open(ctx, url, sessions)
	return &Worker{Pool: pool}, err
}

const (
	// SessionLife is how long a session is used at most. So, after a failover or
	// a change of DNS, every session leads to the right server after that time.
	SessionLife = 10 * time.Minute
	// connectAtMost bounds the time to connect if the URL has no connect_timeout.
	connectAtMost = 10 * time.Second
)

func open(ctx context.Context, url string, sessions int32) (*pgxpool.Pool, error) {
	config, err := poolConfig(url, sessions)
	if err != nil {
		return nil, err
	}
	return openPool(ctx, config)
}

func openPool(ctx context.Context, config *pgxpool.Config) (pool *pgxpool.Pool, err error) {
	keeps := config.ConnConfig.OnPgError
	config.ConnConfig.OnPgError = func(conn *pgconn.PgConn, state *pgconn.PgError) bool {
		if state.Code == readOnly {
			pool.Reset() // the other sessions are connected to the same server
			return false
		}
		return keeps(conn, state)
	}
	pool, err = pgxpool.NewWithConfig(ctx, config)
	return pool, err
}

func poolConfig(url string, sessions int32) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL cannot be used: %w", err)
	}
	config.MaxConns = sessions
	config.MinConns = 0
	config.MaxConnIdleTime = 5 * time.Minute
	config.MaxConnLifetimeJitter = SessionLife / 10
	config.MaxConnLifetime = SessionLife - config.MaxConnLifetimeJitter
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectAtMost
	}
	if config.ConnConfig.Password == "" {
		config.BeforeConnect = iamToken
	}
	config.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	return config, trustRDS(&config.ConnConfig.Config)
}
