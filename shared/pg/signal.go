package pg

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Signal is what happens around the commit of transactions that have called Raise
// with its name.
type Signal struct {
	// Before runs before the commit. Its error ends the transaction.
	Before func(ctx context.Context, database string) error
	// Then adds statements that run after the commit, in its round trip, see InOrgThen.
	// details are those of Raise. The function that it returns runs last.
	Then func(then *pgx.Batch, details []string) (after func(ctx context.Context, database string))
}

// Raise says that the transaction has done something that others wait for, with a
// detail such as what it was. See DB.Signals. In a transaction that neither InOrg nor
// InAll began nothing happens.
func Raise(tx Tx, signal, detail string) {
	switch t := tx.(type) {
	case *orgTx:
		t.signals = t.db.raise(t.signals, signal, detail)
	case *workerTx:
		t.signals = t.db.raise(t.signals, signal, detail)
	}
}

// raise adds a detail to the signals of a transaction.
func (d *DB) raise(signals map[string][]string, name, detail string) map[string][]string {
	if d.Signals[name].Then == nil {
		return signals
	}
	if signals == nil {
		signals = map[string][]string{}
	}
	if !slices.Contains(signals[name], detail) {
		signals[name] = append(signals[name], detail)
	}
	return signals
}

// before runs what signals have to do before the commit.
func (d *DB) before(ctx context.Context, database string, signals map[string][]string) error {
	for name := range signals {
		if err := d.Signals[name].Before(ctx, database); err != nil {
			return fmt.Errorf("pg: before the commit: %w", err)
		}
	}
	return nil
}

// then adds the statements of signals, and returns what they do at the end.
func (d *DB) then(batch *pgx.Batch, signals map[string][]string) (after []func(context.Context, string)) {
	for name, details := range signals {
		after = append(after, d.Signals[name].Then(batch, details))
	}
	return after
}

// workerTx is the Tx of InAll.
type workerTx struct {
	pgx.Tx
	db      *DB
	signals map[string][]string
}

// InAll runs fn in a transaction of portico_worker, which works across the
// organizations of a database, and commits it unless fn fails. The signals that it
// raises are those of d.
func (d *DB) InAll(ctx context.Context, worker *Worker, database string, fn func(Tx) error) error {
	t := &workerTx{db: d}
	err := pgx.BeginFunc(ctx, worker, func(tx pgx.Tx) error {
		t.Tx = tx
		if err := fn(t); err != nil {
			return err
		}
		return d.before(ctx, database, t.signals)
	})
	if err != nil || len(t.signals) == 0 {
		return err
	}
	var then pgx.Batch
	after := d.then(&then, t.signals)
	_ = worker.SendBatch(ctx, &then).Close() // its errors do not affect the transaction
	for _, f := range after {
		f(ctx, database)
	}
	return nil
}
