package jobs_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	local "portico/infra/local/aws"
	"portico/infra/local/aws/awstest"
	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/jobs"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

type rename struct {
	Name string `json:"name"`
}

// renaming is a kind that changes the organization's name.
var renaming = job.Kind[rename]{Name: "test.rename", Queue: job.High, Work: job.InTx(
	func(ctx context.Context, tx pg.Tx, _ job.Job, args rename) error {
		return pg.Exec(ctx, tx, "test", `UPDATE organization SET name = name || $1`, args.Name)
	})}

// jobQueue is the queue high with its function.
type jobQueue struct {
	*testkit.Database
	t      *testing.T
	org    id.Org
	nudges *local.Queue
	run    func(ctx context.Context, body string) error
}

func newJobQueue(t *testing.T, kinds ...job.Declared) *jobQueue {
	t.Helper()
	db := testkit.DB(t)
	client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	nudges, sender := awstest.Queue(t)
	log := observe.NewLog(&testkit.Log{}, "test")
	waker := &claim.Waker{Queue: string(job.High), Database: pg.Home, Due: claim.NewDue(client, table, string(job.High), pg.Home, db.Clock), Nudge: sender}
	job.Announce(db.App, job.High, pg.Databases[*claim.Waker]{pg.Home: waker}, db.Clock, log)
	registry, err := job.NewRegistry(kinds...)
	testkit.Must(t, err)
	return &jobQueue{Database: db, t: t, org: db.NewOrg(t), nudges: nudges, run: jobs.RunJobs(pg.Databases[*jobs.Runner]{pg.Home: {
		Dispatcher: claim.Dispatcher{DB: db.Worker, Waker: waker, Clock: db.Clock, Log: log, Lease: 30 * time.Second, Concurrency: 8, Idle: 20 * time.Millisecond, LookEvery: 10 * time.Millisecond},
		Jobs: &job.Runner{DB: db.App, Worker: db.Worker, Database: pg.Home, Queue: job.High, Kinds: registry, Clock: db.Clock, Log: log,
			HandOver: func(ctx context.Context, body string) error { return sender.SendAfter(ctx, body, 0) }},
	}})}
}

// add adds a job and commits.
func (q *jobQueue) add(kind job.Kind[rename], name string) {
	q.t.Helper()
	q.InOrg(q.t, q.org, func(ctx context.Context, tx pg.Tx) error {
		_, err := job.Add(ctx, tx, q.org, kind, rename{name}, job.Options{})
		return err
	})
}

// consume gives the function the messages of the queue until there are none, and
// returns how many there were.
func (q *jobQueue) consume() (messages int) {
	q.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	for {
		batch := q.nudges.Receive(ctx, 1, time.Hour, 0)
		if len(batch) == 0 {
			return messages
		}
		messages++
		testkit.Must(q.t, q.run(ctx, batch[0].Body))
	}
}

func (q *jobQueue) name() string {
	return testkit.Value[string](q.t, q.Database, `SELECT name FROM organization WHERE id = $1`, q.org)
}

// The nudge of the commit that adds a job starts a runner, which does it. A job of a
// kind that is alone is handed over by a second message.
func TestRunJobs(t *testing.T) {
	t.Parallel()
	alone := renaming
	alone.Name, alone.Alone = "test.alone", true
	for kind, want := range map[*job.Kind[rename]]int{&renaming: 1, &alone: 2} {
		q := newJobQueue(t, *kind)
		q.add(*kind, "!")
		if n := q.consume(); n != want || q.name() != "Acme!" {
			t.Errorf("%s: %d messages, want %d; the name is %s", kind.Name, n, want, q.name())
		}
	}
}

// A job that has taken its runner down once is handed over, so that it takes no
// neighbour down; after three runners it is dead. Its neighbours are done.
func TestOneJobHarmsNoOther(t *testing.T) {
	t.Parallel()
	killer := renaming
	killer.Name = "test.killer"
	q := newJobQueue(t, killer, renaming)
	kill := func() { // a runner dies while it does the job
		q.Exec(t, `UPDATE job SET lease = gen_random_uuid(), started_at = portico_now(), due_at = portico_now() - interval '1 second' WHERE kind = 'test.killer'`)
	}
	q.add(killer, "never")
	kill()
	for crash := range 2 {
		q.add(renaming, fmt.Sprint(crash))
		testkit.Must(t, q.run(context.Background(), `{}`))
		handed := testkit.Value[bool](t, q.Database, `SELECT lease IS NOT NULL AND started_at IS NULL FROM job WHERE kind = 'test.killer'`)
		if !handed {
			t.Fatalf("after %d crashes it was not handed over", crash+1)
		}
		kill()
	}
	testkit.Must(t, q.run(context.Background(), `{}`))
	if got := testkit.Value[string](t, q.Database, `SELECT status || ' ' || error_code FROM job`); got != "dead crashed" || q.name() != "Acme01" {
		t.Errorf("the job is %s, the name %s", got, q.name())
	}
}

// Two versions of a runner work side by side: the old one leaves jobs of kinds that
// it does not know.
func TestOldRunnerLeavesNewKinds(t *testing.T) {
	t.Parallel()
	newer := renaming
	newer.Name = "test.newer"
	q := newJobQueue(t, renaming)
	q.add(newer, "new")
	q.add(renaming, "old")
	q.consume()
	left := testkit.Value[[]string](t, q.Database, `SELECT array_agg(kind || ' ' || status) FROM job`)
	if q.name() != "Acmeold" || !slices.Equal(left, []string{"test.newer pending"}) {
		t.Errorf("the name is %s, left are %q", q.name(), left)
	}
}

// What is no message of a queue of jobs, or names a database that is not known, fails
// and so reaches the dead-letter queue.
func TestForeignMessages(t *testing.T) {
	t.Parallel()
	q := newJobQueue(t, renaming)
	for _, body := range []string{``, `null!`, `[]`, `{"database":"nowhere"}`, `{"job":"evt_01h455vb4pex5vsknk084sn02q"}`, `{"job":5}`} {
		if err := q.run(context.Background(), body); err == nil {
			t.Errorf("%q was accepted", body)
		}
	}
}
