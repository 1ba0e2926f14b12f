package schedule_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"portico/shared/job"
	"portico/shared/job/jobtest"
	"portico/shared/job/schedule"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// pair is the home database with another one, acme.
type pair struct {
	home, acme *clerk
	runner     *job.Runner // of home
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{home: newClerk(t), acme: newClerk(t)}
	testkit.Must(t, p.home.App.Add(context.Background(), "acme", p.acme.URL("portico_app")))
	kinds, err := job.NewRegistry(schedule.CopyKind(p.home.App))
	testkit.Must(t, err)
	p.runner = &job.Runner{
		DB: p.home.App, Worker: p.home.Worker, Database: pg.Home, Queue: job.High, Kinds: kinds, Clock: p.home.Clock,
		Log: observe.NewLog(&testkit.Log{}, "test"), Random: func() float64 { return 0 },
	}
	for _, c := range []*clerk{p.home, p.acme} {
		c.deploy(tidy(nil))
	}
	return p
}

// edit changes the schedule at home, as staff do.
func (p *pair) edit(do func(context.Context, schedule.Editor, pg.Tx) (before, after schedule.Schedule, err error)) {
	p.home.t.Helper()
	ctx := context.Background()
	testkit.Must(p.home.t, p.home.App.PlatformIn(ctx, pg.Home, func(tx pg.Tx) error {
		_, _, err := do(ctx, schedule.Editor{Kinds: p.home.kinds, By: "staff_x", Others: []string{"acme"}}, tx)
		return err
	}))
}

func (p *pair) change(c schedule.Change) {
	p.home.t.Helper()
	p.edit(func(ctx context.Context, e schedule.Editor, tx pg.Tx) (before, after schedule.Schedule, err error) {
		return e.Change(ctx, tx, "tidy", c)
	})
}

func (p *pair) runNow() {
	p.home.t.Helper()
	p.edit(func(ctx context.Context, e schedule.Editor, tx pg.Tx) (before, after schedule.Schedule, err error) {
		return e.RunNow(ctx, tx, "tidy")
	})
}

// runs returns how many jobs of the schedule a database has.
func (c *clerk) runs() int {
	c.t.Helper()
	return testkit.Value[int](c.t, c.Database, `SELECT count(*) FROM job WHERE kind = 'test.tidy'`)
}

// What a person changes arrives in the other database, whatever becomes of the runner
// that copies it, and however often it does: settings, pause, reset, and one job for
// each time that it is run now.
func TestCopy(t *testing.T) {
	t.Parallel()
	for _, die := range []string{"", "before the call", "after the call"} {
		p := newPair(t)
		follow := func() {
			t.Helper()
			died := false
			p.runner.Crash = func(point string) {
				if point == die && !died {
					died = true
					panic(job.Crashed{})
				}
			}
			for range 3 {
				jobtest.Drain(t, p.runner)
				p.home.Advance(t, time.Minute)
			}
			if n := testkit.Value[int](t, p.home.Database, `SELECT count(*) FROM job WHERE kind = 'job_schedule.copy'`); n != 0 {
				t.Fatalf("%d copies wait", n)
			}
		}
		p.change(schedule.Change{Cron: new("0 5 * * *"), Args: json.RawMessage(`{"days":7}`)})
		if s := p.acme.one(); s.Cron != "*/10 * * * *" {
			t.Fatalf("before the copy acme has %+v", s)
		}
		follow()
		if s := p.acme.one(); s.Cron != "0 5 * * *" || string(s.Args) != `{"days":7}` || !s.Changed || s.UpdatedBy != "staff_x" || s.NextAt.Hour() != 5 || s.Revision != p.home.one().Revision {
			t.Errorf("die %q: acme has %+v", die, s)
		}
		p.change(schedule.Change{Enabled: new(false)})
		p.runNow()
		p.runNow()
		follow()
		if s := p.acme.one(); s.Enabled || p.acme.runs() != 2 || p.home.runs() != 2 {
			t.Errorf("die %q: paused and run twice: %+v with %d jobs, at home %d", die, s, p.acme.runs(), p.home.runs())
		}
		p.edit(func(ctx context.Context, e schedule.Editor, tx pg.Tx) (before, after schedule.Schedule, err error) {
			return e.Reset(ctx, tx, "tidy")
		})
		follow()
		if s := p.acme.one(); !s.Enabled || s.Changed || s.Cron != "*/10 * * * *" || string(s.Args) != `{"days":3}` || s.NextAt == nil || p.acme.runs() != 2 {
			t.Errorf("die %q: reset to %+v with %d jobs", die, s, p.acme.runs())
		}
	}
}

// A database that is away gets all changes at once when it is back. The newest state
// counts, and each time that the schedule was run now makes a job.
func TestCopyToDatabaseThatWasAway(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.acme.Exec(t, `REVOKE UPDATE ON job_schedule FROM portico_app`)
	for _, cron := range []string{"0 1 * * *", "0 2 * * *"} {
		p.change(schedule.Change{Cron: &cron})
		p.runNow()
		jobtest.Drain(t, p.runner)
	}
	if s := p.acme.one(); s.Cron != "*/10 * * * *" || p.home.one().Cron != "0 2 * * *" {
		t.Fatalf("acme has %+v", s)
	}
	if n := testkit.Value[int](t, p.home.Database, `SELECT count(*) FROM job WHERE kind = 'job_schedule.copy' AND last_error IS NOT NULL`); n != 1 {
		t.Errorf("%d copies have failed, want one that waits", n)
	}
	p.acme.Exec(t, `GRANT UPDATE ON job_schedule TO portico_app`)
	p.home.Advance(t, 2*time.Minute)
	jobtest.Drain(t, p.runner)
	if s := p.acme.one(); s.Cron != "0 2 * * *" || p.acme.runs() != 2 {
		t.Errorf("acme has %+v and %d jobs", s, p.acme.runs())
	}
}

// A database without the schedule gets it by its deployment, with what people have
// changed at home, and without the jobs that ran before.
func TestDeployToNewDatabase(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.acme.Exec(t, `DELETE FROM job_schedule`)
	p.change(schedule.Change{Cron: new("0 5 * * *"), Enabled: new(false)})
	p.runNow()
	jobtest.Drain(t, p.runner) // fails: there is no schedule yet
	home, err := schedule.List(context.Background(), p.home.Worker)
	testkit.Must(t, err)
	testkit.Must(t, schedule.Deploy(context.Background(), p.acme.Worker, p.acme.kinds, []schedule.Declaration{tidy(nil)}, home, nil))
	p.home.Advance(t, 2*time.Minute)
	jobtest.Drain(t, p.runner)
	if s := p.acme.one(); s.Cron != "0 5 * * *" || s.Enabled || s.NextAt != nil || p.acme.runs() != 0 || s.Revision != home[0].Revision {
		t.Errorf("acme has %+v and %d jobs", s, p.acme.runs())
	}
	if n := testkit.Value[int](t, p.home.Database, `SELECT count(*) FROM job WHERE kind = 'job_schedule.copy'`); n != 0 {
		t.Errorf("%d copies wait", n)
	}
}

// A slow copy that read the home database before a later change does not undo the
// copy of that change, and does not run the schedule again.
func TestLateCopyChangesNothing(t *testing.T) {
	t.Parallel()
	p, ctx := newPair(t), context.Background()
	p.change(schedule.Change{Cron: new("0 5 * * *")})
	p.runNow()
	var late schedule.Schedule
	testkit.Must(t, p.home.App.PlatformIn(ctx, pg.Home, func(tx pg.Tx) (err error) {
		late, err = schedule.Get(ctx, tx, "tidy")
		return err
	}))
	p.change(schedule.Change{Cron: new("0 6 * * *")})
	jobtest.Drain(t, p.runner)
	testkit.Must(t, p.home.App.PlatformIn(ctx, "acme", func(tx pg.Tx) error { return late.CopyTo(ctx, tx) }))
	if cron, runs := testkit.Value[string](t, p.acme.Database, `SELECT cron FROM job_schedule`), p.acme.runs(); cron != "0 6 * * *" || runs != 1 {
		t.Errorf("acme has the cron %s and %d jobs", cron, runs)
	}
}
