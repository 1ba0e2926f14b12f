package jobs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"portico/shared/consumer"
	"portico/shared/event"
	"portico/shared/jobs"
	"portico/shared/org"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook/signing"
)

// keeper is an organization with an endpoint and an event consumer.
func keeper(t *testing.T, db *testkit.Database) *customer {
	t.Helper()
	c := &customer{db, t, db.NewOrg(t)}
	c.endpoint(0, "*")
	reader := consumer.New("reader", db.Clock.Now())
	reader.EventTypes = []string{"*"}
	c.InOrg(t, c.org, func(ctx context.Context, tx pg.Tx) error {
		return consumer.Insert(ctx, tx, c.org, reader, signing.NewSecret(), testkit.Box(t))
	})
	return c
}

// keeps sets for how many days the organization keeps its events; nil: as the stage.
func (c *customer) keeps(days any) {
	c.t.Helper()
	c.InOrg(c.t, c.org, func(ctx context.Context, tx pg.Tx) error {
		change := map[string]any{org.EventRetentionDays.Name: days}
		testkit.Must(c.t, org.CheckSettings("settings", change))
		_, _, err := org.Update(ctx, tx, c.org, org.Change{Settings: change}, c.Clock.Now())
		return err
	})
}

// publishExternal publishes an event with an external id.
func (c *customer) publishExternal(external string) (published event.Event, err error) {
	err = c.App.InOrg(context.Background(), c.org, func(tx pg.Tx) error {
		events, _, err := event.Publish(context.Background(), tx, c.org, []event.Draft{{Type: "a", Data: json.RawMessage(`1`), ExternalID: &external}}, c.Clock.Now())
		if err == nil {
			published = events[0]
		}
		return err
	})
	return published, err
}

// finish ends all deliveries of the organization's events with one try.
func (c *customer) finish() {
	c.t.Helper()
	c.exec(`INSERT INTO webhook_attempt (org_id, event_id, endpoint_id, number, started_at, latency, status_code, response_body)
		SELECT org_id, event_id, endpoint_id, 1, portico_now(), 1, 200, '' FROM webhook_delivery WHERE org_id = $1 AND status = 'pending'`, c.org)
	c.exec(`UPDATE webhook_delivery SET status = 'delivered', attempts = 1, next_retry_at = NULL, completed_at = portico_now() WHERE org_id = $1 AND status = 'pending'`, c.org)
}

// rows counts the organization's events, deliveries, attempts, external ids and items.
func (c *customer) rows() string {
	c.t.Helper()
	return testkit.Value[string](c.t, c.Database, `
		SELECT format('%s %s %s %s %s', (SELECT count(*) FROM event WHERE org_id = $1), (SELECT count(*) FROM webhook_delivery WHERE org_id = $1),
			(SELECT count(*) FROM webhook_attempt WHERE org_id = $1), (SELECT count(*) FROM event_external_id WHERE org_id = $1),
			(SELECT count(*) FROM event_consumer_item WHERE org_id = $1))`, c.org)
}

// fill adds events that were published before, each with a delivery that has finished.
func (c *customer) fill(n int, before time.Duration) {
	c.t.Helper()
	c.exec(`
		WITH made AS (
			INSERT INTO event (org_id, id, type, payload, created_at)
			SELECT $1, overlay(overlay(gen_random_uuid()::text PLACING left(uuid_floor(at)::text, 13) FROM 1) PLACING '7' FROM 15)::uuid, 't', '{}', at
			FROM generate_series(1, $2) AS n CROSS JOIN LATERAL (SELECT portico_now() - $3::interval - interval '1 millisecond' * n AS at) made RETURNING id
		)
		INSERT INTO webhook_delivery (org_id, event_id, endpoint_id, id, attempts, completed_at, status)
		SELECT org_id, made.id, webhook_endpoint.id, made.id, 0, portico_now(), 'failed' FROM made, webhook_endpoint WHERE org_id = $1`, c.org, n, before)
}

func mustMaintain(t *testing.T, u *jobs.Upkeep) jobs.Maintained {
	t.Helper()
	done, err := u.Maintain(context.Background())
	testkit.Must(t, err)
	return done
}

// The upkeep deletes the events of an organization that are older than it keeps them,
// with all that belongs to them. What is unfinished or younger stays, and so do the
// events of other organizations.
func TestExpireEvents(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	u, _ := newUpkeep(t, db, io.Discard)
	week, year, same, moving, closed := keeper(t, db), keeper(t, db), keeper(t, db), keeper(t, db), keeper(t, db)
	all := []*customer{week, year, same, moving, closed}
	for _, c := range all {
		c.keeps(7.0)
		_, err := c.publishExternal("finished")
		testkit.Must(t, err)
		c.finish()
		_, err = c.publishExternal("unfinished")
		testkit.Must(t, err)
	}
	year.keeps(365.0)
	same.keeps(nil)
	db.Exec(t, `UPDATE organization SET deleted_at = portico_now() WHERE id = $1`, closed.org)
	db.Advance(t, 6*days)
	for _, c := range all {
		_, err := c.publishExternal("young")
		testkit.Must(t, err)
	}
	if done := mustMaintain(t, u); done.EventsExpired != 0 {
		t.Errorf("after six days: %+v", done)
	}
	db.Advance(t, 2*days)
	db.Place(t, moving.org, "draining", "acme")
	done := mustMaintain(t, u)
	if done.EventsExpired != 1 || done.StreamItemsForgotten != 2 {
		t.Errorf("after eight days: %+v", done)
	}
	for i, c := range all {
		want := "3 3 1 3 3"
		if c == week {
			want = "2 2 0 2 1" // an item does not wait for a delivery
		}
		if got := c.rows(); got != want {
			t.Errorf("organization %d has %s, want %s", i, got, want)
		}
	}
	week.finish()
	if done := mustMaintain(t, u); done.EventsExpired != 1 || week.rows() != "1 1 1 1 1" {
		t.Errorf("when its delivery has finished: %+v, %s", done, week.rows())
	}
	if _, err := week.publishExternal("finished"); err != nil {
		t.Errorf("its external id is not free: %v", err)
	}
}

// The stage may have dropped an event already, and its delivery not yet: the delivery
// goes, too.
func TestExpireDeliveriesWithoutEvents(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	u, _ := newUpkeep(t, db, io.Discard)
	c := keeper(t, db)
	c.publish()
	c.finish()
	c.publish()
	c.exec(`DELETE FROM event; DELETE FROM event_consumer_item`)
	c.keeps(1.0)
	db.Advance(t, 2*days)
	mustMaintain(t, u)
	if got := c.rows(); got != "0 1 0 0 0" {
		t.Errorf("left: %s, want the unfinished delivery", got)
	}
	c.finish()
	mustMaintain(t, u)
	if got := c.rows(); got != "0 0 0 0 0" {
		t.Errorf("left: %s", got)
	}
}

// Deliveries that are held for longer than their organization keeps events fail, and go
// with their events in the same upkeep.
func TestExpireHeld(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	u, _ := newUpkeep(t, db, io.Discard)
	short, other := keeper(t, db), keeper(t, db)
	short.keeps(3.0)
	for _, c := range []*customer{short, other} {
		c.publish()
		c.exec(`UPDATE webhook_endpoint SET status = 'disabled', disabled_at = portico_now(), disabled_reason = 'requested' WHERE org_id = $1`, c.org)
	}
	db.Advance(t, 4*days)
	short.publish()
	if done := mustMaintain(t, u); done.DeliveriesExpired != 1 || done.EventsExpired != 1 || short.rows() != "1 1 0 0 1" || other.rows() != "1 1 0 0 1" {
		t.Errorf("%+v, %s and %s", done, short.rows(), other.rows())
	}
}

// Organizations take turns: however little time there is, each gets a batch. The next
// upkeep continues with what is left.
func TestExpireEventsTakesTurns(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	var log bytes.Buffer
	u, _ := newUpkeep(t, db, &log)
	u.ExpireFor = 0
	huge, small := keeper(t, db), keeper(t, db)
	huge.keeps(2.0)
	small.keeps(2.0)
	huge.fill(1200, 3*days)
	small.fill(10, 3*days)
	for i, want := range []struct {
		deleted int64
		left    string
	}{{510, "700"}, {500, "200"}, {200, "0"}, {0, "0"}} {
		done := mustMaintain(t, u)
		if done.EventsExpired != want.deleted || strings.Fields(huge.rows())[0] != want.left || small.rows() != "0 0 0 0 0" {
			t.Errorf("upkeep %d: %+v, %s and %s are left", i, done, huge.rows(), small.rows())
		}
		named := lines(t, &log, "more events have expired than one upkeep deletes")
		if (len(named) > 0) != (i < 2) || i < 2 && !strings.Contains(fmt.Sprint(named), huge.org.String()) {
			t.Errorf("upkeep %d: the log names %v", i, named)
		}
	}
	u.ExpireFor = time.Hour
	huge.fill(1200, 3*days)
	if done := mustMaintain(t, u); done.EventsExpired != 1200 {
		t.Errorf("with time: %+v", done)
	}
}

// An upkeep that is killed within a batch has deleted nothing of this batch. Meanwhile
// it goes on with other organizations if it fails for one.
func TestExpireEventsSurvivesAKill(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	var log bytes.Buffer
	u, _ := newUpkeep(t, db, &log)
	troubled, other := keeper(t, db), keeper(t, db)
	for _, c := range []*customer{troubled, other} {
		c.keeps(2.0)
		c.fill(600, 3*days)
	}
	// The second batch of one organization ends its session after it has deleted deliveries.
	db.Exec(t, `
		CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
			IF (SELECT count(*) FROM webhook_delivery WHERE org_id = OLD.org_id) < 100 AND OLD.org_id = '`+troubled.org.UUID.String()+`' THEN
				PERFORM pg_terminate_backend(pg_backend_pid());
			END IF;
			RETURN OLD;
		END $$`)
	db.Exec(t, `CREATE TRIGGER die BEFORE DELETE ON event FOR EACH ROW EXECUTE FUNCTION die()`)
	done, err := u.Maintain(context.Background())
	if err == nil || !strings.Contains(err.Error(), troubled.org.String()) || done.EventsExpired != 1100 || troubled.rows() != "100 100 0 0 0" || other.rows() != "0 0 0 0 0" {
		t.Errorf("%+v, %v; left: %s and %s", done, err, troubled.rows(), other.rows())
	}
	if named := lines(t, &log, "events that have expired could not be deleted"); len(named) != 1 || named[0]["organization"] != troubled.org.String() {
		t.Errorf("the log names %v", named)
	}
	db.Exec(t, `DROP TRIGGER die ON event`)
	if done := mustMaintain(t, u); done.EventsExpired != 100 || troubled.rows() != "0 0 0 0 0" {
		t.Errorf("afterwards: %+v, %s", done, troubled.rows())
	}
}
