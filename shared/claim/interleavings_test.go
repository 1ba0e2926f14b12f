package claim_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"portico/shared/claim"
	"portico/shared/testkit"
)

// interleave runs a publisher, which commits work and then reads who is awake, and a
// dispatcher, which says something in its row and then looks, in every order of
// their four steps, for each queue. before makes the dispatcher's row, say changes
// it. read reports whether the publisher relies on the dispatcher; then the look
// must have found the work.
func interleave(t *testing.T, before, say func(*testing.T, subject, uuid.UUID), read func(*testing.T, subject) (relies bool)) {
	eachQueue(t, func(t *testing.T, make func(*testing.T) subject) {
		for _, order := range interleavings("pp", "dd") {
			t.Run(order, func(t *testing.T) {
				t.Parallel()
				s, me := make(t), uuid.New()
				before(t, s, me)
				relies, seen := false, false
				steps := map[rune][]func(){
					'p': {s.add, func() { relies = read(t, s) }},
					'd': {func() { say(t, s, me) }, func() {
						next, err := s.next(context.Background())
						testkit.Must(t, err)
						seen = next.Due
					}},
				}
				for _, who := range order {
					steps[who][0]()
					steps[who] = steps[who][1:]
				}
				if relies && !seen {
					t.Error("the work is committed and nobody knows")
				}
			})
		}
	})
}

// All committed work is done. A publisher commits, then asks who is awake, and
// sends a nudge if nobody is; a dispatcher that goes to sleep deletes its row, then
// looks. In every order one of the two notices the work.
func TestWakeInterleavings(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	interleave(t,
		func(t *testing.T, s subject, me uuid.UUID) {
			testkit.Must(t, claim.StayAwake(ctx, s.Worker, s.queue, me))
		},
		func(t *testing.T, s subject, me uuid.UUID) { testkit.Must(t, claim.GiveUpRow(ctx, s.Worker, me)) },
		func(_ *testing.T, s subject) bool { return s.tell() })
}

// A leader that looks all the time wants no notifications. When it wants them
// again, it first says so and then looks once more. In every order either the
// publisher notifies it, or its look finds the work.
func TestUnnotifiedInterleavings(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	interleave(t,
		func(t *testing.T, s subject, me uuid.UUID) {
			testkit.Must(t, claim.StayAwake(ctx, s.Worker, s.queue, me))
			testkit.Must(t, claim.Unnotified(ctx, s.Worker, me, true))
		},
		func(t *testing.T, s subject, me uuid.UUID) {
			testkit.Must(t, claim.Unnotified(ctx, s.Worker, me, false))
		},
		func(t *testing.T, s subject) bool {
			heard := listen(t, s)
			return s.tell() && !heard()
		})
}

// listen returns a function that reports whether a notification for the queue's
// dispatchers came since.
func listen(t *testing.T, s subject) (heard func() bool) {
	t.Helper()
	conn := s.Session(t, "portico_worker")
	testkit.Exec(t, conn, `LISTEN `+pgx.Identifier{s.queue}.Sanitize())
	return func() bool {
		testkit.Exec(t, conn, `SELECT`) // delivers what has come
		soon, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		n, _ := conn.WaitForNotification(soon)
		return n != nil
	}
}
