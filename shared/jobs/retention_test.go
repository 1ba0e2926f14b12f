package jobs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/jobs"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
)

// publish publishes an event, of which each endpoint gets a delivery.
func (c *customer) publish() id.Event {
	c.t.Helper()
	var published id.Event
	c.InOrg(c.t, c.org, func(ctx context.Context, tx pg.Tx) error {
		events, _, err := event.Publish(ctx, tx, c.org, []event.Draft{{Type: "invoice.paid", Data: json.RawMessage(`{}`)}}, c.Clock.Now())
		if err == nil {
			published = events[0].ID
		}
		return err
	})
	return published
}

func (c *customer) exec(sql string, args ...any) {
	c.t.Helper()
	c.Exec(c.t, sql, args...)
}

// partitionsOf lists the partitions for an event, its deliveries and its
// attempts, whether they exist or not.
func (c *customer) partitionsOf(e id.Event) []string {
	c.t.Helper()
	return testkit.Value[[]string](c.t, c.Database, `
		SELECT coalesce(array_agg(part ORDER BY part), '{}') FROM expired_partitions('-1000 days')
		WHERE uuid_floor(since) <= $1 AND $1 < uuid_floor(till)`, e)
}

// lines returns the log lines with a message, and empties the log.
func lines(t *testing.T, log *bytes.Buffer, message string) (found []map[string]any) {
	t.Helper()
	for line := range strings.Lines(log.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		if fields["message"] == message {
			found = append(found, fields)
		}
	}
	log.Reset()
	return found
}

// Partitions that are older than the retention are dropped, except those with
// unfinished deliveries: for these the log names the endpoints and what the
// deliveries wait for.
func TestRetention(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	c := &customer{db, t, db.NewOrg(t)}
	endpoint := c.endpoint(0, "*")
	old := c.publish()
	held := c.partitionsOf(old)
	var log bytes.Buffer
	u, _ := newUpkeep(t, db, &log)
	maintain := func() jobs.Maintained {
		t.Helper()
		done, err := u.Maintain(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	db.Advance(t, 200*days)
	db.Exec(t, `SELECT make_partitions()`)
	recent := c.publish()
	db.Advance(t, 29*days)
	c.exec(`UPDATE webhook_delivery SET status = 'delivered', next_retry_at = NULL WHERE event_id = $1`, recent)

	for _, tt := range []struct {
		because string
		change  func()
	}{
		{"retries", func() {}},
		{"endpoint disabled", func() {
			c.exec(`UPDATE webhook_endpoint SET status = 'disabled', disabled_at = portico_now(), disabled_reason = 'requested'`)
			c.exec(`UPDATE webhook_delivery SET lease = gen_random_uuid(), leased_until = portico_now() + interval '1 minute' WHERE status = 'pending'`) // is being sent
		}},
		{"endpoint deleted", func() { c.exec(`UPDATE webhook_endpoint SET deleted_at = portico_now()`) }},
		{"ordering key paused", func() {
			c.exec(`UPDATE webhook_endpoint SET status = 'enabled', disabled_at = NULL, disabled_reason = NULL, deleted_at = NULL`)
			c.Insert(t, "webhook_paused_key", testkit.Row{"org_id": c.org, "endpoint_id": endpoint, "ordering_key": "k", "event_id": old, "paused_at": c.Clock.Now()})
		}},
		{"moved to another database, not erased here", func() { c.Place(t, c.org, "left", "acme") }},
	} {
		tt.change()
		if done := maintain(); done.PartitionsKept != 3 {
			t.Errorf("%s: %+v", tt.because, done)
		}
		behind := log.String()
		for _, line := range lines(t, &log, "an expired partition is kept") {
			want := []any{map[string]any{"organization": c.org.String(), "endpoint": endpoint.String(), "waits": tt.because}}
			if diff := cmp.Diff(want, line["unfinished"]); diff != "" {
				t.Errorf("%s is kept because of (-want +named):\n%s", line["partition"], diff)
			}
		}
		if !strings.Contains(behind, `"RetentionBehind":1`) { // more than a hundred days in seconds
			t.Errorf("the metric does not show it: %s", behind)
		}
	}
	if now := c.partitionsOf(old); len(now) != 3 || strings.Join(now, " ") != strings.Join(held, " ") {
		t.Fatalf("of %v there is %v", held, now)
	}
	c.exec(`DELETE FROM placement; UPDATE webhook_delivery SET status = 'delivered', lease = NULL, leased_until = NULL, next_retry_at = NULL`)
	c.Place(t, id.New[id.Org](c.Clock.Now()), "arriving", "acme")
	if done := maintain(); done.PartitionsDropped != 0 || done.PartitionsKept != 3 || !strings.Contains(log.String(), `"arriving":["org_`) {
		t.Errorf("while an organization arrives: %+v\n%s", done, log.String())
	}
	c.exec(`DELETE FROM placement`)
	log.Reset()
	if done := maintain(); done.PartitionsDropped != 3 || done.PartitionsKept != 0 || !strings.Contains(log.String(), `"RetentionBehind":0`) {
		t.Errorf("when all is finished: %+v\n%s", done, log.String())
	}
	if left := c.partitionsOf(old); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
	c.onlyOneIsLeft(old, recent, endpoint)
}

// onlyOneIsLeft checks that one event is not found, and is the end of the list.
func (c *customer) onlyOneIsLeft(old, recent id.Event, endpoint id.WebhookEndpoint) {
	c.t.Helper()
	c.InOrg(c.t, c.org, func(ctx context.Context, tx pg.Tx) error {
		if _, err := event.Get(ctx, tx, c.org, old); !errors.Is(err, event.ErrNotFound) {
			c.t.Errorf("the old event: %v", err)
		}
		if _, err := event.Get(ctx, tx, c.org, recent); err != nil {
			c.t.Errorf("the event that is 29 days old: %v", err)
		}
		for after, want := range map[id.Event]int{{}: 1, recent: 0, old: 0} {
			events, _, err := event.List(ctx, tx, c.org, event.Filter{After: after}, 10)
			if err != nil || len(events) != want {
				c.t.Errorf("%d events behind %s, want %d: %v", len(events), after, want, err)
			}
			deliveries, _, err := webhook.ListDeliveries(ctx, tx, c.org, webhook.DeliveryFilter{After: webhook.DeliveryPlace{Event: after, Endpoint: endpoint}}, 10)
			if err != nil || len(deliveries) != want {
				c.t.Errorf("%d deliveries behind %s, want %d: %v", len(deliveries), after, want, err)
			}
		}
		return nil
	})
}

// The upkeep does not wait for a partition that somebody reads: publishing
// continues between the tries, and the next upkeep drops it.
func TestRetentionWaitsForNobody(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	c := &customer{db, t, db.NewOrg(t)}
	part := c.partitionsOf(c.publish())[0]
	u, _ := newUpkeep(t, db, &bytes.Buffer{})
	db.Advance(t, 62*days)
	reader := db.Session(t, "portico_master")
	testkit.Exec(t, reader, `BEGIN; SET LOCAL ROLE portico_owner; LOCK TABLE event IN ACCESS SHARE MODE`)
	ended := make(chan error, 1)
	go func() {
		_, err := u.Maintain(ctx)
		ended <- err
	}()
	testkit.Await(t, "the upkeep to want the table", func() bool {
		return testkit.Value[bool](t, db, `SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'event'::regclass AND mode = 'AccessExclusiveLock' AND NOT granted)`)
	})
	c.publish()
	if err := <-ended; !pg.IsLockTimeout(err) || !strings.Contains(err.Error(), part) {
		t.Errorf("with a reader: %v, want that %s is in use", err, part)
	}
	testkit.Exec(t, reader, `ROLLBACK`)
	if done, err := u.Maintain(ctx); err != nil || done.PartitionsKept != 0 || testkit.Value[bool](t, db, `SELECT to_regclass($1) IS NOT NULL`, part) {
		t.Errorf("without: %+v, %v", done, err)
	}
}

// The database itself refuses to drop a partition that has not expired, whoever
// asks.
func TestOnlyExpiredPartitionsAreDropped(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	c := &customer{db, t, db.NewOrg(t)}
	for _, part := range append(c.partitionsOf(c.publish()), "organization", "event") {
		var dropped bool
		if err := db.Worker.QueryRow(ctx, `SELECT drop_partition($1, '-1 year')`, part).Scan(&dropped); err == nil || !strings.Contains(err.Error(), "not a partition that has expired") {
			t.Errorf("%s: dropped %v, %v", part, dropped, err)
		}
	}
}

// Finished jobs are kept for 30 days, however long events are kept, and whatever
// deliveries are unfinished.
func TestFinishedJobsAreDropped(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	c := &customer{db, t, db.NewOrg(t)}
	c.endpoint(0, "*")
	c.publish()
	u, _ := newUpkeep(t, db, io.Discard)
	u.Keep = 1000 * days
	part := testkit.Value[string](t, db, `SELECT 'job_log' || to_char(portico_now() AT TIME ZONE 'UTC', '_YYYY_MM')`)
	for _, tt := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {29 * days, true}, {33 * days, false}} { // the month has ended after 31 days at most
		db.Advance(t, tt.after)
		if _, err := u.Maintain(ctx); err != nil {
			t.Fatal(err)
		}
		if exists := testkit.Value[bool](t, db, `SELECT to_regclass($1) IS NOT NULL`, part); exists != tt.want {
			t.Errorf("%s later %s exists: %v", tt.after, part, exists)
		}
	}
}
