package kinds

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"portico/shared/fault"
	"portico/shared/job"
	"portico/shared/pg"
)

// The kinds of the soak.
var (
	Count   = job.Kind[Args]{Name: "bench.count", Queue: job.High, Retry: soakRetry}
	Called  = job.Kind[Args]{Name: "bench.called", Queue: job.High, Retry: soakRetry}
	Stepped = job.Kind[Args]{Name: "bench.stepped", Queue: job.Bulk, Retry: soakRetry}
	Doomed  = job.Kind[Args]{Name: "bench.doomed", Queue: job.Bulk}
)

// soakRetry lets nearly every job succeed within the soak.
var soakRetry = job.Schedule{time.Second, time.Second, 2 * time.Second, 2 * time.Second, 5 * time.Second, 5 * time.Second, 10 * time.Second}

// soaked returns the kinds of the soak with their work.
func soaked() []job.Declared {
	count, called, stepped, doomed := Count, Called, Stepped, Doomed
	count.Work = job.InTx(func(ctx context.Context, tx pg.Tx, j job.Job, args Args) error {
		if err := note(ctx, tx, j, args.Number, 0); err != nil {
			return err
		}
		return fail(args)
	})
	called.Work = job.Call(func(_ context.Context, j job.Job, args Args) (struct{}, error) {
		return struct{}{}, errors.Join(send(j, args), fail(args))
	}, func(ctx context.Context, tx pg.Tx, j job.Job, args Args, _ struct{}) error {
		return note(ctx, tx, j, args.Number, 0)
	})
	stepped.Work = job.Steps(func(ctx context.Context, tx pg.Tx, j job.Job, args Args, at int) (int, bool, error) {
		if err := note(ctx, tx, j, args.Number, at); err != nil {
			return 0, false, err
		}
		j.Progress(int64(at+1), int64(args.Wanted), "")
		return at + 1, at+1 < args.Wanted, fail(args)
	})
	doomed.Work = job.Call(func(context.Context, job.Job, Args) (struct{}, error) {
		return struct{}{}, fault.New(fault.Invalid, "bench_doomed", "This job cannot succeed.")
	}, nil)
	return []job.Declared{count, called, stepped, doomed}
}

// note writes the effect of a step. The table has no key, so that an effect that
// happened twice is seen.
func note(ctx context.Context, tx pg.Tx, j job.Job, number, step int) error {
	return pg.Exec(ctx, tx, "kinds.note", `INSERT INTO bench_effect (org_id, job_id, number, step) VALUES ($1, $2, $3, $4)`, j.Org, j.ID, number, step)
}

// Effects makes the table of the effects.
const Effects = `
	CREATE TABLE bench_effect (org_id uuid NOT NULL, job_id uuid NOT NULL, number integer NOT NULL, step integer NOT NULL);
	GRANT INSERT ON bench_effect TO portico_app`

var errAtRandom = errors.New("this try fails, as it was to")

// fail fails as often as the arguments say.
func fail(args Args) error {
	if rand.Float64() < args.Fails {
		return errAtRandom
	}
	return nil
}
