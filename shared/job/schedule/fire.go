package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
)

const (
	// onTime is how late a schedule may fire that catches up with nothing.
	onTime = 10 * time.Minute
	// atOnce bounds how many jobs one transaction adds for a schedule.
	atOnce = 100
)

// due is a schedule whose time has come.
type due struct {
	OrgID                      id.Org
	Name, Kind, Cron, Timezone string
	Queue                      job.Queue
	CatchUp                    CatchUp
	Args                       json.RawMessage
	NextAt, Now                time.Time
}

// Fire fires the schedules of a queue whose time has come, and returns how many
// jobs it has added. Any number of programs may fire at the same time. A schedule
// that cannot be fired does not stop the others.
func Fire(ctx context.Context, db *pg.Worker, queue job.Queue) (added int, err error) {
	var failed error
	skip := []string{}
	for {
		var name string
		n := 0
		err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
			d, err := pg.One[due](ctx, tx, "schedule.Fire", errNone, `
				SELECT s.org_id, s.name, s.kind, s.cron, s.timezone, s.queue, s.catch_up, s.args, s.next_at, portico_now() AS now
				FROM job_schedule s
				WHERE s.next_at <= portico_now() AND s.queue = $1 AND s.org_id::text || s.name <> ALL ($2)
					AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = s.org_id AND p.until > portico_now())
				ORDER BY s.next_at LIMIT 1 FOR UPDATE OF s SKIP LOCKED`, queue, skip)
			if err != nil {
				return err
			}
			name = d.OrgID.UUID.String() + d.Name
			n, err = d.fire(ctx, tx)
			return err
		})
		switch {
		case errors.Is(err, errNone):
			return added, failed
		case err != nil && name == "":
			return added, errors.Join(failed, err)
		case err != nil:
			failed, skip = errors.Join(failed, err), append(skip, name)
		}
		added += n
	}
}

var errNone = errors.New("no schedule is due")

// fire adds the jobs of the planned times that have come and moves next_at behind
// them.
func (d due) fire(ctx context.Context, tx pg.Tx) (added int, err error) {
	times, err := Parse(d.Cron, d.Timezone)
	if err != nil {
		return 0, fmt.Errorf("schedule.fire %s: %w", d.Name, err)
	}
	planned, next := d.planned(times)
	for _, at := range planned {
		if _, err := job.AddEncoded(ctx, tx, d.OrgID, d.Queue, d.Kind, d.Args, job.Options{By: "schedule:" + d.Name}); err != nil {
			return 0, fmt.Errorf("schedule.fire %s for %s: %w", d.Name, at, err)
		}
	}
	var last *time.Time
	if len(planned) > 0 {
		last = &planned[len(planned)-1]
	}
	return len(planned), pg.Exec(ctx, tx, "schedule.fire", `
		UPDATE job_schedule SET next_at = $3, fired_at = coalesce($4, fired_at) WHERE org_id = $1 AND name = $2`, [16]byte(d.OrgID.UUID), d.Name, next, last)
}

// planned returns the planned times that make a job now, and the next one.
func (d due) planned(times Times) (list []time.Time, next time.Time) {
	next = d.NextAt.UTC()
	for !next.IsZero() && !next.After(d.Now) {
		switch {
		case d.CatchUp == All && len(list) == atOnce:
			return list, next
		case d.CatchUp == All:
			list = append(list, next)
		case d.CatchUp == One || d.Now.Sub(next) <= onTime:
			list = []time.Time{next}
		}
		next = times.Next(next)
	}
	return list, next
}
