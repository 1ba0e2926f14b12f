package webhook_test

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
		e.Insert(e.t, "dispatcher", testkit.Row{"id": uuid.UUID{b}, "awake_until": "infinity"})
	}
}

// A dispatcher calls for help only until its database's share of dispatchers is
// awake: other databases need dispatchers too.
func TestHelpersAreAShare(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ share, others, nudges int }{
		{0, 3, 1}, {1, 0, 0}, {2, 0, 1}, {2, 1, 0}, {3, 1, 1}, {2, 3, 0},
	} {
		e := newEngine(t)
		e.awake([]byte{0xfd, 0xfe, 0xff}[:tt.others]...) // younger than any
		d := e.dispatcher()
		d.Share = tt.share
		testkit.Must(t, webhook.CallHelp(context.Background(), d))
		if n := e.nudges.Depth().Visible; n != tt.nudges {
			t.Errorf("with %d others of %d awake: %d calls for help, want %d", tt.others, tt.share, n, tt.nudges)
		}
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
