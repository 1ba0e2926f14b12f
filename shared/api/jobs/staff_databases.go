package jobs

import (
	"context"
	"errors"
	"sync"
	"time"

	"portico/shared/api/edge"
	"portico/shared/job"
	"portico/shared/pg"
)

// What is known of a database that gets a copy of what the home database has.
const (
	current = "current"
	behind  = "behind"
	away    = "away"
)

// askAtMost is how long another database may take to answer, so that the request ends
// in time.
const askAtMost = 5 * time.Second

// stored is what one database has of the platform's own rows, or why that is not known.
type stored[T any] struct {
	database string
	rows     T
	err      error
}

func storedIn[T any](ctx context.Context, db *pg.DB, database string, read func(context.Context, pg.Querier) (T, error)) stored[T] {
	s := stored[T]{database: database}
	s.err = db.PlatformIn(ctx, database, func(tx pg.Tx) (err error) {
		s.rows, err = read(ctx, tx)
		return err
	})
	return s
}

// storedInOthers asks the other databases, all at the same time.
func storedInOthers[T any](c *edge.Call, read func(context.Context, pg.Querier) (T, error)) []stored[T] {
	ctx, cancel := context.WithTimeout(c, askAtMost)
	defer cancel()
	names := c.DB.Others().Names()
	all := make([]stored[T], len(names))
	var group sync.WaitGroup
	for i, name := range names {
		group.Go(func() { all[i] = storedIn(ctx, c.DB, name, read) })
	}
	group.Wait()
	return all
}

// whereItIs calls do in the transaction of the request, or, if that is the platform's
// and has no such job, in one of its own in the other databases, in turn: each has jobs
// of the platform. That transaction commits first.
func whereItIs(c *edge.Call, do func(pg.Tx) error) error {
	err := do(c.Tx)
	if !c.Org.IsZero() {
		return err
	}
	for _, database := range c.DB.Others().Names() {
		if !errors.Is(err, job.ErrNotFound) {
			return err
		}
		err = c.DB.PlatformIn(c, database, do)
	}
	return err
}
