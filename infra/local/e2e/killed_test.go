package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/infra/local/stacktest"
	"portico/shared/testkit"
	"portico/shared/webhook/sending"
)

// change changes rows of the stack's Postgres, as an administrator.
func change(t *testing.T, s stacktest.Stack, sql string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), s.DatabaseURL)
	testkit.Must(t, err)
	defer conn.Close(context.Background())
	testkit.Exec(t, conn, sql)
}

// The runner of a recovery, the dispatcher and the API are killed while the recovery
// runs: a try that was in flight, and the pages that are left, are made afterwards. No
// delivery is left out, and the log has no gap.
func TestKilledRecovery(t *testing.T) {
	t.Parallel()
	const n = 2500 // five pages
	s := own(t)
	c := newCustomer(t, s)
	opened := make(chan struct{})
	rec := newReceiver(t, func(_ int, _ http.ResponseWriter, r *http.Request) {
		select {
		case <-opened:
		case <-r.Context().Done():
		}
	})
	endpoint, _ := c.endpoint(rec.URL)
	path := "/v1/webhook-endpoints/" + endpoint
	c.Do("PATCH", path, `{"status":"disabled"}`, http.StatusOK, nil)
	for range n / 100 {
		c.publishBatch(100)
	}
	// Each has had one try, which failed.
	change(t, s, `INSERT INTO webhook_attempt (org_id, event_id, endpoint_id, number, started_at, latency, status_code, error, response_body)
		SELECT org_id, event_id, endpoint_id, 1, portico_now(), 1, 500, 'answered 500', '' FROM webhook_delivery`)
	change(t, s, `UPDATE webhook_delivery SET status = 'failed', attempts = 1, next_retry_at = NULL, completed_at = portico_now()`)
	c.Do("PATCH", path, `{"status":"enabled"}`, http.StatusOK, nil)

	var recovery struct {
		ID, Status string
		Count      int `json:"delivery_count"`
	}
	reaches := func(what string, holds func() bool) {
		t.Helper()
		testkit.Await(t, what, func() bool {
			status, reply, _ := c.Try("GET", "/v1/recoveries/"+recovery.ID, "")
			return status == http.StatusOK && json.Unmarshal([]byte(reply), &recovery) == nil && holds()
		})
	}
	c.Do("POST", path+"/recover", `{"since":"`+time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)+`"}`, http.StatusCreated, &recovery)
	reaches("the first page", func() bool { return recovery.Count >= 500 })
	if len(s.Processes("jobs-bulk")) == 0 {
		t.Error("no runner is to be killed")
	}
	testkit.Must(t, s.Kill("jobs-bulk"))
	testkit.Await(t, "requests in flight", func() bool { return rec.count("") > 0 })
	for _, name := range []string{"dispatcher", "jobs-bulk", "webhook-endpoints"} {
		testkit.Must(t, s.Kill(name))
	}
	if reaches("an answer", func() bool { return true }); recovery.Status != "running" || recovery.Count >= n {
		t.Fatalf("killed too late: %+v", recovery)
	}
	close(opened)
	testkit.Must(t, s.SetClockOffset(t.Context(), sending.MaxTimeout+time.Minute)) // every lease of a killed process has ended
	testkit.Must(t, s.FireSchedule(t.Context(), "SweeperFunction"))
	reaches("the recovery's end", func() bool { return recovery.Status != "running" })
	testkit.Await(t, "every delivery", func() bool { return pending(t, s) == 0 })
	if recovery.Status != "succeeded" || recovery.Count != n || len(rec.events()) != n {
		t.Errorf("%+v, %d of %d events arrived", recovery, len(rec.events()), n)
	}
	if rec.count("") <= n {
		t.Errorf("%d requests: no try was in flight when the dispatcher was killed", rec.count(""))
	}
	if wrong := count(t, s, `SELECT count(*)::int FROM webhook_delivery d WHERE status <> 'delivered' OR attempts <> 2 OR redelivered_at IS NULL
		OR (SELECT array_agg(number::int ORDER BY number) FROM webhook_attempt a WHERE a.event_id = d.event_id AND a.endpoint_id = d.endpoint_id) <> '{1,2}'`); wrong > 0 {
		t.Errorf("%d of %d deliveries were not redelivered once, with a second attempt", wrong, n)
	}
}

// The API is killed while portico listen waits for events: the command goes on, and
// forwards what is published afterwards.
func TestCommandListensAcrossRestarts(t *testing.T) {
	t.Parallel()
	s := own(t)
	publisher := newCustomer(t, s)
	c, program := newCommand(t, publisher, s), newReceiver(t, nil)
	cmd := c.prepare("listen", "--forward", program.URL)
	var out, errs testkit.Log
	cmd.Stdout, cmd.Stderr = &out, &errs
	testkit.Must(t, cmd.Start())
	testkit.Await(t, "the start", func() bool { return sessionSecret.MatchString(errs.String()) })
	for range 3 {
		testkit.Await(t, "a read that waits", func() bool {
			stats, err := s.Stats("event-stream")
			return err == nil && stats.Busy > 0
		})
		for _, route := range s.Template.Routes { // the whole API
			testkit.Must(t, s.Kill(route.Function))
		}
		event := publisher.publish(`1`)
		testkit.Await(t, "the exchange", func() bool { return strings.Contains(out.String(), event+"  200") })
		if n := program.count(event); n != 1 {
			t.Errorf("%s was forwarded %d times", event, n)
		}
	}
	testkit.Must(t, cmd.Process.Signal(os.Interrupt))
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, errs.String())
	}
}
