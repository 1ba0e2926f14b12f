package streaming_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit/stream"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/testkit"
)

// A stream whose job is gone goes on after the daily watch. One that is paused does not.
func TestWatch(t *testing.T) {
	t.Parallel()
	d, other, silent := newDesk(t), newSIEM(t), newSIEM(t)
	s := d.https(other.URL)
	paused := d.https(silent.URL)
	d.write("role.update")
	d.sequence()
	d.Exec(t, `UPDATE audit_stream SET status = 'paused', pause_reason = 'requested', paused_at = portico_now() WHERE id = $1`, paused.ID)
	d.Exec(t, `DELETE FROM job`)
	d.work()
	want(t, "entries without a job", len(other.ids()), 0)
	testkit.Must(t, pgx.BeginFunc(context.Background(), d.Worker, func(tx pgx.Tx) error {
		_, err := job.Add(context.Background(), tx, id.Org{}, stream.Watch, struct{}{}, job.Options{})
		return err
	}))
	d.work()
	d.work()
	want(t, "entries", other.ids(), d.ids())
	want(t, "entries of the paused one", len(silent.ids()), 0)
	want(t, "reached", d.get(s).Reached, int64(1))
}
