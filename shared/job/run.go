package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"portico/shared/clock"
	"portico/shared/observe"
	"portico/shared/pg"
)

// SQLSTATE codes of finish_job and save_job_step: infra/migrations/00008_job.sql.
const (
	leaseEnded      = "PTLSE"
	cancelRequested = "PTCNL"
)

func isState(err error, code string) bool {
	var state *pgconn.PgError
	return errors.As(err, &state) && state.Code == code
}

// spare is how long before the end of an invocation its last job must end, so that
// the result can be recorded.
const spare = 5 * time.Second

// Runner does the jobs of one queue of one database.
type Runner struct {
	DB       *pg.DB     // for the transactions of organizations
	Worker   *pg.Worker // of the database
	Database string
	Queue    Queue
	Kinds    *Registry
	Clock    *clock.Clock
	Log      *observe.Log
	// Fire fires the schedules of the queue, see shared/job/schedule. nil: there are
	// none.
	Fire func(ctx context.Context) error
	// HandOver sends a message to the queue's function. nil: every job is done here.
	HandOver func(ctx context.Context, body string) error
	// Random is the source of jitter, uniform in [0, 1); nil: math/rand/v2.
	Random func() float64

	// Crash is called at each point at which the death of the process matters. Only
	// tests set it: it panics with Crashed to end the try there.
	Crash func(point string)

	leases  leases
	counts  counts
	between time.Duration // of renewals; 0: renewEvery

	patience time.Duration // with a throttle that another claim has locked; 0: lockAtMost
}

// try is one try of a job.
type try struct {
	Claim
	r    *Runner
	kind declaration
	job  Job
	// ctx ends with the timeout, with the lease, or when the job is cancelled; its
	// cause says which. base is without the timeout.
	ctx, base context.Context
	end       context.CancelCauseFunc
	stop      context.CancelFunc // of the timeout
	steps     int                // that have been committed
	finishing bool               // the job finishes with the commit
}

// The points of Runner.Crash.
const (
	beforeCall   = "before the call"
	afterCall    = "after the call"
	beforeCommit = "before the commit"
	afterCommit  = "after the commit"
)

func (t *try) at(point string) {
	if t.r.Crash != nil {
		t.r.Crash(point)
	}
}

// Do does a claimed job. It does not panic.
func (r *Runner) Do(ctx context.Context, c Claim) (result Result) {
	result = Result{Claim: c, outcome: succeeded}
	began := time.Now()
	defer func() { result.took = time.Since(began) }()
	d, known := r.Kinds.kinds[c.Kind]
	switch {
	case c.Cancelled:
		result.outcome = cancelled
		return result
	case !known: // cannot happen: only known kinds are claimed
		result.outcome, result.wait = again, time.Minute
		return result
	case c.Crashes >= maxCrashes:
		result.outcome, result.code = dead, CodeCrashed
		result.text = fmt.Sprintf("Its runner died %d times while it ran.", c.Crashes)
		result.fingerprint = fingerprint(d.name, result.code, "")
		return result
	case c.Apart && r.HandOver != nil:
		if err := r.handOver(ctx, c); err != nil {
			r.warn(ctx, "a job could not be handed over", err)
			result.outcome, result.wait = again, time.Second
			return result
		}
		result.outcome = apart
		return result
	case c.Apart:
		begun, err := start(ctx, r.Worker, c.OrgID, c.ID, c.Lease)
		if err != nil {
			result.outcome = lost
			return result
		}
		c = begun
	}
	t := &try{Claim: c, r: r, kind: d, job: Job{
		ID: c.ID, Org: c.OrgID, Try: int(c.Attempts) + 1, CreatedBy: c.CreatedBy, RequestID: c.RequestID,
		progress: &progress{done: c.done, total: c.total, note: c.note},
	}}
	t.base, t.end = context.WithCancelCause(observe.WithRequestID(ctx, c.RequestID))
	defer t.end(nil)
	t.resetTimeout()
	defer func() { t.stop() }()
	r.leases.enter(ctx, t)
	defer r.leases.leave(t)
	err := t.run()
	if err == nil {
		result.recorded = t.finishing
		return result
	}
	result.judge(t.ctx, d, err, r.random())
	return result
}

// run calls the handler. A panic becomes an error.
func (t *try) run() (err error) {
	defer func() {
		switch p := recover(); p := p.(type) {
		case nil:
		case Crashed:
			panic(p)
		default:
			t.r.warn(t.base, "a job panicked", fmt.Errorf("%v\n%s", p, debug.Stack()))
			err = panicked{fmt.Sprint(p)}
		}
	}()
	return t.kind.do(t)
}

// Crashed is the panic with which tests end a try as if its process died.
type Crashed struct{}

// resetTimeout starts the kind's timeout anew.
func (t *try) resetTimeout() {
	if t.stop != nil {
		t.stop()
	}
	t.ctx, t.stop = context.WithTimeoutCause(t.base, t.kind.timeout, errTimeout)
}

// mayContinue starts the timeout of the next step. It returns errLater if the
// invocation has too little time for it, and why the job must end, if it must.
func (t *try) mayContinue() error {
	if err := context.Cause(t.base); err != nil {
		return err
	}
	if t.steps > 0 && !fits(t.base, t.kind.timeout) {
		return errLater
	}
	t.resetTimeout()
	return nil
}

// fits reports whether what takes at most long ends before ctx does.
func fits(ctx context.Context, long time.Duration) bool {
	end, ok := ctx.Deadline()
	return !ok || time.Until(end) > long+spare
}

// commit runs a function in a transaction of the job's organization. For a job of
// the platform it is portico_worker's.
func (t *try) commit(do func(context.Context, pg.Tx) error) error {
	in := func(tx pg.Tx) error {
		if err := do(t.ctx, tx); err != nil {
			return err
		}
		t.at(beforeCommit)
		return nil
	}
	var err error
	if t.OrgID.IsZero() {
		err = t.r.DB.InAll(t.ctx, t.r.Worker, t.r.Database, in)
	} else {
		err = t.r.DB.InOrg(t.ctx, t.OrgID, in)
	}
	if err == nil {
		t.at(afterCommit)
	}
	return err
}

func (r *Runner) random() float64 {
	if r.Random == nil {
		return rand.Float64()
	}
	return r.Random()
}

func (r *Runner) renewEvery() time.Duration {
	if r.between > 0 {
		return r.between
	}
	return renewEvery
}

func (r *Runner) warn(ctx context.Context, message string, err error) {
	r.Log.Line(ctx, slog.LevelWarn, message, nil, slog.String("cause", err.Error()))
}
