package claim_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/uuid"

	local "portico/infra/local/aws"
	"portico/infra/local/aws/awstest"
	"portico/shared/claim"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// swept is a queue whose next work is known without a database.
type swept struct {
	claim.Swept
	next   claim.Next
	err    error
	asked  int
	nudges *local.Queue
}

func newSwept(t *testing.T, db *testkit.Database, client *dynamodb.Client, table, queue string) *swept {
	t.Helper()
	s := &swept{}
	nudges, sender := awstest.Queue(t)
	s.nudges = nudges
	s.Swept = claim.Swept{
		Waker:        &claim.Waker{Queue: queue, Database: pg.Home, Due: claim.NewDue(client, table, queue, pg.Home, db.Clock), Nudge: sender},
		OldestDueAge: queue + "Age",
		Next:         func(context.Context) (claim.Next, error) { s.asked++; return s.next, s.err },
	}
	return s
}

// One sweep serves all queues: it asks Postgres about those whose item says that
// something is due, and wakes a dispatcher for each that has something. A queue that
// cannot be asked keeps it from no other.
func TestSweepServesAllQueues(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), testkit.DB(t)
	client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	idle, broken, busy := newSwept(t, db, client, table, "idle"), newSwept(t, db, client, table, "broken"), newSwept(t, db, client, table, "busy")
	lines := &testkit.Log{}
	s := claim.Sweeper{
		DB: db.Worker, Queues: []claim.Swept{idle.Swept, broken.Swept, busy.Swept}, Clock: db.Clock, Log: observe.NewLog(lines, "test"),
		FinishMoves: func(context.Context) (bool, error) { return false, nil },
	}
	testkit.Must(t, s.Sweep(ctx)) // makes the items: it is not known when something is due
	for _, q := range []*swept{broken, busy} {
		testkit.Must(t, q.Waker.Due.Lower(ctx, db.Clock.Now()))
		q.next = claim.Next{At: db.Clock.Now(), Due: true, Age: 3 * time.Second}
	}
	broken.err = errors.New("Postgres is away")
	if err := s.Sweep(ctx); !errors.Is(err, broken.err) {
		t.Errorf("the sweep ended with %v", err)
	}
	for _, q := range []struct {
		*swept
		asked, nudges int
	}{{idle, 1, 0}, {broken, 2, 0}, {busy, 2, 1}} {
		if n := q.nudges; q.swept.asked != q.asked || n > 0 != (q.swept.nudges.Depth().Visible > 0) {
			t.Errorf("%s: asked %d times, %d nudges; want %d, %d", q.Waker.Queue, q.swept.asked, q.swept.nudges.Depth().Visible, q.asked, n)
		}
	}
	if text := lines.String(); !strings.Contains(text, `"busyAge":3`) || strings.Count(text, `"brokenAge":`) != 1 || strings.Count(text, `"swept"`) != 2 {
		t.Errorf("lines: %s", text)
	}
}

// What is due or becomes due within the minute gets a nudge that arrives before the
// next sweep, so that work whose dispatchers are killed after this sweep does not wait
// for the next one.
func TestSweepWakesBetweenSweeps(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), testkit.DB(t)
	client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	in := func(d time.Duration) claim.Next {
		return claim.Next{At: db.Clock.Now().Add(d), Due: d <= 0, Age: -d}
	}
	for _, tt := range []struct {
		name         string
		next         claim.Next
		awake        bool
		now, between int // nudges
	}{
		{"nothing", claim.Next{}, false, 0, 0},
		{"due", in(-3 * time.Second), false, 1, 1},
		{"inhand", in(0), true, 0, 1},
		{"soon", in(20 * time.Second), false, 0, 1},
		{"later", in(2 * time.Minute), false, 0, 0},
	} {
		q := newSwept(t, db, client, table, tt.name)
		q.next = tt.next
		if tt.awake {
			testkit.Must(t, claim.StayAwake(ctx, db.Worker, tt.name, uuid.New()))
		}
		s := claim.Sweeper{
			DB: db.Worker, Queues: []claim.Swept{q.Swept}, Clock: db.Clock, Log: observe.NewLog(&testkit.Log{}, "test"),
			FinishMoves: func(context.Context) (bool, error) { return false, nil },
		}
		testkit.Must(t, s.Sweep(ctx))
		if d := q.nudges.Depth(); d.Visible != tt.now || d.Delayed != tt.between {
			t.Errorf("%s: %d nudges, and %d with a delay; want %d and %d", tt.name, d.Visible, d.Delayed, tt.now, tt.between)
		}
	}
}

// A dispatcher of one queue is not awake for another one: it is not told, and the
// sweep wakes one.
func TestQueuesAreApart(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	eachQueue(t, func(t *testing.T, make func(*testing.T) subject) {
		s := make(t)
		testkit.Must(t, claim.StayAwake(ctx, s.Worker, "another", uuid.New()))
		s.add()
		if s.tell() {
			t.Error("a dispatcher of another queue was told")
		}
		client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
		q := newSwept(t, s.Database, client, table, s.queue)
		q.Next = s.next
		sweeper := claim.Sweeper{
			DB: s.Worker, Queues: []claim.Swept{q.Swept}, Clock: s.Clock, Log: observe.NewLog(&testkit.Log{}, "test"),
			FinishMoves: func(context.Context) (bool, error) { return false, nil },
		}
		testkit.Must(t, sweeper.Sweep(ctx))
		if n := q.nudges.Depth().Visible; n != 1 {
			t.Errorf("%d nudges while a dispatcher of another queue is awake, want 1", n)
		}
	})
}
