package pg

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrAgain is returned when a transaction has written nothing, because it relied on
// cached data that is out of date, or because the organization lives in another
// database.
var ErrAgain = errors.New("pg: the transaction has written nothing and must run again")

// isStale is raised when cached data is out of date:
// infra/migrations/00006_subscriptions.sql.
const isStale = "PTSTL"

// end sends the last statements, COMMIT and then.
func (t *orgTx) end(ctx context.Context, then *pgx.Batch) error {
	if t.conn == nil {
		if err := t.beginEmpty(ctx); err != nil {
			return err
		}
	}
	if err := t.db.before(ctx, t.database, t.signals); err != nil {
		rollback(ctx, t.conn)
		return err
	}
	batch := &pgx.Batch{}
	t.queueEnd(batch, then)
	after := t.db.then(batch, t.signals)
	results := t.conn.SendBatch(ctx, batch)
	err := t.readEnd(results)
	_ = results.Close() // errors of then do not affect the transaction
	switch {
	case err == nil:
		for _, f := range after {
			f(ctx, t.database)
		}
		return nil
	case !t.conn.Conn().IsClosed():
		rollback(ctx, t.conn)
	}
	if hasState(err, isStale) {
		return fmt.Errorf("%w: %w", ErrAgain, err)
	}
	return fmt.Errorf("pg: commit: %w", err)
}

// beginEmpty begins without a statement.
func (t *orgTx) beginEmpty(ctx context.Context) error {
	if err := t.SendBatch(ctx, &pgx.Batch{}).Close(); err != nil {
		return fmt.Errorf("pg: begin: %w", err)
	}
	return nil
}

func (t *orgTx) queueEnd(batch, then *pgx.Batch) {
	queueAnew(batch, &t.last)
	for _, l := range t.locking {
		queueAnew(batch, l.batch)
	}
	batch.Queue("commit")
	if then != nil {
		queueAnew(batch, then)
	}
}

// readEnd reads the results of the last statements and of COMMIT.
func (t *orgTx) readEnd(results pgx.BatchResults) error {
	count := len(t.last.QueuedQueries)
	for _, l := range t.locking {
		count += len(l.batch.QueuedQueries)
	}
	for range count {
		if _, err := results.Exec(); err != nil {
			return err
		}
	}
	tag, err := results.Exec()
	if err == nil && tag.String() == "ROLLBACK" {
		err = pgx.ErrTxCommitRollback // fn ignored the error of a statement
	}
	return err
}

// whole sends the whole transaction in one round trip. If the session is lost, it
// is unknown whether the transaction has committed. So it is sent once more: a
// unique violation then shows that it had.
func (t *orgTx) whole(ctx context.Context, then *pgx.Batch) error {
	t.database = t.db.LastFound(t.org)
	err := t.sendWhole(ctx, then)
	if err == nil {
		return nil
	}
	if !lostSession(err) {
		return t.asAgain(err)
	}
	t.db.pools[t.database].Reset()
	second := t.sendWhole(ctx, then)
	var connect *pgconn.ConnectError
	neverSent := pgconn.SafeToRetry(err) || errors.As(err, &connect) || errors.Is(err, errReadOnly) || hasState(err, readOnly)
	switch {
	case second == nil, IsUniqueViolation(second):
		return nil
	case neverSent, hasState(second, isStale): // is checked after the insert: the first has not committed
		return t.asAgain(second)
	}
	return fmt.Errorf("pg: commit: %w", err)
}

func (t *orgTx) sendWhole(ctx context.Context, then *pgx.Batch) error {
	conn, err := t.db.pools[t.database].Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release() // closes a session that is still in a transaction
	batch := t.opening()
	t.queueEnd(batch, then)
	results := conn.SendBatch(ctx, batch)
	if err = readOpening(results); err == nil {
		err = t.readEnd(results)
	}
	_ = results.Close() // errors of then do not affect the transaction
	if err != nil && !conn.Conn().IsClosed() {
		rollback(ctx, conn)
	}
	return err
}

// asAgain returns ErrAgain for an error that came before the commit, and for a
// reason that running the transaction again removes. It also learns in which
// database the organization lives.
func (t *orgTx) asAgain(err error) error {
	var state *pgconn.PgError
	if !errors.As(err, &state) || !slices.Contains([]string{isStale, isMoved, hasLeft}, state.Code) {
		return fmt.Errorf("pg: commit: %w", err)
	}
	if state.Code == hasLeft && t.db.pools[state.Detail] != nil {
		t.db.learn(t.org, state.Detail)
	}
	return fmt.Errorf("%w: %w", ErrAgain, err)
}
