package dispatching_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/sending"
)

// awake adds dispatchers that count as awake for ever, with ids that have this
// prefix.
func (e *engine) awake(first ...byte) {
	e.t.Helper()
	for _, b := range first {
		e.Insert(e.t, "dispatcher", testkit.Row{"queue": webhook.Queue, "id": uuid.UUID{b}, "awake_until": "infinity"})
	}
}

// A dispatcher beyond its database's share goes to sleep, even if much is due,
// and wakes no other one instead.
func TestSurplusDispatcherSleeps(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	rec, release := hanging(t)
	e.endpoint(rec.URL, "*")
	e.publish(strings.Split(strings.Repeat("1,", 9)+"1", ",")...)
	e.Advance(t, 2*time.Second) // overdue, so a helper takes them
	e.awake(1)
	d := e.dispatcher()
	d.Sender, d.Concurrency, d.Share = e.localSender(sending.MaxTimeout), 8, 1
	end := e.run(context.Background(), d)
	testkit.Await(t, "half of the slots to be taken", func() bool { return len(rec.All()) == 4 })
	testkit.Await(t, "the dispatcher to give up its row", func() bool {
		return testkit.Value[int](t, e.Database, `SELECT count(*) FROM dispatcher`) == 1
	})
	release()
	testkit.Must(t, end())
	if delivered, nudges := e.count(webhook.Delivered), e.nudges.Depth().Visible; delivered != 4 || nudges != 0 {
		t.Errorf("%d delivered and %d nudges, want what was in flight, 4, and none", delivered, nudges)
	}
}
