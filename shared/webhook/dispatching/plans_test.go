package dispatching_test

import (
	"context"
	"testing"

	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook/dispatching"
)

// A dispatcher that has been awake since the table was empty keeps the plans that
// Postgres made then. When an organization publishes a backlog, these plans must not
// read it.
func TestPlansOfAnEmptyTable(t *testing.T) {
	t.Parallel()
	const backlog = 2000
	e, ctx := newEngine(t), context.Background()
	plain, _ := e.endpoint("https://plain.example.com/", "*")
	limited, _ := e.endpoint("https://limited.example.com/", "*")
	e.Exec(t, `UPDATE webhook_endpoint SET rate_limit = 1000 WHERE id = $1`, limited)
	session := e.OneSession(t)
	use := func(w *pg.Worker) (claimed []dispatching.Claim) {
		claimed, err := dispatching.ClaimDue(ctx, w, 20, dispatching.LeaseFor)
		testkit.Must(t, err)
		if len(claimed) == 0 {
			_, err = dispatching.ClaimOf(ctx, w, e.org, plain)
			testkit.Must(t, err)
			_, err = dispatching.ClaimOf(ctx, w, e.org, limited)
			testkit.Must(t, err)
		}
		_, err = dispatching.NextDue(ctx, w)
		testkit.Must(t, err)
		return claimed
	}

	// The session's plans are those of an empty table. The results are of deliveries that are gone.
	e.publish(`1`)
	gone := use(e.Worker)
	e.Exec(t, `DELETE FROM webhook_delivery`)
	e.Exec(t, `VACUUM (ANALYZE) webhook_delivery`)
	use(session)
	_, err := dispatching.Complete(ctx, session, delivered(gone))
	testkit.Must(t, err)

	data := make([]string, 100)
	for i := range data {
		data[i] = `{}`
	}
	for range backlog / len(data) {
		e.publish(data...)
	}
	before := e.RowsRead(t, session, "webhook_delivery")
	claimed := use(session)
	if len(claimed) != 20 {
		t.Fatalf("%d deliveries claimed, want 10 of each endpoint", len(claimed))
	}
	_, err = dispatching.Complete(ctx, session, delivered(claimed))
	testkit.Must(t, err)
	if read := e.RowsRead(t, session, "webhook_delivery") - before; read > 1000 {
		t.Errorf("20 deliveries were claimed and completed beside %d others, and for that %d rows were read", 2*backlog, read)
	}
}
