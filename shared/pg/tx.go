package pg

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"portico/shared/id"
)

// Tx is a transaction of one organization: it reads and writes the rows of this
// organization only.
type Tx interface {
	Querier
	SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults
}

// orgTx is the Tx of InOrg. BEGIN and the binding to the organization are sent
// together with the first statement.
type orgTx struct {
	db          *DB
	org         id.Org
	user        id.User   // see Identity.AsUser; then there is no organization
	last        pgx.Batch // statements for the commit's round trip
	locking     []locking // those that come after them
	signals     map[string][]string
	again       bool          // see IsAgain
	now         bool          // see InOrgNow
	platform    bool          // see PlatformThen
	anyDatabase bool          // run in database even if the organization does not live there
	database    string        // in which it runs; "": not known yet
	conn        *pgxpool.Conn // nil until the first statement
}

// DatabaseOf returns the database in which a transaction of InOrg runs; "" before
// its first statement.
func DatabaseOf(tx Tx) string { return tx.(*orgTx).database }

// AtCommit adds statements that run last, in the round trip of the commit; their
// errors are returned as the commit's. A transaction without other statements is
// a single round trip. If its session is lost, the transaction is sent a second
// time, so one of the statements must insert a row with a new id: then the second
// fails with a unique violation if the first has committed. In a transaction that
// InOrg did not begin, the statements run at once.
func AtCommit(ctx context.Context, tx Tx, batch *pgx.Batch) error {
	t, ok := tx.(*orgTx)
	if !ok {
		return tx.SendBatch(ctx, batch).Close()
	}
	t.last.QueuedQueries = append(t.last.QueuedQueries, batch.QueuedQueries...)
	return nil
}

// locking are statements that lock rows which other transactions lock too.
type locking struct {
	key   string
	batch *pgx.Batch
}

// AtCommitInOrder adds statements that run after those of AtCommit, in the order
// of their keys. Use it for statements that lock a row by a key until the commit:
// the lock is short, and two transactions take their locks in the same order. The
// statements are never sent a second time. In a transaction that InOrg did not
// begin, they run at once.
func AtCommitInOrder(ctx context.Context, tx Tx, key string, batch *pgx.Batch) error {
	t, ok := tx.(*orgTx)
	if !ok {
		return tx.SendBatch(ctx, batch).Close()
	}
	at, _ := slices.BinarySearchFunc(t.locking, key, func(l locking, key string) int {
		return cmp.Or(strings.Compare(l.key, key), -1) // behind those with the same key
	})
	t.locking = slices.Insert(t.locking, at, locking{key, batch})
	return nil
}

// IsAgain reports whether the transaction runs again after ErrAgain, so that
// nothing from a cache may be used.
func IsAgain(tx Tx) bool {
	t, ok := tx.(*orgTx)
	return ok && t.again
}

// OnPlatform runs fn on the platform's own rows, which are in the home database. If a
// transaction of InOrg runs there, fn is a part of it. Otherwise fn has a transaction of
// its own, which commits before this one: so what fn writes may speak of a change that
// then fails, but no change is without it. Call it last. An error must end the
// transaction.
func OnPlatform(ctx context.Context, tx Tx, fn func(Tx) error) error {
	t, ok := tx.(*orgTx)
	switch {
	case !ok || t.database == "":
		return errors.New("pg.OnPlatform: not in a transaction of InOrg that has begun")
	case t.database != Home:
		return t.db.PlatformIn(ctx, Home, fn)
	}
	if err := t.bind(ctx, id.Org{}); err != nil {
		return err
	}
	if err := fn(t); err != nil {
		return err
	}
	return t.bind(ctx, t.org)
}

// bind binds the transaction to another organization.
func (t *orgTx) bind(ctx context.Context, org id.Org) error {
	return Exec(ctx, t, "pg.OnPlatform", `SELECT bind_organization($1, true)`, [16]byte(org.UUID))
}

// SendBatch runs statements in one round trip.
func (t *orgTx) SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults {
	if t.conn != nil {
		return t.conn.SendBatch(ctx, batch)
	}
	results, err := t.find(ctx, batch)
	if err != nil {
		return failed{err: err}
	}
	return results
}

// beginAnew begins the transaction. If the session has ended or become read-only
// since its last use, it tries a new session; nothing has been executed yet, so
// this is safe. After a failover all sessions of a pool are like that.
func (t *orgTx) beginAnew(ctx context.Context, batch *pgx.Batch) (pgx.BatchResults, error) {
	results, err := t.begin(ctx, batch)
	if err != nil && lostSession(err) {
		t.db.pools[t.database].Reset()
		results, err = t.begin(ctx, batch)
	}
	return results, err
}

// begin sends BEGIN, the binding and the batch.
func (t *orgTx) begin(ctx context.Context, batch *pgx.Batch) (pgx.BatchResults, error) {
	conn, err := t.db.pools[t.database].Acquire(ctx)
	if err != nil {
		return nil, err
	}
	opening := t.opening()
	queueAnew(opening, batch)
	results := conn.SendBatch(ctx, opening)
	if err := readOpening(results); err != nil {
		_ = results.Close() // the same error
		conn.Release()
		return nil, err
	}
	t.conn = conn
	return results, nil
}

func (t *orgTx) opening() *pgx.Batch {
	opening := &pgx.Batch{}
	opening.Queue("begin")
	if !t.user.IsZero() {
		opening.Queue("select set_config('app.user_id', $1, true), current_setting('transaction_read_only')::boolean", t.user.UUID.String())
		return opening
	}
	opening.Queue("select bind_organization($1, $2), current_setting('transaction_read_only')::boolean", [16]byte(t.org.UUID), t.anyDatabase)
	return opening
}

// queueAnew copies the statements of a batch, because a query that was sent is
// tied to the session that prepared it.
func queueAnew(to, batch *pgx.Batch) {
	for _, q := range batch.QueuedQueries {
		to.Queue(q.SQL, q.Arguments...).Fn = q.Fn
	}
}

// readOpening reads the results of BEGIN and the binding. After a failover a kept
// session may be connected to a server that is no longer the writer.
func readOpening(results pgx.BatchResults) error {
	if _, err := results.Exec(); err != nil {
		return err
	}
	var isReadOnly bool
	if err := results.QueryRow().Scan(nil, &isReadOnly); err != nil {
		return err
	}
	if isReadOnly {
		return errReadOnly
	}
	return nil
}

// Exec runs a statement.
func (t *orgTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if t.conn != nil {
		return t.conn.Exec(ctx, sql, args...)
	}
	results := t.first(ctx, sql, args)
	tag, err := results.Exec()
	if closing := results.Close(); err == nil {
		err = closing
	}
	return tag, err
}

// Query runs a statement that returns rows.
func (t *orgTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if t.conn != nil {
		return t.conn.Query(ctx, sql, args...)
	}
	results := t.first(ctx, sql, args)
	rows, err := results.Query()
	if err != nil {
		_ = results.Close() // the same error
		return rows, err
	}
	return &firstRows{Rows: rows, results: results}, nil
}

// QueryRow runs a statement that returns one row.
func (t *orgTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, err := t.Query(ctx, sql, args...)
	return row{rows, err}
}

func (t *orgTx) first(ctx context.Context, sql string, args []any) pgx.BatchResults {
	var batch pgx.Batch
	batch.Queue(sql, args...)
	return t.SendBatch(ctx, &batch)
}

// firstRows are the rows of a transaction's first statement. Closing them also
// closes the batch, so that the session is free for the next statement.
type firstRows struct {
	pgx.Rows
	results pgx.BatchResults
}

// Next closes the rows after the last one.
func (r *firstRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

// Close may be called any number of times.
func (r *firstRows) Close() {
	r.Rows.Close()
	_ = r.results.Close() // the error is in Err
}

// row is the first row of a result.
type row struct {
	rows pgx.Rows
	err  error
}

// Scan reads the row or returns pgx.ErrNoRows.
func (r row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}

// failed is the result of a batch that could not be sent.
type failed struct {
	pgx.BatchResults // nil: only the methods below may be called
	err              error
}

func (f failed) Exec() (pgconn.CommandTag, error) { return pgconn.CommandTag{}, f.err }
func (f failed) Query() (pgx.Rows, error)         { return nil, f.err }
func (f failed) QueryRow() pgx.Row                { return row{err: f.err} }
func (f failed) Close() error                     { return f.err }
