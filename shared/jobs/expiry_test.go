package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/shared/event"
	"portico/shared/fault"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// An organization that begins to move keeps its rows from then on: those that a batch
// would delete have been copied already.
func TestExpiryOfAMovingOrganization(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	c := keeper(t, db)
	c.keeps(2.0)
	c.fill(600, 3*days)
	retentions, err := event.ListRetentions(ctx, db.Worker, 30*days)
	testkit.Must(t, err)
	expiry := retentions.Expiries()[0]
	if deleted, more, err := expiry.Next(ctx, db.Worker); deleted != 500 || !more || err != nil {
		t.Errorf("%d deleted, more %v, %v", deleted, more, err)
	}
	db.Place(t, c.org, "draining", "acme")
	if deleted, more, err := expiry.Next(ctx, db.Worker); deleted != 0 || more || err != nil || c.rows() != "100 100 0 0 0" {
		t.Errorf("%d deleted, more %v, %v; %s", deleted, more, err, c.rows())
	}
}

// An event is published again, by its external id, while the first one is being deleted:
// the id belongs to the first one or to the new one, and is never refused.
func TestPublishWhileExpiring(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"AFTER DELETE ON event_external_id", "AFTER INSERT ON event_external_id"} {
		db, ctx := testkit.DB(t), context.Background()
		c := keeper(t, db)
		c.keeps(2.0)
		first, err := c.publishExternal("x")
		testkit.Must(t, err)
		c.finish()
		db.Advance(t, 3*days)
		retentions, err := event.ListRetentions(ctx, db.Worker, 30*days)
		testkit.Must(t, err)
		expiry := retentions.Expiries()[0]
		reached, release := db.Hold(t, at)
		var second event.Event
		deleted, published := make(chan error, 1), make(chan error, 1)
		expire := func() { _, _, err := expiry.Next(ctx, db.Worker); deleted <- err }
		publish := func() (err error) { second, err = c.publishExternal("x"); published <- err; return err }
		if strings.Contains(at, "DELETE") {
			go expire()
			reached()
			go publish()
			db.AwaitLockWait(t)
		} else {
			go publish()
			reached()
			expire()
		}
		release()
		if err := <-published; err != nil || second.ID == first.ID || second.Replayed {
			t.Errorf("%s: published %s after %s: %v", at, second.ID, first.ID, err)
		}
		testkit.Must(t, <-deleted)
		if got := c.rows(); got != "1 1 0 1 2" {
			t.Errorf("%s: left: %s", at, got)
		}
	}
}

// The event to which an external id belongs is deleted after a publish has found it: the
// publisher is asked to try again.
func TestPublishAgainOfAnExpiredEvent(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	c := keeper(t, db)
	c.keeps(2.0)
	_, err := c.publishExternal("x")
	testkit.Must(t, err)
	c.finish()
	db.Advance(t, 3*days)
	retentions, err := event.ListRetentions(ctx, db.Worker, 30*days)
	testkit.Must(t, err)
	db.Insert(t, "ordering_key", testkit.Row{"org_id": c.org, "key": "k", "last_seq": 1})
	holder, err := db.Admin.Begin(ctx)
	testkit.Must(t, err)
	_, err = holder.Exec(ctx, `SELECT FROM ordering_key FOR UPDATE`) // the second event of the batch waits for it
	testkit.Must(t, err)
	published := make(chan error, 1)
	go func() {
		x, key := "x", "k"
		published <- db.App.InOrg(ctx, c.org, func(tx pg.Tx) error {
			_, _, err := event.Publish(ctx, tx, c.org, []event.Draft{
				{Type: "a", Data: json.RawMessage(`1`), ExternalID: &x}, {Type: "a", Data: json.RawMessage(`2`), OrderingKey: &key},
			}, c.Clock.Now())
			return err
		})
	}()
	watch := db.Session(t, "portico_master")
	testkit.Await(t, "the publish to wait for the key", func() (waits bool) {
		testkit.Must(t, watch.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)`).Scan(&waits))
		return waits
	})
	deleted, _, err := retentions.Expiries()[0].Next(ctx, db.Worker)
	testkit.Must(t, err)
	testkit.Must(t, holder.Rollback(ctx))
	if err := <-published; deleted != 1 || !errors.Is(err, fault.ErrAway) {
		t.Errorf("%d deleted, publishing: %v", deleted, err)
	}
	if _, err := c.publishExternal("x"); err != nil || c.rows() != "1 1 0 1 2" {
		t.Errorf("again: %v, %s", err, c.rows())
	}
}

// Deleting reads only what it deletes, whatever else there is, also with plans that were
// made for empty tables.
func TestExpiryReadsOnlyWhatItDeletes(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	c, other := keeper(t, db), keeper(t, db)
	c.keeps(2.0)
	session := db.OneSession(t)
	next := func() int64 {
		t.Helper()
		retentions, err := event.ListRetentions(ctx, session, 30*days)
		testkit.Must(t, err)
		deleted, _, err := retentions.Expiries()[0].Next(ctx, session)
		testkit.Must(t, err)
		return deleted
	}
	c.fill(1, 3*days)
	for range 7 { // a plan is kept from the sixth time on
		next()
	}
	c.fill(1000, 3*days)
	c.fill(20_000, time.Hour)
	other.fill(20_000, 3*days)
	tables := []string{"event", "webhook_delivery", "webhook_attempt", "event_external_id"}
	before := map[string]int64{}
	for _, table := range tables {
		before[table] = db.RowsRead(t, session, table)
	}
	deleted := next()
	read := map[string]int64{}
	for _, table := range tables {
		read[table] = db.RowsRead(t, session, table) - before[table]
	}
	t.Logf("read: %v", read)
	if deleted != 500 || slices.Max([]int64{read["event"], read["webhook_delivery"], read["webhook_attempt"], read["event_external_id"]}) > 10_000 {
		t.Errorf("to delete %d of 41,000 events these rows and index entries were read: %v", deleted, read)
	}
}
