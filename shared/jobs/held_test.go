package jobs_test

import (
	"bytes"
	"context"
	"testing"

	"portico/shared/testkit"
)

// Deliveries that a disabled endpoint holds do not keep a partition. While an
// ordering key is locked, only the deliveries of its organization are left for
// another day.
func TestHeldKeepsNoPartition(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	var log bytes.Buffer
	u, _ := newUpkeep(t, db, &log)
	var customers []*customer
	for range 3 {
		c := &customer{db, t, db.NewOrg(t)}
		c.endpoint(0, "*")
		c.publish()
		customers = append(customers, c)
	}
	locked := customers[1]
	db.Insert(t, "ordering_key", testkit.Row{"org_id": locked.org, "key": "k", "last_seq": 1})
	locked.exec(`UPDATE webhook_delivery SET ordering_key = 'k', seq = 1 WHERE org_id = $1`, locked.org)
	locked.exec(`UPDATE webhook_endpoint SET status = 'disabled', disabled_at = portico_now(), disabled_reason = 'requested'`)
	db.Advance(t, 200*days)
	if _, err := u.Maintain(ctx); err != nil { // makes partitions
		t.Fatal(err)
	}
	if n := testkit.Value[int](t, db, `SELECT count(*) FROM webhook_delivery`); n != 0 {
		t.Errorf("%d deliveries are left", n)
	}
	log.Reset()

	for _, c := range customers {
		c.publish()
	}
	locked.exec(`UPDATE webhook_delivery SET ordering_key = 'k', seq = 2 WHERE org_id = $1`, locked.org)
	db.Advance(t, 200*days)
	holder, err := db.Admin.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.Exec(ctx, `SELECT FROM ordering_key FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	done, err := u.Maintain(ctx)
	if err != nil || done.DeliveriesExpired != 2 || done.PartitionsKept != 3 {
		t.Errorf("while a key is locked: %+v, %v", done, err)
	}
	if lines := lines(t, &log, "held deliveries could not be set to failed"); len(lines) != 1 || lines[0]["organization"] != locked.org.String() {
		t.Errorf("the log names %v", lines)
	}
	if err := holder.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	if done, err := u.Maintain(ctx); err != nil || done.DeliveriesExpired != 1 || done.PartitionsKept != 0 {
		t.Errorf("afterwards: %+v, %v", done, err)
	}
}
