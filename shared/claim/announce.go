package claim

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5"

	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/observe"
	"portico/shared/pg"
)

// Announce makes every transaction of db that raises the signal with a queue's name tell
// the queue's dispatchers: before the commit it lowers the due item, in the round trip of
// the commit it notifies the dispatchers that are awake, and if none is, it sends a nudge.
// Without it the next sweep finds what is due. payload returns what Tell sends for the
// details of Raise, and whether anything is due now.
func Announce(db *pg.DB, queue string, wakers pg.Databases[*Waker], clock *clock.Clock, log *observe.Log, payload func(details []string) (text string, isDue bool)) {
	if db.Signals == nil {
		db.Signals = map[string]pg.Signal{}
	}
	db.Signals[queue] = pg.Signal{
		Before: func(ctx context.Context, database string) error {
			if err := wakers[database].Due.Lower(ctx, clock.Now()); err != nil {
				return fault.ErrAway.Because(err)
			}
			return nil
		},
		Then: func(then *pgx.Batch, details []string) func(context.Context, string) {
			text, isDue := payload(details)
			if !isDue {
				return func(context.Context, string) {}
			}
			awake := new(bool)
			Tell(then, queue, text, awake)
			return func(ctx context.Context, database string) {
				if *awake {
					return
				}
				// The commit stands: if the nudge fails, the sweep finds the work.
				if _, err := wakers[database].WakeForPublish(ctx); err != nil {
					log.Line(ctx, slog.LevelWarn, "the dispatchers of a queue could not be woken", nil, slog.String("queue", queue), slog.String("cause", err.Error()))
				}
			}
		},
	}
}
