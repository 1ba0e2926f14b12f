package jobs_test

import (
	"context"
	"encoding/json"
	"io"
	"testing"
	"time"

	"portico/shared/event"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// An external id is kept as long as its event: until the upkeep drops the partition.
func TestExternalIDsGoWithTheirEvents(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	org := db.NewOrg(t)
	u, _ := newUpkeep(t, db, io.Discard)
	publish := func(external string) {
		t.Helper()
		db.InOrg(t, org, func(ctx context.Context, tx pg.Tx) error {
			_, _, err := event.Publish(ctx, tx, org, []event.Draft{{Type: "a", Data: json.RawMessage(`1`), ExternalID: &external}}, db.Clock.Now())
			return err
		})
	}
	publish("old")
	for _, tt := range []struct {
		after time.Duration
		want  string
	}{{0, "old"}, {29 * days, "old"}, {33 * days, "new"}} { // the month has ended after 31 days, and is then kept for 30
		db.Advance(t, tt.after)
		done, err := u.Maintain(ctx)
		testkit.Must(t, err)
		if tt.want == "new" && done.ExternalIDsForgotten != 1 {
			t.Errorf("%+v", done)
		}
		if tt.after > 0 && tt.want == "old" {
			publish("new")
		}
		if n := testkit.Value[int](t, db, `SELECT count(*) FROM event_external_id WHERE external_id = $1`, tt.want); n != 1 {
			t.Errorf("%s later the id %s is there %d times", tt.after, tt.want, n)
		}
	}
	if n := testkit.Value[int](t, db, `SELECT count(*) FROM event_external_id`); n != 1 {
		t.Errorf("%d ids are left, want 1", n)
	}
}
