package schedule

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/job"
	"portico/shared/pg"
)

// Deploy makes the platform's schedules as the code declares them. It leaves the
// setting of those that a person has changed, and which are paused, and removes
// those that are no longer declared. One whose times stay the same keeps its next
// time, so a deployment never skips or repeats one. home are the schedules of the home
// database, whose changes a database gets that has not had a schedule; for the home
// database itself nil. mayDeploy is asked while no other deployment can write; its
// error ends this one; nil: it may.
func Deploy(ctx context.Context, db *pg.Worker, kinds *job.Registry, list []Declaration, home []Schedule, mayDeploy func(context.Context) error) error {
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		// Two deployments wait for each other.
		if err := pg.Exec(ctx, tx, "schedule.Deploy", `LOCK TABLE job_schedule IN SHARE ROW EXCLUSIVE MODE`); err != nil {
			return err
		}
		if mayDeploy != nil {
			if err := mayDeploy(ctx); err != nil {
				return err
			}
		}
		now, err := now(ctx, tx)
		if err != nil {
			return err
		}
		stored, err := List(ctx, tx)
		if err != nil {
			return err
		}
		names := make([]string, len(list))
		for i, d := range list {
			names[i] = d.Name
			if err := d.deploy(ctx, tx, kinds, now, named(stored, d.Name), named(home, d.Name)); err != nil {
				return fmt.Errorf("schedule.Deploy %s: %w", d.Name, err)
			}
		}
		return pg.Exec(ctx, tx, "schedule.Deploy", `DELETE FROM job_schedule WHERE org_id = $1 AND name <> ALL ($2)`, platform, names)
	})
}

// named returns the schedule with a name, or nil.
func named(list []Schedule, name string) *Schedule {
	if i := slices.IndexFunc(list, func(s Schedule) bool { return s.Name == name }); i >= 0 {
		return &list[i]
	}
	return nil
}

func (d Declaration) deploy(ctx context.Context, tx pg.Tx, kinds *job.Registry, now time.Time, stored, home *Schedule) error {
	s := Schedule{Name: d.Name, Enabled: true}
	switch {
	case stored != nil && same(stored.Declared, d.Setting) && stored.Kind == d.Kind && stored.Queue == d.Queue:
		return nil
	case stored != nil:
		s = *stored
	case home != nil:
		s = s.take(*home)
	}
	before := s
	s.Queue, s.Kind, s.Declared = d.Queue, d.Kind, d.Setting
	if !s.Changed {
		s.Setting, s.UpdatedBy = d.Setting, ""
	}
	times, err := s.times(kinds, d.Kind)
	if err != nil {
		return err
	}
	s.plan(before, times, now)
	return s.write(ctx, tx)
}

// same compares settings; spaces in the arguments do not matter.
func same(a, b Setting) bool {
	var x, y bytes.Buffer
	if json.Compact(&x, a.Args) != nil || json.Compact(&y, b.Args) != nil {
		return false
	}
	a.Args, b.Args = nil, nil
	return a.Cron == b.Cron && a.Timezone == b.Timezone && a.CatchUp == b.CatchUp && bytes.Equal(x.Bytes(), y.Bytes())
}
