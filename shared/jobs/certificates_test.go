package jobs_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	local "portico/infra/local/aws"
	"portico/infra/local/aws/awstest"
	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/jobs"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/sending"
	"portico/shared/webhook/signing"
)

// newUpkeep returns the daily upkeep with its own queue and due time.
func newUpkeep(t *testing.T, db *testkit.Database, out io.Writer) (*jobs.Upkeep, *local.Queue) {
	t.Helper()
	nudges, sender := awstest.Queue(t)
	client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	return &jobs.Upkeep{
		DB: db.Worker, Clock: db.Clock, Log: observe.NewLog(out, "test"), Keep: 30 * 24 * time.Hour, KeepAudit: 1000 * 24 * time.Hour, ExpireFor: time.Hour,
		Waker: &claim.Waker{
			Queue: webhook.Queue, Database: pg.Home, Due: claim.NewDue(client, table, webhook.Queue, pg.Home, db.Clock),
			Nudge: sender,
		},
	}, nudges
}

// customer is an organization with endpoints that have client certificates.
type customer struct {
	*testkit.Database
	t   *testing.T
	org id.Org
}

// endpoint makes an endpoint with a certificate that expires after a time; 0:
// without one.
func (c *customer) endpoint(ends time.Duration, types ...string) id.WebhookEndpoint {
	c.t.Helper()
	now := c.Clock.Now()
	e := webhook.NewEndpoint("https://example.com/", types, now)
	c.InOrg(c.t, c.org, func(ctx context.Context, tx pg.Tx) error {
		return webhook.InsertEndpoint(ctx, tx, c.org, e, signing.NewSecret(), testkit.Box(c.t))
	})
	if ends > 0 {
		certificate, key := testkit.NewAuthority(c.t).Issue(testkit.ECDSA(c.t), now.Add(ends))
		parsed, err := sending.ParseClientCertificate(certificate, key, now)
		testkit.Must(c.t, err)
		c.change(e.ID, webhook.EndpointChange{Options: webhook.OptionsChange{ClientCertificate: parsed}})
	}
	return e.ID
}

func (c *customer) change(endpoint id.WebhookEndpoint, change webhook.EndpointChange) {
	c.t.Helper()
	c.InOrg(c.t, c.org, func(ctx context.Context, tx pg.Tx) error {
		_, _, err := webhook.UpdateEndpoint(ctx, tx, c.org, endpoint, change, c.Clock.Now(), testkit.Box(c.t))
		return err
	})
}

// told returns the data of all notices so far, by the id of their endpoint.
func (c *customer) told() map[string][]map[string]any {
	c.t.Helper()
	rows, _ := c.Admin.Query(context.Background(), `SELECT convert_from(payload, 'UTF8')::jsonb -> 'data' FROM event WHERE type = $1 ORDER BY id`, webhook.EventExpiring)
	all, err := pgx.CollectRows(rows, pgx.RowTo[map[string]any])
	if err != nil {
		c.t.Fatal(err)
	}
	by := map[string][]map[string]any{}
	for _, one := range all {
		by[one["endpoint_id"].(string)] = append(by[one["endpoint_id"].(string)], one)
	}
	return by
}

// count is how many notices there were so far.
func (c *customer) count() (n int) {
	for _, of := range c.told() {
		n += len(of)
	}
	return n
}

// neverDue sets a due time to never, as the sweep does when nothing is due.
func neverDue(t *testing.T, due *claim.Due) {
	t.Helper()
	item, err := due.Read(context.Background())
	if err == nil {
		_, err = due.Raise(context.Background(), item, time.Time{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

const days = 24 * time.Hour

// The daily upkeep warns of client certificates that expire within 31 days or
// have expired, in one line with a metric. It counts only certificates that
// deliveries still use. Without any it logs nothing.
func TestExpiringCertificates(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	c := &customer{Database: db, t: t, org: db.NewOrg(t)}
	s := newShift(t, db, jobs.Deleter{})
	c.endpoint(32*days, "*")
	c.endpoint(365*days, "*")
	c.endpoint(0, "*")
	c.change(c.endpoint(1*days, "*"), webhook.EndpointChange{Status: new(webhook.Disabled)})
	deleted := c.endpoint(1*days, "*")
	c.InOrg(c.t, c.org, func(ctx context.Context, tx pg.Tx) error {
		_, err := webhook.DeleteEndpoint(ctx, tx, c.org, deleted, c.Clock.Now())
		return err
	})
	for _, tt := range []struct {
		after time.Duration
		warns int
	}{{0, 0}, {25 * time.Hour, 1}, {40 * days, 1}} {
		db.Advance(t, tt.after)
		s.log.Reset()
		told := c.count()
		s.do("watch-client-certificates")
		line := s.log.String()
		if told = c.count() - told; told != tt.warns || strings.Count(line, "certificates expire") != tt.warns {
			t.Errorf("after %s: told %d, %s", tt.after, told, line)
		}
		if tt.warns > 0 && (!strings.Contains(line, `"level":"WARN"`) || !strings.Contains(line, `"CertificatesExpiring":1`)) {
			t.Errorf("after %s: %s", tt.after, line)
		}
	}
	list, err := webhook.ExpiringCertificates(ctx, db.Worker, 400*days)
	if err != nil || len(list) != 2 || list[0].Org != c.org || !list[0].ExpiresAt.Before(list[1].ExpiresAt) {
		t.Errorf("within 400 days: %+v, %v", list, err)
	}
}

// The owner is told when 30, 14, 7, 3, 1 and 0 whole days are left, once each,
// however often the upkeep runs, and again for another certificate. The owner of
// a disabled endpoint is not told. Every endpoint that subscribes to the notice
// gets it, the endpoint itself too, and the due time is lowered before.
func TestOwnersAreTold(t *testing.T) {
	t.Parallel()
	db, ctx := testkit.DB(t), context.Background()
	c := &customer{Database: db, t: t, org: db.NewOrg(t)}
	s := newShift(t, db, jobs.Deleter{})
	about := c.endpoint(33*days+time.Hour, webhook.EventExpiring)
	c.endpoint(0, "webhook_endpoint.*")
	c.endpoint(0, "*")
	c.change(c.endpoint(33*days, "invoice.*"), webhook.EndpointChange{Status: new(webhook.Disabled)})
	var at []int // whole days left
	for left := 33; left >= -2; left-- {
		neverDue(t, s.due)
		for range 2 {
			told := c.count()
			s.do("watch-client-certificates")
			if c.count() > told {
				at = append(at, left)
			}
		}
		wants := len(at) > 0 && at[len(at)-1] == left
		if item, err := s.due.Read(ctx); err != nil || (wants && (item.At.IsZero() || item.At.After(db.Clock.Now()))) {
			t.Errorf("%d days left: due at %s, %v", left, item.At, err)
		}
		db.Advance(t, 1*days)
	}
	if diff := cmp.Diff([]int{30, 14, 7, 3, 1, 0}, at); diff != "" {
		t.Errorf("days left when the owner was told:\n%s", diff)
	}
	told := c.told()
	want := map[string]any{"endpoint_id": about.String(), "subject": "CN=portico,O=Acme", "expires_at": told[about.String()][0]["expires_at"]}
	if diff := cmp.Diff(want, told[about.String()][0]); diff != "" || len(told) != 1 || want["expires_at"] == nil {
		t.Errorf("%d endpoints are told of; the data are\n%s", len(told), diff)
	}
	if n := testkit.Value[int](t, db, `SELECT count(*) FROM webhook_delivery`); n != 2*6 {
		t.Errorf("%d deliveries, want 6 to each of two endpoints", n)
	}
	// If the upkeep did not run for a day, the next one tells the owner once what
	// was missed.
	certificate, key := testkit.NewAuthority(t).Issue(testkit.ECDSA(t), db.Clock.Now().Add(31*days-time.Hour))
	parsed, err := sending.ParseClientCertificate(certificate, key, db.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	c.change(about, webhook.EndpointChange{Options: webhook.OptionsChange{ClientCertificate: parsed}})
	for _, step := range []struct {
		after time.Duration
		told  int
	}{{0, 1}, {25 * days, 1}, {0, 0}} {
		db.Advance(t, step.after)
		told := c.count()
		if s.do("watch-client-certificates"); c.count()-told != step.told {
			t.Errorf("another certificate, after %s: told %d", step.after, c.count()-told)
		}
	}
}

// If telling an organization fails, its job tries again.
func TestTellingAgain(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	c := &customer{Database: db, t: t, org: db.NewOrg(t)}
	s := newShift(t, db, jobs.Deleter{})
	c.endpoint(5*days, webhook.EventExpiring)
	db.Exec(t, `REVOKE INSERT ON event FROM portico_app`)
	s.do("watch-client-certificates")
	if failed := s.failures(); c.count() != 0 || len(failed) != 1 || !strings.Contains(failed[0], "permission denied") {
		t.Errorf("%d notices, failures %q", c.count(), failed)
	}
	db.Exec(t, `GRANT INSERT ON event TO portico_app`)
	db.Advance(t, time.Minute)
	if s.rest(); c.count() != 1 || len(s.failures()) != 0 {
		t.Errorf("%d notices, failures %q", c.count(), s.failures())
	}
}
