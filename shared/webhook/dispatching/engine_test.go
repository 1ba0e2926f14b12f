package dispatching_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	local "portico/infra/local/aws"
	"portico/infra/local/aws/awstest"
	"portico/shared/claim"
	"portico/shared/egress"
	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/queue"
	"portico/shared/secret"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/dispatching"
	"portico/shared/webhook/sending"
	"portico/shared/webhook/signing"
)

// engine is everything around a dispatcher. Only the receivers are fakes.
type engine struct {
	*testkit.Database
	t      *testing.T
	box    *secret.Box
	due    *claim.Due
	nudges *local.Queue
	sender *queue.Sender
	org    id.Org
	told   []id.WebhookEndpoint // of the last publish
	lines  *testkit.Log
	last   *dispatching.Dispatcher // of dispatch
}

func newEngine(t *testing.T) *engine {
	t.Helper()
	e := &engine{Database: testkit.DB(t), t: t, box: testkit.Box(t), lines: &testkit.Log{}}
	client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	e.due = claim.NewDue(client, table, webhook.Queue, pg.Home, e.Clock)

	e.nudges, e.sender = awstest.Queue(t)
	e.org = e.NewOrg(e.t)
	return e
}

// endpoint creates an endpoint and returns its id and secret.
func (e *engine) endpoint(url string, types ...string) (id.WebhookEndpoint, string) {
	e.t.Helper()
	endpoint, plain := webhook.NewEndpoint(url, types, e.Clock.Now()), signing.NewSecret()
	e.InOrg(e.t, e.org, func(ctx context.Context, tx pg.Tx) error {
		return webhook.InsertEndpoint(ctx, tx, e.org, endpoint, plain, e.box)
	})
	return endpoint.ID, plain
}

// publish publishes one event for each data.
func (e *engine) publish(data ...string) []event.Event {
	e.t.Helper()
	drafts := make([]event.Draft, len(data))
	for i, d := range data {
		drafts[i] = event.Draft{Type: "invoice.paid", Data: json.RawMessage(d)}
	}
	return e.publishDrafts(drafts)
}

// publishKeys publishes one event for each ordering key.
func (e *engine) publishKeys(keys ...string) []event.Event {
	e.t.Helper()
	drafts := make([]event.Draft, len(keys))
	for i, key := range keys {
		drafts[i] = event.Draft{Type: "invoice.paid", Data: json.RawMessage("{}"), OrderingKey: &key}
	}
	return e.publishDrafts(drafts)
}

// publishDrafts does what the API does.
func (e *engine) publishDrafts(drafts []event.Draft) []event.Event {
	e.t.Helper()
	ctx := context.Background()
	testkit.Must(e.t, e.due.Lower(ctx, e.Clock.Now()))
	var events []event.Event
	e.InOrg(e.t, e.org, func(ctx context.Context, tx pg.Tx) (err error) {
		events, e.told, err = event.Publish(ctx, tx, e.org, drafts, e.Clock.Now())
		return err
	})
	return events
}

// tell is the last step of the last publish: it reports whether a dispatcher was
// notified.
func (e *engine) tell() (awake bool) {
	e.t.Helper()
	var then pgx.Batch
	webhook.Tell(&then, e.org, e.told, &awake)
	testkit.Must(e.t, e.App.InOrgThen(context.Background(), e.org, func(pg.Tx) error { return nil }, &then))
	return awake
}

// localSender may dial this machine.
func (e *engine) localSender(timeout time.Duration) *sending.Sender {
	e.t.Helper()
	policy, err := egress.ParsePolicy("127.0.0.0/8,::1/128")
	testkit.Must(e.t, err)
	return sending.New(policy, e.Clock, timeout)
}

func (e *engine) waker(due *claim.Due) *claim.Waker {
	return &claim.Waker{Queue: webhook.Queue, Database: pg.Home, Due: due, Nudge: e.sender}
}

func (e *engine) dispatcher() *dispatching.Dispatcher {
	e.t.Helper()
	return &dispatching.Dispatcher{
		Dispatcher: claim.Dispatcher{
			DB: e.Worker, Waker: e.waker(e.due), Clock: e.Clock, Log: observe.NewLog(e.lines, "test"),
			Concurrency: 64, Idle: 50 * time.Millisecond,
		},
		Box: e.box, Sender: e.localSender(2 * time.Second),
		Disabling: dispatching.Disabling{After: 120 * time.Hour, Failures: 20}, Publish: event.PublishNotices,
		Random: func() float64 { return 0 },
	}
}

// dispatch runs dispatchers until one falls asleep without nudging a successor.
// Each keeps the endpoints that the last one kept, as a function does whose process
// lives on.
func (e *engine) dispatch() {
	e.t.Helper()
	for {
		before := e.nudges.Depth().Visible
		d := e.dispatcher()
		dispatching.KeepTargets(d, e.last)
		e.last = d
		d.LookEvery = 10 * time.Millisecond // so that Idle is noticed when it has passed
		testkit.Must(e.t, d.Run(context.Background()))
		if e.nudges.Depth().Visible == before {
			return
		}
	}
}

// deliveries returns all of the organization's.
func (e *engine) deliveries(f webhook.DeliveryFilter) (list []webhook.Delivery) {
	e.t.Helper()
	e.InOrg(e.t, e.org, func(ctx context.Context, tx pg.Tx) (err error) {
		list, _, err = webhook.ListDeliveries(ctx, tx, e.org, f, 10_000)
		return err
	})
	return list
}

func (e *engine) attempts(d webhook.Delivery) (list []webhook.Attempt) {
	e.t.Helper()
	e.InOrg(e.t, e.org, func(ctx context.Context, tx pg.Tx) (err error) {
		list, err = webhook.ListAttempts(ctx, tx, e.org, d)
		return err
	})
	return list
}
