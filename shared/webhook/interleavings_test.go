package webhook_test

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"portico/shared/testkit"
	"portico/shared/webhook"
)

// interleave runs a publisher, which commits and then reads who is awake, and a
// dispatcher, which says something in its row and then looks, in every order of
// their four steps. before makes the dispatcher's row, say changes it. read reports
// whether the publisher relies on the dispatcher; then the look must have found the
// delivery.
func interleave(t *testing.T, before, say func(*engine, uuid.UUID), read func(*engine) (relies bool)) {
	for _, order := range []string{"ppdd", "pdpd", "pddp", "dppd", "dpdp", "ddpp"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			e, me := newEngine(t), uuid.New()
			e.endpoint("https://example.com/", "*")
			before(e, me)
			relies, seen := false, false
			steps := map[rune][]func(){
				'p': {func() { e.publish(`1`) }, func() { relies = read(e) }},
				'd': {func() { say(e, me) }, func() {
					next, err := webhook.NextDue(context.Background(), e.Worker)
					testkit.Must(t, err)
					seen = webhook.IsDue(next)
				}},
			}
			for _, who := range order {
				steps[who][0]()
				steps[who] = steps[who][1:]
			}
			if relies && !seen {
				t.Error("the event is committed and nobody knows")
			}
		})
	}
}

// Every committed publish is dispatched. A publisher commits, then asks who is
// awake, and sends a nudge if nobody is; a dispatcher that goes to sleep deletes its
// row, then looks. In every order one of the two notices the delivery.
func TestWakeInterleavings(t *testing.T) {
	t.Parallel()
	interleave(t,
		func(e *engine, me uuid.UUID) {
			testkit.Must(e.t, webhook.StayAwake(context.Background(), e.Worker, me))
		},
		func(e *engine, me uuid.UUID) {
			testkit.Must(e.t, webhook.GiveUpRow(context.Background(), e.Worker, me))
		},
		func(e *engine) bool { return e.tell() })
}

// A leader that looks all the time wants no notifications. When it wants them
// again, it first says so and then looks once more. In every order either the
// publisher notifies it, or its look finds the delivery.
func TestUnnotifiedInterleavings(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	interleave(t,
		func(e *engine, me uuid.UUID) {
			testkit.Must(e.t, webhook.StayAwake(ctx, e.Worker, me))
			testkit.Must(e.t, webhook.Unnotified(ctx, e.Worker, me, true))
		},
		func(e *engine, me uuid.UUID) { testkit.Must(e.t, webhook.Unnotified(ctx, e.Worker, me, false)) },
		func(e *engine) bool {
			heard := e.listen()
			return e.tell() && !heard()
		})
}
