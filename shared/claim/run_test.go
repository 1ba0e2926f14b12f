package claim_test

import (
	"context"
	"testing"
	"time"

	"portico/infra/local/aws/awstest"
	"portico/shared/claim"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// dispatcher returns one for a queue.
func dispatcher(t *testing.T, s subject) claim.Dispatcher {
	t.Helper()
	client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	_, sender := awstest.Queue(t)
	return claim.Dispatcher{
		DB: s.Worker, Clock: s.Clock, Log: observe.NewLog(&testkit.Log{}, "test"), Lease: time.Minute, Concurrency: 64, Idle: 50 * time.Millisecond,
		LookEvery: 10 * time.Millisecond, // so that Idle is noticed when it has passed
		Waker:     &claim.Waker{Queue: s.queue, Database: pg.Home, Due: claim.NewDue(client, table, s.queue, pg.Home, s.Clock), Nudge: sender},
	}
}

// A dispatcher does all that is due, each piece once, and sleeps. Then nothing is
// due, its row is gone, and the due item is not later than what it claimed.
func TestRunDoesWhatIsDue(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	eachQueue(t, func(t *testing.T, make func(*testing.T) subject) {
		s := make(t)
		for range 5 {
			s.add()
		}
		d := dispatcher(t, s)
		testkit.Must(t, s.run(ctx, d))
		next, err := s.next(ctx)
		if err != nil || !next.At.IsZero() || s.done() != 5 {
			t.Errorf("%d pieces of work done, want 5; then the next is %+v, %v", s.done(), next, err)
		}
		if s.tell() {
			t.Error("the dispatcher sleeps and counts as awake")
		}
		if item, err := d.Waker.Due.Read(ctx); err != nil || item.Missing() || item.At.After(s.Clock.Now()) {
			t.Errorf("due item %+v, %v", item, err)
		}
	})
}

// An awake dispatcher is told of new work; it need not look for it.
func TestAwakeDispatcherIsTold(t *testing.T) {
	t.Parallel()
	eachQueue(t, func(t *testing.T, make func(*testing.T) subject) {
		s := make(t)
		d := dispatcher(t, s)
		d.Idle, d.LookEvery, d.ListenFor = time.Hour, time.Hour, time.Hour
		ctx, stop := context.WithCancel(context.Background())
		done := goRun(ctx, s, d)
		testkit.Await(t, "the dispatcher to be awake", s.tell)
		for n := 1; n <= 3; n++ { // it looks when it wakes and when it begins to listen
			s.add()
			// Told again, in case it was not listening yet.
			testkit.Await(t, "the work", func() bool { s.tell(); return s.done() == n })
		}
		stop()
		<-done
	})
}

func goRun(ctx context.Context, s subject, d claim.Dispatcher) <-chan error {
	done := make(chan error, 1)
	go func() { done <- s.run(ctx, d) }()
	return done
}
