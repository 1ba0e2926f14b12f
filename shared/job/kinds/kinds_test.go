package kinds_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/job/jobtest"
	"portico/shared/job/kinds"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

var work = job.Kind[struct{}]{Name: "test.work", Queue: job.High, Platform: true,
	Work: job.InTx(func(context.Context, pg.Tx, job.Job, struct{}) error { return nil })}

// pair is the home database with another one, acme.
type pair struct {
	t          *testing.T
	home, acme *testkit.Database
	registry   *job.Registry
	runner     *job.Runner // of home
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{t: t, home: testkit.DB(t), acme: testkit.DB(t)}
	testkit.Must(t, p.home.App.Add(context.Background(), "acme", p.acme.URL("portico_app")))
	var err error
	p.registry, err = job.NewRegistry(work, kinds.CopyKind(p.home.App))
	testkit.Must(t, err)
	p.runner = &job.Runner{
		DB: p.home.App, Worker: p.home.Worker, Database: pg.Home, Queue: job.High, Kinds: p.registry, Clock: p.home.Clock,
		Log: observe.NewLog(&testkit.Log{}, "test"), Random: func() float64 { return 0 },
	}
	return p
}

// edit changes kinds at home, as staff do.
func (p *pair) edit(do func(context.Context, pg.Tx, kinds.Editor) (before, after kinds.Override, err error)) (err error) {
	ctx := context.Background()
	return p.home.App.PlatformIn(ctx, pg.Home, func(tx pg.Tx) error {
		_, _, err := do(ctx, tx, kinds.Editor{Kinds: p.registry, By: "staff_x", Others: []string{"acme"}})
		return err
	})
}

func (p *pair) want(when string, wants kinds.Override, databases ...*testkit.Database) {
	p.t.Helper()
	for _, db := range databases {
		all, err := kinds.List(context.Background(), db.App.Shared())
		testkit.Must(p.t, err)
		got := all[work.Name]
		if (got.PausedAt != nil) != (wants.PausedAt != nil) || got.PausedBy != wants.PausedBy || got.PauseReason != wants.PauseReason ||
			got.PerOrg != wants.PerOrg || got.InAll != wants.InAll {
			p.t.Errorf("%s: %+v, want %+v", when, got, wants)
		}
	}
}

// A pause and limits count at home at once and arrive in the other database, also
// after it was away, and however often they are copied. Resuming ends any pause.
func TestOverridesArrive(t *testing.T) {
	t.Parallel()
	p, at := newPair(t), time.Now()
	pause := func(ctx context.Context, tx pg.Tx, e kinds.Editor) (before, after kinds.Override, err error) {
		return e.Pause(ctx, tx, work.Name, "a fault")
	}
	paused := kinds.Override{PausedAt: &at, PausedBy: "staff_x", PauseReason: "a fault"}

	p.acme.Exec(t, `REVOKE SELECT ON job_kind FROM portico_app`)
	testkit.Must(t, p.edit(pause))
	p.want("at home at once", paused, p.home)
	jobtest.Drain(t, p.runner)
	p.acme.Exec(t, `GRANT SELECT ON job_kind TO portico_app`)
	p.want("not while acme is away", kinds.Override{}, p.acme)
	testkit.Must(t, p.edit(pause)) // a repetition
	p.home.Advance(t, time.Minute)
	jobtest.Drain(t, p.runner)
	p.want("everywhere", paused, p.home, p.acme)

	two, none := 2, 0
	limit := func(perOrg, inAll *int) {
		t.Helper()
		testkit.Must(t, p.edit(func(ctx context.Context, tx pg.Tx, e kinds.Editor) (before, after kinds.Override, err error) {
			return e.Limit(ctx, tx, work.Name, perOrg, inAll)
		}))
		jobtest.Drain(t, p.runner)
	}
	limit(&two, nil)
	paused.PerOrg = 2
	p.want("a limit beside the pause", paused, p.home, p.acme)
	limit(&none, &two)
	paused.PerOrg, paused.InAll = 0, 2
	p.want("another limit", paused, p.home, p.acme)

	p.acme.Exec(t, `UPDATE job_kind SET paused_by = 'mail.read_account'`)
	testkit.Must(t, p.edit(func(ctx context.Context, tx pg.Tx, e kinds.Editor) (before, after kinds.Override, err error) {
		return e.Resume(ctx, tx, work.Name)
	}))
	jobtest.Drain(t, p.runner)
	p.want("after the pause", kinds.Override{InAll: 2}, p.home, p.acme)

	if err := p.edit(func(ctx context.Context, tx pg.Tx, e kinds.Editor) (before, after kinds.Override, err error) {
		return e.Resume(ctx, tx, "test.missing")
	}); !errors.Is(err, kinds.ErrNotFound) {
		t.Errorf("a missing kind: %v", err)
	}
}

// No job of a paused kind is done, and its jobs go on after the pause.
func TestPausedKindWaits(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	ctx := context.Background()
	testkit.Must(t, p.edit(func(ctx context.Context, tx pg.Tx, e kinds.Editor) (before, after kinds.Override, err error) {
		return e.Pause(ctx, tx, work.Name, "a fault")
	}))
	testkit.Must(t, p.home.App.PlatformIn(ctx, pg.Home, func(tx pg.Tx) error {
		_, err := job.Add(ctx, tx, id.Org{}, work, struct{}{}, job.Options{})
		return err
	}))
	count := func() int {
		return testkit.Value[int](t, p.home, `SELECT count(*) FROM job WHERE kind = 'test.work'`)
	}
	jobtest.Drain(t, p.runner)
	if count() != 1 {
		t.Error("a job of a paused kind was done")
	}
	testkit.Must(t, p.edit(func(ctx context.Context, tx pg.Tx, e kinds.Editor) (before, after kinds.Override, err error) {
		return e.Resume(ctx, tx, work.Name)
	}))
	jobtest.Drain(t, p.runner)
	if count() != 0 {
		t.Error("the job was not done after the pause")
	}
}

// A slow copy that read the home database before a later change does not undo the
// copy of that change.
func TestLateCopyChangesNothing(t *testing.T) {
	t.Parallel()
	p, ctx := newPair(t), context.Background()
	testkit.Must(t, p.edit(func(ctx context.Context, tx pg.Tx, e kinds.Editor) (before, after kinds.Override, err error) {
		return e.Pause(ctx, tx, work.Name, "a fault")
	}))
	all, err := kinds.List(ctx, p.home.App.Shared())
	testkit.Must(t, err)
	late := all[work.Name]
	testkit.Must(t, p.edit(func(ctx context.Context, tx pg.Tx, e kinds.Editor) (before, after kinds.Override, err error) {
		return e.Resume(ctx, tx, work.Name)
	}))
	jobtest.Drain(t, p.runner)
	testkit.Must(t, p.home.App.PlatformIn(ctx, "acme", func(tx pg.Tx) error { return late.CopyTo(ctx, tx) }))
	p.want("after the late copy", kinds.Override{}, p.acme)
}
