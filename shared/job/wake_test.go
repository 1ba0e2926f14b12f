package job_test

import (
	"context"
	"errors"
	"testing"
	"time"

	local "portico/infra/local/aws"
	"portico/infra/local/aws/awstest"
	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// announce makes the office's transactions tell the runners of a queue: high, if none
// is named.
func (o *office) announce() (*claim.Waker, *local.Queue) { return o.announceQueue(job.High) }

func (o *office) announceQueue(queue job.Queue) (*claim.Waker, *local.Queue) {
	o.t.Helper()
	client, table := testkit.Table(o.t, testkit.DynamoDBEndpoint(o.t), "id")
	nudges, sender := awstest.Queue(o.t)
	waker := &claim.Waker{Queue: string(queue), Database: pg.Home, Due: claim.NewDue(client, table, string(queue), pg.Home, o.Clock), Nudge: sender}
	job.Announce(o.App, queue, pg.Databases[*claim.Waker]{pg.Home: waker}, o.Clock, observe.NewLog(o.logs, "test"))
	return waker, nudges
}

// If no runner is awake, a transaction that adds a job lowers the due item and sends
// a nudge; one that is rolled back does not, and one whose job is due later sends no
// nudge.
func TestAddWakesARunner(t *testing.T) {
	t.Parallel()
	o, ctx := newOffice(t, writing), context.Background()
	waker, nudges := o.announce()
	_ = o.in(func(ctx context.Context, tx pg.Tx) error {
		_, err := job.Add(ctx, tx, o.org, writing, note{}, job.Options{})
		return errors.Join(err, errors.New("rolled back"))
	})
	if due, err := waker.Due.Read(ctx); err != nil || !due.Missing() || nudges.Depth().Visible != 0 {
		t.Errorf("after a transaction that was rolled back: %+v (%v), %d nudges", due, err, nudges.Depth().Visible)
	}
	add(o, writing, note{}, job.Options{Delay: time.Hour})
	if due, err := waker.Due.Read(ctx); err != nil || due.Missing() || nudges.Depth().Visible != 0 {
		t.Errorf("after a job for later: %+v (%v), %d nudges", due, err, nudges.Depth().Visible)
	}
	add(o, writing, note{}, job.Options{})
	if n := nudges.Depth().Visible; n != 1 {
		t.Errorf("%d nudges, want 1", n)
	}
}

// A job of the platform that adds a job to another queue wakes that queue's runner,
// too.
func TestPlatformJobWakesARunner(t *testing.T) {
	t.Parallel()
	bulk := writing
	bulk.Name, bulk.Queue = "test.bulk", job.Bulk
	var org id.Org
	parent := job.Kind[note]{Name: "test.parent", Queue: job.High, Platform: true, Work: job.InTx(
		func(ctx context.Context, tx pg.Tx, _ job.Job, _ note) error {
			_, err := job.Add(ctx, tx, org, bulk, note{"child"}, job.Options{})
			return err
		})}
	o := newOffice(t, parent, bulk)
	org = o.org
	waker, nudges := o.announceQueue(job.Bulk)
	addPlatform(o, parent, note{})
	o.drain()
	due, err := waker.Due.Read(context.Background())
	if err != nil || due.Missing() || nudges.Depth().Visible != 1 {
		t.Errorf("due item %+v (%v), %d nudges", due, err, nudges.Depth().Visible)
	}
}

// If the due item cannot be lowered, nothing is committed: no sweep would find the
// job.
func TestNothingIsAddedWithoutTheDueItem(t *testing.T) {
	t.Parallel()
	o := newOffice(t, writing)
	client, _ := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	_, sender := awstest.Queue(t)
	job.Announce(o.App, job.High, pg.Databases[*claim.Waker]{pg.Home: {
		Queue: string(job.High), Database: pg.Home, Due: claim.NewDue(client, "missing", string(job.High), pg.Home, &clock.Clock{}), Nudge: sender,
	}}, o.Clock, observe.NewLog(o.logs, "test"))
	err := o.in(func(ctx context.Context, tx pg.Tx) error {
		_, err := job.Add(ctx, tx, o.org, writing, note{}, job.Options{})
		return err
	})
	if n := testkit.Value[int](t, o.Database, `SELECT count(*) FROM job`); err == nil || n != 0 {
		t.Errorf("%d jobs (%v)", n, err)
	}
}

// A runner that is awake learns of a job from the commit that adds it, does it with
// the engine, and sleeps when nothing is left.
func TestEngineDoesJobs(t *testing.T) {
	t.Parallel()
	keyed := unique(job.Waits)
	keyed.Name, keyed.PerOrg = "test.keyed", 1
	o := newOffice(t, writing, keyed)
	waker, nudges := o.announce()
	d := &claim.Dispatcher{
		DB: o.Worker, Waker: waker, Clock: o.Clock, Log: observe.NewLog(o.logs, "test"), Lease: job.LeaseFor,
		Concurrency: 16, Idle: time.Hour, LookEvery: time.Hour,
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- claim.Run(ctx, d, o.r) }()
	testkit.Await(t, "the runner to be awake", func() bool {
		return testkit.Value[bool](t, o.Database, `SELECT EXISTS (SELECT FROM dispatcher WHERE queue = 'high')`)
	})
	for range 20 {
		add(o, writing, note{"plain"}, job.Options{})
		add(o, keyed, note{"keyed"}, job.Options{Key: "k"})
	}
	testkit.Await(t, "the jobs", func() bool { return testkit.Value[int](t, o.Database, `SELECT count(*) FROM job`) == 0 })
	plain := testkit.Value[int](t, o.Database, `SELECT count(*) FROM noted WHERE text = 'plain'`)
	if some := testkit.Value[int](t, o.Database, `SELECT count(*) FROM noted WHERE text = 'keyed'`); plain != 20 || some < 1 {
		t.Errorf("%d of 20 plain jobs were done, and %d with a key", plain, some)
	}
	stop()
	<-done
	if n := nudges.Depth().Visible; n > 1 {
		t.Errorf("%d nudges although a runner was awake", n)
	}
}
