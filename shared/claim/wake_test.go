package claim_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/uuid"

	"portico/infra/local/aws/awstest"
	"portico/shared/claim"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/queue"
	"portico/shared/testkit"
)

// A killed dispatcher's row runs out by itself.
func TestKilledDispatcherIsNotAwake(t *testing.T) {
	t.Parallel()
	eachQueue(t, func(t *testing.T, make func(*testing.T) subject) {
		s := make(t)
		testkit.Must(t, claim.StayAwake(context.Background(), s.Worker, s.queue, uuid.New()))
		if !s.tell() {
			t.Error("nobody is told while a dispatcher is awake")
		}
		s.Advance(t, 6*time.Second)
		if s.tell() {
			t.Error("a row that has run out is told, and no nudge sent")
		}
	})
}

// While no dispatcher is awake, an environment sends one nudge per second, even
// if it publishes more often. A nudge that could not be sent does not count.
func TestNudgesAreBounded(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	nudges, sender := awstest.Queue(t)
	w := &claim.Waker{Queue: "queue", Database: pg.Home, Nudge: sender}
	wake := func(want bool) {
		t.Helper()
		if nudged, err := w.WakeForPublish(ctx); err != nil || nudged != want {
			t.Errorf("nudged %v, %v; want %v", nudged, err, want)
		}
	}
	wake(true)
	claim.NudgedAt(w, time.Now())
	for range 20 {
		wake(false)
	}
	claim.NudgedAt(w, time.Now().Add(-claim.IdleAtLeast))
	wake(true)
	if n := nudges.Depth().Visible; n != 2 {
		t.Errorf("%d nudges, want 2", n)
	}
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	w = &claim.Waker{Nudge: queue.NewSender(sqs.NewFromConfig(testkit.AWS(away.URL)), away.URL)}
	for range 2 {
		if nudged, err := w.WakeForPublish(ctx); err == nil || nudged {
			t.Errorf("without a queue: nudged %v, %v", nudged, err)
		}
	}
}

// A dispatcher calls for help only until its database's share of dispatchers is
// awake: other databases need dispatchers too.
func TestHelpersAreAShare(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ share, others, nudges int }{
		{0, 3, 1}, {1, 0, 0}, {2, 0, 1}, {2, 1, 0}, {3, 1, 1}, {2, 3, 0},
	} {
		db := testkit.DB(t)
		nudges, sender := awstest.Queue(t)
		d := &claim.Dispatcher{
			DB: db.Worker, Waker: &claim.Waker{Queue: "queue", Database: pg.Home, Nudge: sender}, Clock: db.Clock,
			Log: observe.NewLog(&testkit.Log{}, "test"), Share: tt.share,
		}
		for _, b := range []byte{0xfd, 0xfe, 0xff}[:tt.others] { // younger than any
			db.Insert(t, "dispatcher", testkit.Row{"queue": "queue", "id": uuid.UUID{b}, "awake_until": "infinity"})
		}
		testkit.Must(t, claim.CallHelp(context.Background(), d))
		if n := nudges.Depth().Visible; n != tt.nudges {
			t.Errorf("with %d others of %d awake: %d calls for help, want %d", tt.others, tt.share, n, tt.nudges)
		}
	}
}
