package job

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/observe"
	"portico/shared/pg"
)

// Announce makes every transaction of db that adds jobs to a queue tell the queue's
// runners: before the commit it lowers the due item, in the round trip of the
// commit it notifies the runners that are awake, and if none is, it sends a nudge.
// Without it the next sweep finds the jobs. wakers are those of the queue.
func Announce(db *pg.DB, queue Queue, wakers pg.Databases[*claim.Waker], clock *clock.Clock, log *observe.Log) {
	if db.Signals == nil {
		db.Signals = map[string]pg.Signal{}
	}
	db.Signals[string(queue)] = pg.Signal{
		Before: func(ctx context.Context, database string) error {
			if err := wakers[database].Due.Lower(ctx, clock.Now()); err != nil {
				return fault.ErrAway.Because(err)
			}
			return nil
		},
		Then: func(then *pgx.Batch, lanes []string) func(context.Context, string) {
			if lanes = slices.DeleteFunc(lanes, isLater); len(lanes) == 0 {
				return func(context.Context, string) {}
			}
			awake := new(bool)
			claim.Tell(then, string(queue), payload(lanes), awake)
			return func(ctx context.Context, database string) {
				if *awake {
					return
				}
				// The commit stands: if the nudge fails, the sweep finds the jobs.
				if _, err := wakers[database].WakeForPublish(ctx); err != nil {
					log.Line(ctx, slog.LevelWarn, "the runners of jobs could not be woken", nil, slog.String("cause", err.Error()))
				}
			}
		},
	}
}

// later is in place of a lane whose new jobs are due in more than a minute: nobody has
// to be awake for them.
const later = ""

func isLater(lane string) bool { return lane == later }

// LookAgain makes the next sweep find out when something of a queue is due, because
// the transaction has changed that, for example for a schedule.
func LookAgain(tx pg.Tx, q Queue) { pg.Raise(tx, string(q), later) }

// laneText names a lane in a notification: a line with the organization and the
// kind.
func laneText(l Lane) string { return fmt.Sprintf("%s %s\n", l.OrgID.UUID, l.Kind) }

// maxNotified bounds a notification, which Postgres limits to 8,000 bytes.
const maxNotified = 7000

// payload names lanes in a notification; "": there are too many, and the runner has
// to look.
func payload(lanes []string) string {
	slices.Sort(lanes)
	text := strings.Join(lanes, "")
	if len(text) > maxNotified {
		return ""
	}
	return text
}
