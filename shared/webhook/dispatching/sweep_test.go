package dispatching_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/shared/claim"
	"portico/shared/observe"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/dispatching"
)

func (e *engine) sweeper() *claim.Sweeper {
	return &claim.Sweeper{
		DB: e.Worker, Queues: []claim.Swept{dispatching.Swept(e.Worker, e.waker(e.due))}, Clock: e.Clock, Log: observe.NewLog(e.lines, "test"),
		FinishMoves: func(context.Context) (bool, error) { return false, nil },
	}
}

func (e *engine) sweep() (nudges int) {
	e.t.Helper()
	before := e.nudges.Depth().Visible
	testkit.Must(e.t, e.sweeper().Sweep(context.Background()))
	return e.nudges.Depth().Visible - before
}

// The next sweep finds due deliveries without a nudge: a publish whose nudge was
// lost, a retry whose time has come, a lease whose dispatcher died.
func TestSweepFindsWhatIsDue(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	e.endpoint(rec.URL, "*")
	if n := e.sweep(); n != 0 {
		t.Errorf("%d nudges with nothing published", n)
	}
	e.publish(`1`)
	if n := e.sweep(); n != 1 {
		t.Errorf("%d nudges for a publish whose nudge was lost", n)
	}
	e.dispatch()
	e.Advance(t, 50*time.Second)
	if n := e.sweep(); n != 0 {
		t.Errorf("%d nudges before the retry is due", n)
	}
	e.Advance(t, 11*time.Second)
	if n := e.sweep(); n != 1 {
		t.Errorf("%d nudges for a retry whose time has come", n)
	}
	if _, err := dispatching.ClaimDue(context.Background(), e.Worker, 1, dispatching.LeaseFor); err != nil {
		t.Fatal(err)
	}
	if n := e.sweep(); n != 0 {
		t.Errorf("%d nudges while a lease holds", n)
	}
	// While everything that is due is leased, the due item has the end of the lease.
	if due, err := e.due.Read(context.Background()); err != nil || due.At.IsZero() || due.At.After(e.Clock.Now().Add(dispatching.LeaseFor)) {
		t.Errorf("while a lease holds, the due item says %s (%v)", due.At, err)
	}
	if next, err := dispatching.NextDue(context.Background(), e.Worker); err != nil || next.Due || next.At.IsZero() || -next.Age > dispatching.LeaseFor {
		t.Errorf("while a lease holds, the next is due at %s (%v)", next.At, err)
	}
	e.Advance(t, dispatching.LeaseFor+time.Second)
	if n := e.sweep(); n != 1 {
		t.Errorf("%d nudges after a lease has run out", n)
	}
}

// If a dispatcher is awake by its row but deliveries are overdue, the sweep wakes
// another one.
func TestSweepDistrustsOverdueDispatcher(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.endpoint("https://example.com/", "*")
	e.publish(`1`)
	e.Advance(t, 3*time.Second)
	e.awake(1)
	if n := e.sweep(); n != 1 {
		t.Errorf("%d nudges, want 1", n)
	}
}

// The sweep of an idle system reads one DynamoDB item and does not ask Postgres:
// it works while Postgres is down.
func TestIdleSweepAsksNothing(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec := testkit.NewReceiver(t, nil)
	e.endpoint(rec.URL, "*")
	e.publish(`1`)
	e.dispatch()
	e.Advance(t, 2*time.Minute)
	e.sweep() // finds nothing and raises
	e.Worker.Close()
	if n := e.sweep(); n != 0 {
		t.Errorf("%d nudges of an idle system", n)
	}
	if lines := strings.Count(e.lines.String(), `"message":"swept"`); lines != 2 {
		t.Errorf("%d lines of 2 sweeps", lines)
	}
}

// For an organization that is moving, or has moved and left rows behind, nothing
// is due, claimed or told in this database: its deliveries are sent from the
// database where it lives.
func TestMovedIsNotDue(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	endpoint, _ := e.endpoint("https://example.com/", "*")
	e.setCertificate(endpoint, testkit.NewAuthority(t), testkit.ECDSA(t))
	e.publish(`1`)
	check := func(state string, want bool) {
		t.Helper()
		if n, err := dispatching.NextDue(context.Background(), e.Worker); err != nil || n.Due != want {
			t.Errorf("%s: due %+v, %v, want %v", state, n, err, want)
		}
		list, err := webhook.ExpiringCertificates(context.Background(), e.Worker, 400*24*time.Hour)
		if err != nil || (len(list) > 0) != want {
			t.Errorf("%s: %d certificates expire, %v, want %v", state, len(list), err, want)
		}
		claims, err := dispatching.ClaimOf(context.Background(), e.Worker, e.org, endpoint)
		if err != nil || (len(claims) > 0) != want {
			t.Errorf("%s: %d claims, %v, want %v", state, len(claims), err, want)
		}
	}
	e.Place(t, e.org, "left", "acme")
	for _, state := range []string{"left", "arriving", "leaving", "draining"} {
		e.Exec(t, `UPDATE placement SET until = CASE WHEN '`+state+`' IN ('left', 'arriving') THEN 'infinity' ELSE portico_now() + interval '1 minute' END, state = '`+state+`'`)
		check(state, false)
	}
	e.Advance(t, time.Minute)
	check("draining, of a mover that died", true)
}

// The age of an open transaction is measured, whichever role opened it.
func TestSweepMeasuresOldestTransaction(t *testing.T) {
	t.Parallel()
	e, ctx := newEngine(t), context.Background()
	oldest := func() (age time.Duration) {
		testkit.Must(t, e.Worker.QueryRow(ctx, `SELECT oldest_transaction()`).Scan(&age))
		return age
	}
	e.Advance(t, time.Hour) // of another clock
	if age := oldest(); age != 0 {
		t.Errorf("%s with no transaction", age)
	}
	testkit.Exec(t, e.Session(t, "portico_master"), `BEGIN`)
	testkit.Await(t, "it to be old", func() bool { return oldest() > time.Second })
	e.sweep()
	var line struct{ OldestTransactionAge float64 }
	testkit.Must(t, json.Unmarshal([]byte(e.lines.String()), &line))
	if line.OldestTransactionAge <= 1 || line.OldestTransactionAge > 600 {
		t.Errorf("%s", e.lines.String())
	}
}

// If moves cannot be finished in time, the sweep still wakes a dispatcher and
// measures, and then fails.
func TestSweepDoesNotWaitForMoves(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.endpoint("https://example.com/", "*")
	e.publish(`1`)
	s := e.sweeper()
	s.FinishWithin = 50 * time.Millisecond
	s.FinishMoves = func(ctx context.Context) (bool, error) {
		<-ctx.Done()
		return false, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Sweep(ctx); err == nil || !strings.Contains(err.Error(), "moves could not be finished within 50ms") {
		t.Errorf("the sweep ended with %v", err)
	}
	if n := e.nudges.Depth().Visible; n != 1 {
		t.Errorf("%d nudges, want 1", n)
	}
	for _, want := range []string{`"OldestDueAge":`, `"OldestTransactionAge":`} {
		if !strings.Contains(e.lines.String(), want) {
			t.Errorf("%s is missing in %s", want, e.lines.String())
		}
	}
}
