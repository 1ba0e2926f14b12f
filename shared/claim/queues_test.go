package claim_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/claim"
	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/dispatching"
	"portico/shared/webhook/sending"
	"portico/shared/webhook/signing"
)

// subject is a queue under test.
type subject struct {
	*testkit.Database
	queue string
	add   func()              // commits work that is due now, and tells nobody
	tell  func() (awake bool) // what runs after such a commit
	next  func(context.Context) (claim.Next, error)
	run   func(context.Context, claim.Dispatcher) error
	done  func() int // how much work was done
}

// queues makes each queue that runs on the engine, by name.
var queues = map[string]func(*testing.T) subject{
	webhook.Queue: deliveries,
	"job":         jobs,
}

var _ claim.Queue[job.Lane, job.Claim, job.Result] = (*job.Runner)(nil)

// eachQueue runs a test on each queue.
func eachQueue(t *testing.T, test func(*testing.T, func(*testing.T) subject)) {
	for name, make := range queues {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, make)
		})
	}
}

// told runs the statement that tell queues after a transaction without changes.
func told(t *testing.T, db *testkit.Database, org id.Org, tell func(then *pgx.Batch, awake *bool)) (awake bool) {
	t.Helper()
	var then pgx.Batch
	tell(&then, &awake)
	testkit.Must(t, db.App.InOrgThen(context.Background(), org, func(pg.Tx) error { return nil }, &then))
	return awake
}

// deliveries is the queue of webhook deliveries, with one endpoint.
func deliveries(t *testing.T) subject {
	t.Helper()
	db := testkit.DB(t)
	org := db.NewOrg(t)
	receiver := testkit.NewReceiver(t, nil)
	endpoint := webhook.NewEndpoint(receiver.URL, []string{"*"}, db.Clock.Now())
	db.InOrg(t, org, func(ctx context.Context, tx pg.Tx) error {
		return webhook.InsertEndpoint(ctx, tx, org, endpoint, signing.NewSecret(), testkit.Box(t))
	})
	return subject{
		Database: db, queue: webhook.Queue, next: dispatching.Swept(db.Worker, nil).Next,
		add: func() {
			db.InOrg(t, org, func(ctx context.Context, tx pg.Tx) error {
				draft := event.Draft{Type: "invoice.paid", Data: json.RawMessage(`1`)}
				_, _, err := event.Publish(ctx, tx, org, []event.Draft{draft}, db.Clock.Now())
				return err
			})
		},
		tell: func() bool {
			return told(t, db, org, func(then *pgx.Batch, awake *bool) {
				webhook.Tell(then, org, []id.WebhookEndpoint{endpoint.ID}, awake)
			})
		},
		run: func(ctx context.Context, d claim.Dispatcher) error {
			w := dispatching.Dispatcher{Dispatcher: d, Box: testkit.Box(t), Sender: sending.New(testkit.Loopback(t), db.Clock, time.Second), Publish: event.PublishNotices}
			return w.Run(ctx)
		},
		done: func() int { return len(receiver.All()) },
	}
}

// jobs is the queue of jobs for which somebody waits.
func jobs(t *testing.T) subject {
	t.Helper()
	type nothing struct{}
	var done atomic.Int64
	kind := job.Kind[nothing]{
		Name: "test.nothing", Queue: job.High, Timeout: time.Minute,
		Work: job.InTx(func(context.Context, pg.Tx, job.Job, nothing) error { done.Add(1); return nil }),
	}
	kinds, err := job.NewRegistry(kind)
	testkit.Must(t, err)
	db := testkit.DB(t)
	org := db.NewOrg(t)
	runner := job.Runner{DB: db.App, Worker: db.Worker, Database: pg.Home, Queue: job.High, Kinds: kinds, Clock: db.Clock, Log: observe.NewLog(&testkit.Log{}, "test")}
	return subject{
		Database: db, queue: string(job.High), next: runner.Next,
		add: func() {
			db.InOrg(t, org, func(ctx context.Context, tx pg.Tx) error {
				_, err := job.Add(ctx, tx, org, kind, nothing{}, job.Options{})
				return err
			})
		},
		tell: func() bool {
			return told(t, db, org, func(then *pgx.Batch, awake *bool) { claim.Tell(then, string(job.High), "", awake) })
		},
		run:  func(ctx context.Context, d claim.Dispatcher) error { return claim.Run(ctx, &d, &runner) },
		done: func() int { return int(done.Load()) },
	}
}
