package recovery_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"portico/shared/event"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/recovery"
)

// Recoveries and replays leave out events that were expunged.
func TestExpungedEventsAreLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.endpoint(webhook.OptionsChange{}, "*")
	kept, expunged := w.publish(draft("a", `1`)), w.publish(draft("a", `2`))
	w.sendAll()
	late := w.endpoint(webhook.OptionsChange{}, "*")
	w.InOrg(t, w.org, func(ctx context.Context, tx pg.Tx) error {
		_, _, _, err := event.Expunge(ctx, tx, w.org, expunged[0])
		return err
	})
	if r := w.replayed(late); r.Status != recovery.Succeeded || r.Deliveries != 1 || !slices.Equal(w.has(late), kept) {
		t.Errorf("replayed %+v: %v, want %v", r, w.has(late), kept)
	}
	r := w.mustStart(recovery.New{Kind: recovery.Recover, Endpoint: old, Since: w.Clock.Now().Add(-time.Hour), Statuses: []webhook.Status{webhook.Failed}})
	w.work()
	if r = w.get(r); r.Status != recovery.Succeeded || r.Deliveries != 1 {
		t.Errorf("recovered %+v, want one delivery", r)
	}
	if n := testkit.Value[int](t, w.Database, `SELECT count(*) FROM webhook_delivery WHERE event_id = '`+expunged[0].UUID.String()+`' AND status = 'pending'`); n != 0 {
		t.Errorf("%d deliveries of the expunged event are due", n)
	}
}
