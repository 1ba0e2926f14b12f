package schedule

import (
	"context"
	"errors"
	"fmt"

	"portico/shared/job"
	"portico/shared/pg"
)

// copyArgs are the arguments of the job that copies a schedule to another database.
type copyArgs struct {
	Schedule string `json:"schedule"`
	Database string `json:"database"`
}

// copyKind brings a schedule in another database to what the home database has. It
// copies the newest state, so one job that waits is enough, and a repetition changes
// nothing.
var copyKind = job.Kind[copyArgs]{Name: "job_schedule.copy", Queue: job.High, Platform: true, Unique: job.Waits}

// CopyKind is the kind of the jobs that an Editor adds, with its work.
func CopyKind(db *pg.DB) job.Declared {
	k := copyKind
	k.Work = job.Call(func(ctx context.Context, j job.Job, args copyArgs) (struct{}, error) {
		var home Schedule
		err := db.PlatformIn(ctx, pg.Home, func(tx pg.Tx) (err error) {
			home, err = Get(ctx, tx, args.Schedule)
			return err
		})
		if errors.Is(err, ErrNotFound) { // the code does not declare it any more
			return struct{}{}, nil
		}
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, db.PlatformIn(ctx, args.Database, func(tx pg.Tx) error { return home.copyTo(ctx, tx, j.CreatedBy) })
	}, nil)
	return k
}

// atMostRuns bounds how many jobs are made up for in a database that was away.
const atMostRuns = 100

// errNotDeployed is returned while another database has not got a new schedule yet.
var errNotDeployed = errors.New("the database does not have the schedule yet: the next sweep there deploys it")

// copyTo brings the schedule in the transaction's database to the state of s, unless
// it has that state or a newer one already. What it declares stays, because the
// database may have had another deployment. It adds a job for each time that s was
// run by hand since the last copy.
func (s Schedule) copyTo(ctx context.Context, tx pg.Tx, by string) error {
	own, err := get(ctx, tx, s.Name)
	switch {
	case errors.Is(err, ErrNotFound):
		return errNotDeployed
	case err != nil:
		return err
	case own.Revision >= s.Revision:
		return nil
	}
	after := own.take(s)
	times, err := Parse(after.Cron, after.Timezone)
	if err != nil {
		return fmt.Errorf("schedule.copyTo %s: %w", s.Name, err)
	}
	now, err := now(ctx, tx)
	if err != nil {
		return err
	}
	after.plan(own, times, now)
	if err := after.write(ctx, tx); err != nil {
		return err
	}
	return after.run(ctx, tx, min(s.Runs-own.Runs, atMostRuns), by)
}

// take returns the schedule with what people have changed of the same one in the home
// database.
func (s Schedule) take(home Schedule) Schedule {
	if s.Setting = s.Declared; home.Changed {
		s.Setting = home.Setting
	}
	s.Changed, s.Enabled, s.Revision, s.Runs = home.Changed, home.Enabled, home.Revision, home.Runs
	s.UpdatedAt, s.UpdatedBy = home.UpdatedAt, home.UpdatedBy
	return s
}
