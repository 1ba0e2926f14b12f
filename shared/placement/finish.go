package placement

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
)

// Finisher finishes moves whose process died after the move was decided. Until
// then the organization can be used in neither database.
type Finisher struct {
	Workers pg.Databases[*pg.Worker] // with two sessions each at least
	// Finished is called when a move is finished. The old database still has rows
	// of the organization.
	Finished func(org id.Org, from, to string)
}

// arrival is an organization that is coming from another database.
type arrival struct {
	Org  id.Org
	From string
}

// Finish finishes all decided moves to a database. moving is true if a move is
// still running; then it must be called again.
func (f Finisher) Finish(ctx context.Context, database string) (moving bool, err error) {
	arrivals, err := pg.List[arrival](ctx, f.Workers[database], "placement.Finish",
		`SELECT org_id AS org, database AS "from" FROM placement WHERE state = 'arriving'`)
	if err != nil || len(arrivals) == 0 {
		return false, err
	}
	// No move can start during this transaction.
	err = pgx.BeginFunc(ctx, f.Workers[pg.Home], func(tx pgx.Tx) error {
		var alone bool
		if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, oneMover).Scan(&alone); err != nil || !alone {
			moving = err == nil
			return err
		}
		var failed error
		for _, a := range arrivals {
			failed = errors.Join(failed, f.finish(ctx, a, database))
		}
		return failed
	})
	if err != nil {
		return moving, fmt.Errorf("placement.Finish: %w", err)
	}
	return moving, nil
}

// finish finishes one move if it was decided.
func (f Finisher) finish(ctx context.Context, a arrival, database string) error {
	source, err := f.Workers.At(a.From)
	if err != nil {
		return fmt.Errorf("%s comes from another database: %w", a.Org, err)
	}
	var decided, opened bool
	err = source.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM placement WHERE org_id = $1 AND state = 'left' AND database = $2)`, a.Org, database).Scan(&decided)
	if err != nil || !decided {
		return err
	}
	err = f.Workers[database].QueryRow(ctx, `SELECT open_arrival($1, $2)`, a.Org, a.From).Scan(&opened)
	if err == nil && opened {
		f.Finished(a.Org, a.From, database)
	}
	return err
}
