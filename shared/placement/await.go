package placement

import (
	"context"
	"errors"
	"slices"
	"time"

	"portico/shared/pg"

	"github.com/jackc/pgx/v5"
)

const (
	askAgain = 20 * time.Millisecond
	// patience is longer than any transaction or lease may last.
	patience = 90 * time.Second
)

// awaitTransactions waits until all transactions of the application that are open
// now have ended.
func (v *move) awaitTransactions(ctx context.Context) error {
	const open = `
		SELECT l.virtualtransaction FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE l.locktype = 'virtualxid' AND l.granted AND a.datname = current_database() AND a.usename IN ('portico_app', 'portico_worker')`
	list := func() ([]string, error) {
		return pg.List[string](ctx, v.from, "placement.awaitTransactions", open)
	}
	before, err := list()
	if err != nil {
		return err
	}
	return poll(ctx, "a transaction that began before the move has not ended in time", func() (bool, error) {
		now, err := list()
		return !slices.ContainsFunc(now, func(one string) bool { return slices.Contains(before, one) }), err
	})
}

// awaitLeases waits until no delivery of the organization is being sent.
func (v *move) awaitLeases(ctx context.Context) error {
	return poll(ctx, "a delivery that began before the move has not ended in time", func() (none bool, err error) {
		err = v.from.InOrg(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
			return tx.QueryRow(ctx, `
				SELECT NOT EXISTS (SELECT FROM webhook_delivery
				WHERE org_id = $1 AND status = 'pending' AND leased_until > portico_now())`, v.org).Scan(&none)
		})
		return none, err
	})
}

func poll(ctx context.Context, late string, holds func() (bool, error)) error {
	tick := time.NewTicker(askAgain)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; {
		if ok, err := holds(); ok || err != nil {
			return err
		}
		if time.Now().After(end) {
			return errors.New(late)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
