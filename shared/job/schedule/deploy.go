package schedule

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
)

// Deploy makes the platform's schedules as the code declares them. It leaves the
// setting of those that a person has changed, and which are paused, and removes
// those that are no longer declared. One whose times stay the same keeps its next
// time, so a deployment never skips or repeats one.
func Deploy(ctx context.Context, db *pg.Worker, kinds *job.Registry, list []Declaration) error {
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		// Two deployments wait for each other.
		if err := pg.Exec(ctx, tx, "schedule.Deploy", `LOCK TABLE job_schedule IN SHARE ROW EXCLUSIVE MODE`); err != nil {
			return err
		}
		now, err := pg.Value[time.Time](ctx, tx, "schedule.Deploy", `SELECT portico_now()`)
		if err != nil {
			return err
		}
		stored, err := List(ctx, tx, id.Org{})
		if err != nil {
			return err
		}
		names := make([]string, len(list))
		for i, d := range list {
			names[i] = d.Name
			if err := deploy(ctx, tx, kinds, stored, d, now); err != nil {
				return fmt.Errorf("schedule.Deploy %s: %w", d.Name, err)
			}
		}
		return pg.Exec(ctx, tx, "schedule.Deploy", `DELETE FROM job_schedule WHERE org_id = $1 AND name <> ALL ($2)`, [16]byte{}, names)
	})
}

func deploy(ctx context.Context, tx pg.Tx, kinds *job.Registry, all []Schedule, d Declaration, now time.Time) error {
	s := Schedule{Name: d.Name, Setting: d.Setting, Enabled: true}
	if i := slices.IndexFunc(all, func(s Schedule) bool { return s.Name == d.Name }); i >= 0 {
		s = all[i]
		if same(s.Declared, d.Setting) && s.Kind == d.Kind && s.Queue == d.Queue {
			return nil
		}
	}
	before := s.Setting
	s.Queue, s.Kind, s.Declared = d.Queue, d.Kind, d.Setting
	if !s.Changed {
		s.Setting, s.UpdatedBy = d.Setting, ""
	}
	times, err := s.times(kinds, d.Kind)
	if err != nil {
		return err
	}
	if s.Enabled && (s.NextAt == nil || before.Cron != s.Cron || before.Timezone != s.Timezone) {
		next := times.Next(now)
		s.NextAt = &next
	}
	return write(ctx, tx, id.Org{}, s)
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
