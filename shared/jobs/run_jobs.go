package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"portico/shared/claim"
	"portico/shared/job"
	"portico/shared/pg"
)

// Runner does the jobs of one queue of one database.
type Runner struct {
	claim.Dispatcher
	Jobs *job.Runner

	mu      sync.Mutex
	ensured bool
}

// ensure makes the throttles that the kinds of this program need: only it knows
// through which service mail is sent.
func (r *Runner) ensure(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ensured {
		return nil
	}
	err := r.Jobs.Kinds.EnsureThrottles(ctx, r.Jobs.Worker)
	r.ensured = err == nil
	return err
}

// RunJobs answers a message of a queue of jobs. A nudge says that something is due in
// a database: it does jobs there until nothing is. A hand-over is one job that needs
// this invocation for itself.
func RunJobs(runners pg.Databases[*Runner]) func(ctx context.Context, body string) error {
	return func(ctx context.Context, body string) error {
		nudge, handed := claim.Nudge{Database: pg.Home}, job.HandOver{}
		if err := errors.Join(json.Unmarshal([]byte(body), &nudge), json.Unmarshal([]byte(body), &handed)); err != nil {
			return fmt.Errorf("jobs.RunJobs: %q is neither a nudge nor a hand-over: %w", body, err)
		}
		r, err := runners.At(nudge.Database)
		if err != nil {
			return fmt.Errorf("jobs.RunJobs: %w", err)
		}
		if err := r.ensure(ctx); err != nil {
			return fmt.Errorf("jobs.RunJobs: %w", err)
		}
		switch {
		case !handed.Job.IsZero():
			results, err := r.Jobs.TakeOver(ctx, handed)
			if err == nil {
				claim.Record(ctx, &r.Dispatcher, r.Jobs, results)
			}
			return err
		case nudge.IsOutdated():
			return nil
		}
		return claim.Run(ctx, &r.Dispatcher, r.Jobs)
	}
}
