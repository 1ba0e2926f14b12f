package schedule_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/fault"
	"portico/shared/job"
	"portico/shared/job/schedule"
	"portico/shared/pg"
	"portico/shared/testkit"
)

type args struct {
	Days int `json:"days"`
}

// clerk is a database with a registry of one kind.
type clerk struct {
	*testkit.Database
	t     *testing.T
	kinds *job.Registry
}

func newClerk(t *testing.T) *clerk {
	t.Helper()
	kinds, err := job.NewRegistry(job.Kind[args]{Name: "test.tidy", Queue: job.Bulk, Platform: true, Work: job.InTx(
		func(context.Context, pg.Tx, job.Job, args) error { return nil })})
	testkit.Must(t, err)
	return &clerk{testkit.DB(t), t, kinds}
}

// tidy is a schedule of every ten minutes.
func tidy(change func(*schedule.Declaration)) schedule.Declaration {
	d := schedule.Declaration{Name: "tidy", Queue: job.Bulk, Kind: "test.tidy", Setting: schedule.Setting{
		Cron: "*/10 * * * *", Timezone: "UTC", CatchUp: schedule.One, Args: json.RawMessage(`{"days": 3}`)}}
	if change != nil {
		change(&d)
	}
	return d
}

func (c *clerk) deploy(list ...schedule.Declaration) {
	c.t.Helper()
	testkit.Must(c.t, schedule.Deploy(context.Background(), c.Worker, c.kinds, list, nil, nil))
}

func (c *clerk) fire() (added int) {
	c.t.Helper()
	added, err := schedule.Fire(context.Background(), c.Worker, job.Bulk)
	testkit.Must(c.t, err)
	return added
}

// fireAtOnce fires as several programs do at the same time.
func (c *clerk) fireAtOnce(programs int) {
	c.t.Helper()
	var group sync.WaitGroup
	for range programs {
		group.Go(func() {
			if _, err := schedule.Fire(context.Background(), c.Worker, job.Bulk); err != nil {
				c.t.Error(err)
			}
		})
	}
	group.Wait()
}

// one returns the only schedule.
func (c *clerk) one() schedule.Schedule {
	c.t.Helper()
	list, err := schedule.List(context.Background(), c.Worker)
	testkit.Must(c.t, err)
	if len(list) != 1 {
		c.t.Fatalf("%d schedules", len(list))
	}
	return list[0]
}

// edit runs a change as staff do.
func (c *clerk) edit(do func(ctx context.Context, e schedule.Editor, tx pg.Tx) error) error {
	ctx := context.Background()
	return pgx.BeginFunc(ctx, c.Worker, func(tx pgx.Tx) error {
		return do(ctx, schedule.Editor{Kinds: c.kinds, By: "staff_x"}, tx)
	})
}

// at moves the clock to a moment of the wall in UTC.
func (c *clerk) at(moment time.Time) {
	c.t.Helper()
	c.Advance(c.t, moment.Sub(c.Clock.Now()))
}

// tomorrow is a day that begins after the clock.
func (c *clerk) tomorrow() time.Time { return c.Clock.Now().Truncate(24*time.Hour).AddDate(0, 0, 1) }

// Each planned time makes one job, however many programs fire at once.
func TestOneJobForEachTime(t *testing.T) {
	t.Parallel()
	c := newClerk(t)
	day := c.tomorrow()
	c.at(day.Add(time.Second))
	c.deploy(tidy(nil))
	if n := c.fire(); n != 0 {
		t.Errorf("fired %d jobs before the time", n)
	}
	for i := range 6 {
		c.Advance(t, 10*time.Minute)
		c.fireAtOnce(5)
		if n := testkit.Value[int](t, c.Database, `SELECT count(*) FROM job`); n != i+1 {
			t.Fatalf("after %d times there are %d jobs", i+1, n)
		}
	}
	s := c.one()
	if s.FiredAt == nil || !s.FiredAt.Equal(day.Add(time.Hour)) || !s.NextAt.Equal(day.Add(70*time.Minute)) {
		t.Errorf("fired for %v, next at %v", s.FiredAt, s.NextAt)
	}
	got := testkit.Value[string](t, c.Database, `SELECT string_agg(DISTINCT concat_ws(' ', queue, kind, args::text, created_by), ', ') FROM job`)
	if want := `bulk test.tidy {"days":3} schedule:tidy`; got != want {
		t.Errorf("jobs %s, want %s", got, want)
	}
}

// After a day's outage the schedule's rule says which of the times make a job.
func TestCatchUpAfterADay(t *testing.T) {
	t.Parallel()
	for rule, want := range map[schedule.CatchUp]int{schedule.None: 0, schedule.One: 1, schedule.All: 144} {
		c := newClerk(t)
		day := c.tomorrow()
		c.at(day.Add(time.Second))
		c.deploy(tidy(func(d *schedule.Declaration) { d.CatchUp = rule }), tidy(func(d *schedule.Declaration) {
			d.Name, d.Cron = "hourly", "59 * * * *"
			d.CatchUp = rule
		}))
		c.at(day.Add(24*time.Hour + 9*time.Minute))
		c.edit(func(ctx context.Context, _ schedule.Editor, tx pg.Tx) error {
			return pg.Exec(ctx, tx, "test", `DELETE FROM job_schedule WHERE name = 'hourly'`)
		})
		// The last time, at midnight, is nine minutes ago: on time for all rules.
		if n := c.fire(); n != max(want, 1) {
			t.Errorf("%s: %d jobs, want %d", rule, n, max(want, 1))
		}
		if n := c.fire(); n != 0 {
			t.Errorf("%s: fired again", rule)
		}
		if next := c.one().NextAt; !next.Equal(day.Add(24*time.Hour + 10*time.Minute)) {
			t.Errorf("%s: next at %s", rule, next)
		}
	}
}

// A schedule that catches up with nothing skips a time for which nobody fired.
func TestCatchUpWithNothing(t *testing.T) {
	t.Parallel()
	c := newClerk(t)
	day := c.tomorrow()
	c.at(day)
	c.deploy(tidy(func(d *schedule.Declaration) { d.Cron, d.CatchUp = "0 12 * * *", schedule.None }))
	c.at(day.Add(13 * time.Hour))
	if n := c.fire(); n != 0 {
		t.Errorf("an hour late it fired %d jobs", n)
	}
	c.at(day.Add(36*time.Hour + 5*time.Minute))
	if n := c.fire(); n != 1 {
		t.Errorf("five minutes late it fired %d jobs", n)
	}
}

// One schedule that cannot fire does not stop others.
func TestBrokenScheduleStopsNoOther(t *testing.T) {
	t.Parallel()
	c := newClerk(t)
	c.deploy(tidy(nil), tidy(func(d *schedule.Declaration) { d.Name = "broken" }))
	c.Exec(t, `UPDATE job_schedule SET cron = 'broken', next_at = next_at - interval '1 hour' WHERE name = 'broken'`)
	c.Advance(t, 10*time.Minute)
	n, err := schedule.Fire(context.Background(), c.Worker, job.Bulk)
	if n != 1 || err == nil {
		t.Errorf("%d jobs, %v", n, err)
	}
}

// A deployment changes what only the code has set, keeps the next time if the times
// stay the same, and removes what is no longer declared.
func TestDeploy(t *testing.T) {
	t.Parallel()
	c := newClerk(t)
	c.deploy(tidy(nil))
	next := *c.one().NextAt
	c.Advance(t, 30*time.Minute) // it is due
	c.deploy(tidy(func(d *schedule.Declaration) { d.Args = json.RawMessage(`{"days":4}`) }))
	if s := c.one(); !s.NextAt.Equal(next) || string(s.Args) != `{"days":4}` {
		t.Errorf("new arguments: next at %s with %s, want %s", s.NextAt, s.Args, next)
	}
	c.fire()
	testkit.Must(t, c.edit(func(ctx context.Context, e schedule.Editor, tx pg.Tx) error {
		_, after, err := e.Change(ctx, tx, "tidy", schedule.Change{Cron: new("0 5 * * *")})
		if !after.Changed || after.UpdatedBy != "staff_x" {
			t.Errorf("after the change: %+v", after)
		}
		return err
	}))
	c.deploy(tidy(func(d *schedule.Declaration) { d.Cron = "0 6 * * *" }))
	if s := c.one(); s.Cron != "0 5 * * *" || s.Declared.Cron != "0 6 * * *" {
		t.Errorf("a deployment changed what a person has set: %+v", s)
	}
	testkit.Must(t, c.edit(func(ctx context.Context, e schedule.Editor, tx pg.Tx) error {
		_, _, err := e.Reset(ctx, tx, "tidy")
		return err
	}))
	if s := c.one(); s.Cron != "0 6 * * *" || s.Changed || s.NextAt.Hour() != 6 {
		t.Errorf("reset to %+v", s)
	}
	c.deploy()
	if n := testkit.Value[int](t, c.Database, `SELECT count(*) FROM job_schedule`); n != 0 {
		t.Errorf("%d schedules are left", n)
	}
}

// A paused schedule does not fire, not even after deployments; when it goes on, only
// later times count. It can be run at once all the same.
func TestPauseAndRunNow(t *testing.T) {
	t.Parallel()
	c := newClerk(t)
	c.deploy(tidy(nil))
	pause := func(paused bool) {
		t.Helper()
		testkit.Must(t, c.edit(func(ctx context.Context, e schedule.Editor, tx pg.Tx) error {
			_, _, err := e.Change(ctx, tx, "tidy", schedule.Change{Enabled: new(!paused)})
			return err
		}))
	}
	pause(true)
	c.Advance(t, time.Hour)
	c.deploy(tidy(func(d *schedule.Declaration) { d.Cron = "*/5 * * * *" }))
	if n := c.fire(); n != 0 || c.one().NextAt != nil {
		t.Errorf("a paused schedule fired %d jobs", n)
	}
	testkit.Must(t, c.edit(func(ctx context.Context, e schedule.Editor, tx pg.Tx) error {
		_, _, err := e.RunNow(ctx, tx, "tidy")
		return err
	}))
	if n := testkit.Value[int](t, c.Database, `SELECT count(*) FROM job WHERE created_by = 'staff_x'`); n != 1 {
		t.Errorf("run at once: %d jobs", n)
	}
	pause(false)
	if n := c.fire(); n != 0 {
		t.Errorf("going on it fired %d jobs for the past", n)
	}
	c.Advance(t, 5*time.Minute)
	if n := c.fire(); n != 1 {
		t.Errorf("after the pause it fired %d jobs", n)
	}
}

// A wrong setting is refused, and the field is named. Nothing is stored.
func TestWrongSettings(t *testing.T) {
	t.Parallel()
	c := newClerk(t)
	c.deploy(tidy(nil))
	before := c.one()
	for field, change := range map[string]schedule.Change{
		"cron":     {Cron: new("never")},
		"timezone": {Timezone: new("Mars")},
		"catch_up": {CatchUp: new(schedule.CatchUp("some"))},
		"args":     {Args: json.RawMessage(`{"weeks": 1}`)},
	} {
		err := c.edit(func(ctx context.Context, e schedule.Editor, tx pg.Tx) error {
			_, _, err := e.Change(ctx, tx, "tidy", change)
			return err
		})
		if f := fault.Of(err); f == nil || f.Kind != fault.Invalid || f.Fields[0].Name != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	large := json.RawMessage(`{"days":1` + string(make([]byte, job.MaxArgs)) + `}`)
	if err := c.edit(func(ctx context.Context, e schedule.Editor, tx pg.Tx) error {
		_, _, err := e.Change(ctx, tx, "tidy", schedule.Change{Args: large})
		return err
	}); !errors.Is(err, job.ErrArgsTooLarge) {
		t.Errorf("too large: %v", err)
	}
	err := c.edit(func(ctx context.Context, e schedule.Editor, tx pg.Tx) error {
		_, _, err := e.Change(ctx, tx, "missing", schedule.Change{})
		return err
	})
	if !errors.Is(err, schedule.ErrNotFound) {
		t.Errorf("a schedule that is missing: %v", err)
	}
	if after := c.one(); after.Cron != before.Cron || !after.NextAt.Equal(*before.NextAt) {
		t.Errorf("it is now %+v", after)
	}
}
