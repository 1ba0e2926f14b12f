package jobs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"portico/shared/audit"
	"portico/shared/audit/anchor"
	"portico/shared/audit/archive"
	"portico/shared/audit/export"
	"portico/shared/audit/forget"
	"portico/shared/audit/scheduled"
	"portico/shared/audit/streaming"
	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/erasure"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/job"
	"portico/shared/job/jobtest"
	"portico/shared/job/kinds"
	"portico/shared/job/redrive"
	"portico/shared/job/schedule"
	"portico/shared/jobs"
	"portico/shared/mail"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/provider/document"
	"portico/shared/sso/watch"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/recovery"
)

// shift does the platform's recurring jobs.
type shift struct {
	*testkit.Database
	t       *testing.T
	runners map[job.Queue]*job.Runner
	due     *claim.Due // of deliveries
	entries *claim.Due // of audit entries
	fetch   func(ctx context.Context, url string) ([]byte, error)
	log     bytes.Buffer
}

func newShift(t *testing.T, db *testkit.Database, deleter jobs.Deleter) *shift {
	t.Helper()
	client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	s := &shift{Database: db, t: t, runners: map[job.Queue]*job.Runner{}, due: claim.NewDue(client, table, webhook.Queue, pg.Home, db.Clock), entries: claim.NewDue(client, table, audit.Unchained, pg.Home, db.Clock)}
	log := observe.NewLog(&s.log, "test")
	s.fetch = document.Reader(testkit.Loopback(t).Transport())
	kinds, err := job.NewRegistry(jobs.Kinds{Deleter: deleter, Due: s.due, Clock: db.Clock, Log: log, Box: testkit.Box(t),
		Fetch:   func(ctx context.Context, url string) ([]byte, error) { return s.fetch(ctx, url) },
		Streams: streaming.New(testkit.Loopback(t), db.Clock, streaming.Vendors{}, aws.Config{})}.All()...)
	testkit.Must(t, err)
	for _, q := range job.Queues {
		s.runners[q] = &job.Runner{DB: db.App, Worker: db.Worker, Database: pg.Home, Queue: q, Kinds: kinds, Clock: db.Clock, Log: log, Random: func() float64 { return 0 }}
	}
	return s
}

// do runs a schedule now, and everything that is due then.
func (s *shift) do(schedule string) {
	s.t.Helper()
	ctx := context.Background()
	for _, d := range slices.Concat(jobs.Schedules, jobs.SESSchedules) {
		if d.Name != schedule {
			continue
		}
		testkit.Must(s.t, pgx.BeginFunc(ctx, s.Worker, func(tx pgx.Tx) error {
			_, err := job.AddEncoded(ctx, tx, id.Org{}, d.Queue, d.Kind, d.Args, job.Options{})
			return err
		}))
		s.rest()
		return
	}
	s.t.Fatalf("there is no schedule %s", schedule)
}

// rest does everything that is due.
func (s *shift) rest() {
	s.t.Helper()
	for range 2 { // a job of one queue may add one to another
		for _, q := range job.Queues {
			jobtest.Drain(s.t, s.runners[q])
		}
	}
}

// failures returns the last errors of the jobs that failed and have not finished.
func (s *shift) failures() []string {
	s.t.Helper()
	return testkit.Value[[]string](s.t, s.Database, `SELECT coalesce(array_agg(args::text || ': ' || last_error), '{}') FROM job WHERE last_error IS NOT NULL`)
}

// adding returns the case of a kind, with an organization that was closed or that
// has an endpoint with a certificate that expires soon.
func adding(kind string, queue job.Queue, of func(*jobtest.World) id.Org, args func(*jobtest.World) any) jobtest.Case {
	return jobtest.Case{Add: func(ctx context.Context, w *jobtest.World) error {
		w.Exec(w.T, `UPDATE organization SET deleted_at = portico_now() - interval '1 hour' WHERE id = $1`, w.NewOrg(w.T))
		w.Insert(w.T, "webhook_endpoint", testkit.Row{
			"org_id": w.Org, "id": id.New[id.WebhookEndpoint](w.Clock.Now()), "url": "https://example.com", "event_types": []string{"*"},
			"certificate_expires_at": w.Clock.Now().Truncate(days).Add(6 * days), "client_certificate": []byte{1}, "sealed_client_key": []byte{1},
		})
		addPeople(w.T, w.Database, w.Org)
		w.Insert(w.T, "api_key", testkit.Row{
			"org_id": w.Org, "id": id.New[id.APIKey](w.Clock.Now()), "name": "billing", "hash": make([]byte, 32), "permissions": []string{"events:write"},
			"created_at": w.Clock.Now().Add(-30 * days), "expires_at": w.Clock.Now().Truncate(days).Add(6 * days), // in each world the same
		})
		w.Insert(w.T, "sso_connection", testkit.Row{
			"org_id": w.Org, "id": id.New[id.SSOConnection](w.Clock.Now()), "type": "saml", "name": "Okta", "status": "active", "predefined": "viewer",
			"certificates_end_at": w.Clock.Now().Truncate(days).Add(6 * days), "metadata_url": "https://idp.example.com/metadata",
		})
		encoded, err := json.Marshal(args(w))
		if err != nil {
			return err
		}
		return pgx.BeginFunc(ctx, w.Worker, func(tx pgx.Tx) error {
			_, err := job.AddEncoded(ctx, tx, of(w), queue, kind, encoded, job.Options{})
			return err
		})
	}}
}

// copying changes a schedule at home while there is another database. The tests of
// shared/job/schedule compare what arrives there.
func copying(ctx context.Context, w *jobtest.World) error {
	other := testkit.DB(w.T)
	kinds, err := job.NewRegistry(jobs.Kinds{}.All()...)
	testkit.Must(w.T, err)
	for _, db := range []*testkit.Database{w.Database, other} {
		testkit.Must(w.T, schedule.Deploy(ctx, db.Worker, kinds, jobs.Schedules[:1], nil, nil))
	}
	testkit.Must(w.T, w.App.Add(ctx, "acme", other.URL("portico_app")))
	return w.App.PlatformIn(ctx, pg.Home, func(tx pg.Tx) error {
		_, _, err := schedule.Editor{Kinds: kinds, By: "staff_x", Others: []string{"acme"}}.Change(ctx, tx, jobs.Schedules[0].Name,
			schedule.Change{Cron: new("0 5 * * *")})
		return err
	})
}

// pausing pauses a kind at home while there is another database. The tests of
// shared/job/kinds compare what arrives there.
func pausing(ctx context.Context, w *jobtest.World) error {
	registry, err := job.NewRegistry(jobs.Kinds{}.All()...)
	testkit.Must(w.T, err)
	testkit.Must(w.T, w.App.Add(ctx, "acme", testkit.DB(w.T).URL("portico_app")))
	return w.App.PlatformIn(ctx, pg.Home, func(tx pg.Tx) error {
		_, _, err := kinds.Editor{Kinds: registry, By: "staff_x", Others: []string{"acme"}}.Pause(ctx, tx, "organization.erase", "a test")
		return err
	})
}

// changingAddress changes the address of a user while there is another database. The tests
// of shared/identity compare what arrives there.
func changingAddress(ctx context.Context, w *jobtest.World) error {
	user := id.User{UUID: uuid.UUID{15: 1}} // in each world the same
	testkit.Must(w.T, w.App.Add(ctx, "acme", testkit.DB(w.T).URL("portico_app")))
	w.AddUser(w.T, user, "old@example.com")
	testkit.Credentials(w.T, w.Database, user)
	return w.Identity.AsUser(ctx, user, func(tx pg.Tx) error {
		return identity.ChangeAddress(ctx, tx, w.App, user, "new@example.com", audit.Origin{}, w.Clock.Now())
	})
}

// redriving redrives three dead jobs in two steps. One that died later is left.
func redriving(ctx context.Context, w *jobtest.World) error {
	for n := range 4 {
		w.Insert(w.T, "job", testkit.Row{
			"org_id": w.Org, "id": uuid.UUID{15: byte(n + 1)}, "due_at": w.Clock.Now().Add(time.Duration(n-3) * time.Minute), "status": "dead", "queue": job.High,
			"kind": "webhook_endpoint.tell_of_certificates", "args": "{}", "error_code": "timeout", "last_error": "late", "fingerprint": "f",
		})
	}
	return w.App.InOrg(ctx, w.Org, func(tx pg.Tx) error {
		args, err := redrive.New(ctx, tx, redrive.Filter{Fingerprint: "f"}, 2)
		if err != nil {
			return err
		}
		args.Began = clock.Stamp(time.Time(args.Began).Add(-30 * time.Second))
		_, err = job.Add(ctx, tx, w.Org, redrive.Own, args, job.Options{})
		return err
	})
}

// redrivingAll does the same with those of all organizations.
func redrivingAll(ctx context.Context, w *jobtest.World) error {
	if err := redriving(ctx, w); err != nil {
		return err
	}
	w.Exec(w.T, `DELETE FROM job WHERE kind = 'job.redrive'`)
	return w.App.PlatformIn(ctx, pg.Home, func(tx pg.Tx) error {
		args, err := redrive.New(ctx, tx, redrive.Filter{Fingerprint: "f"}, 2)
		if err != nil {
			return err
		}
		args.Began = clock.Stamp(time.Time(args.Began).Add(-30 * time.Second))
		_, err = job.Add(ctx, tx, id.Org{}, redrive.Everywhere, args, job.Options{})
		return err
	})
}

// recovering redelivers 600 deliveries in two pages.
func recovering(ctx context.Context, w *jobtest.World) error {
	endpoint, now := id.New[id.WebhookEndpoint](w.Clock.Now()), w.Clock.Now()
	w.Insert(w.T, "webhook_endpoint", testkit.Row{"org_id": w.Org, "id": endpoint, "url": "https://example.com", "event_types": []string{"*"}})
	w.Exec(w.T, `
		WITH made AS (INSERT INTO event (org_id, id, type, payload, created_at)
			SELECT $1, overlay(uuid_floor(portico_now() - interval '1 minute')::text PLACING lpad(n::text, 12, '0') FROM 25)::uuid, 't', '{}', portico_now()
			FROM generate_series(1, 600) n RETURNING id)
		INSERT INTO webhook_delivery (org_id, event_id, endpoint_id, id, status) SELECT $1, id, $2, id, 'failed' FROM made`, w.Org, endpoint)
	return w.App.InOrg(ctx, w.Org, func(tx pg.Tx) error {
		_, err := recovery.Start(ctx, tx, w.Org, recovery.New{
			Kind: recovery.Recover, Endpoint: endpoint, Since: now.Add(-time.Hour), Statuses: []webhook.Status{webhook.Failed},
		})
		return err
	})
}

// erasingPerson expunges a person's 60 events and two mails.
func erasingPerson(ctx context.Context, w *jobtest.World) error {
	w.Exec(w.T, `
		INSERT INTO event (org_id, id, type, payload, created_at)
		SELECT $1, overlay(uuid_floor(portico_now() - interval '1 minute')::text PLACING lpad(n::text, 12, '0') FROM 25)::uuid, 't',
			convert_to(format('{"data":{"who":"%s"}}', CASE WHEN n % 2 = 0 THEN 'Ada' ELSE 'Eve' END), 'UTF8'), portico_now()
		FROM generate_series(1, 120) n`, w.Org)
	w.Exec(w.T, `
		INSERT INTO mail (org_id, id, stream, category, template, locale, recipient, recipient_name, key)
		SELECT $1, overlay($1::uuid::text PLACING lpad(n::text, 12, '0') FROM 25)::uuid, 'product', '', 't', 'en', 'ada@example.com', 'Ada', n FROM generate_series(1, 2) n`, w.Org)
	return w.App.InOrg(ctx, w.Org, func(tx pg.Tx) error {
		_, err := erasure.Start(ctx, tx, w.Org, erasure.New{Person: erasure.Person{Filter: new(`data.who == "Ada"`), Recipient: new("ada@example.com")}})
		return err
	})
}

// forgetting erases an actor from 2,500 entries, beside those of another one.
func forgetting(ctx context.Context, w *jobtest.World) error {
	before := w.Clock.Now().Add(-time.Minute)
	return w.App.InOrg(ctx, w.Org, func(tx pg.Tx) error {
		for n := range 2510 {
			by := audit.Actor{Type: audit.System, ID: "ada", Name: "Ada"}
			if n%251 == 0 {
				by = audit.Actor{Type: audit.System, ID: "eve", Name: "Eve"}
			}
			if err := audit.Insert(ctx, tx, w.Org, audit.Entry{Action: "role.update", Actor: by, CreatedAt: before}); err != nil {
				return err
			}
		}
		_, err := forget.Start(ctx, tx, w.Org, "ada", "test")
		return err
	})
}

// exporting asks for an export of a log with a chain.
func exporting(ctx context.Context, w *jobtest.World) error {
	return w.App.InOrg(ctx, w.Org, func(tx pg.Tx) error {
		_, err := export.Start(ctx, tx, w.Org, export.New{Format: export.CSV})
		return err
	})
}

// exportingDaily makes a schedule whose first day has ended, with an export whose file is
// there and empty, and which tells a member.
func exportingDaily(ctx context.Context, w *jobtest.World) error {
	addPeople(w.T, w.Database, w.Org)
	w.Exec(w.T, `
		WITH made AS (INSERT INTO audit_export (org_id, id, job_id, format, filter, status, last_number, finished_at)
			SELECT $1, uuid_floor(portico_now()), $1, 'csv', '{}', 'succeeded', 0, portico_now() RETURNING id)
		INSERT INTO audit_export_schedule (org_id, id, every, format, filter, member_id, next_since, next_until, export_id)
		SELECT $1, uuid_floor(portico_now()), 'day', 'csv', '{}', (SELECT m.id FROM member m WHERE m.predefined = 'owner' AND m.locale = 'fr'),
			portico_now() - interval '25 hours', portico_now() - interval '1 hour', id FROM made`, w.Org)
	schedule := id.AuditExportSchedule{UUID: testkit.Value[uuid.UUID](w.T, w.Database, `SELECT id FROM audit_export_schedule`)}
	return w.App.InOrg(ctx, w.Org, func(tx pg.Tx) error {
		args, err := json.Marshal(scheduled.Args{Schedule: schedule})
		if err != nil {
			return err
		}
		_, err = job.AddEncoded(ctx, tx, w.Org, job.Bulk, "audit_export_schedule.run", args, job.Options{})
		return err
	})
}

// Each kind bears that its runner dies at any point, and that two do it.
func TestKindsBearTrouble(t *testing.T) {
	t.Parallel()
	siem := newSIEM(t)
	metadata := published("https://idp.example.com", signer(t, time.Now()))
	all := func(w *jobtest.World) []job.Declared {
		k := jobs.Kinds{Clock: &clock.Clock{}, Log: observe.NewLog(io.Discard, "test")}
		if w.Database != nil {
			client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
			k.Fetch = func(context.Context, string) ([]byte, error) { return []byte(metadata), nil }
			k.Box, k.Exports = testkit.Box(t), testkit.Bucket(t)
			k.Clock, k.Due = w.Clock, claim.NewDue(client, table, webhook.Queue, pg.Home, w.Clock)
			k.Deleter, _ = newDeleter(t, w.Database)
			k.Database = pg.Home
			k.Archiver = &archive.Archiver{DB: w.App, Bucket: testkit.Bucket(t), Anchors: anchor.NewTable(client, table), Clock: w.Clock, Log: k.Log}
			k.Streams = streaming.New(testkit.Loopback(t), w.Clock, streaming.Vendors{}, aws.Config{})
		}
		return k.All()
	}
	own := func(w *jobtest.World) id.Org { return w.Org }
	endpoint := func(w *jobtest.World) id.WebhookEndpoint {
		return id.WebhookEndpoint{UUID: testkit.Value[uuid.UUID](w.T, w.Database, `SELECT id FROM webhook_endpoint`)}
	}
	disabled := func(w *jobtest.World) any {
		w.Exec(w.T, `UPDATE webhook_endpoint SET status = 'disabled', disabled_at = portico_now(), disabled_reason = 'failing'`)
		return map[string]any{"endpoint": endpoint(w), "gone": false, "failing_since": "2026-11-01T00:00:00.000000Z", "failures": 20, "last_error": "no answer"}
	}
	dead := func(w *jobtest.World) any {
		w.Insert(w.T, "webhook_lane", testkit.Row{"org_id": w.Org, "endpoint_id": endpoint(w), "dead": 3, "last_error": "no answer"})
		return map[string]any{"endpoint": endpoint(w), "event_types": []string{"invoice.paid"}}
	}
	entrance := func(w *jobtest.World) any {
		of := testkit.Value[uuid.UUID](w.T, w.Database, `SELECT m.id FROM member m WHERE locale = 'fr'`)
		return watch.Entrance{Member: id.Member{UUID: of}, At: time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)}
	}
	described := func(w *jobtest.World) any {
		of := testkit.Value[uuid.UUID](w.T, w.Database, `SELECT id FROM sso_connection`)
		return watch.Metadata{Connection: id.SSOConnection{UUID: of}, URL: "https://idp.example.com/metadata"}
	}
	platform := func(*jobtest.World) id.Org { return id.Org{} }
	none := func(*jobtest.World) any { return struct{}{} }
	closed := func(w *jobtest.World) any {
		own := testkit.Value[uuid.UUID](w.T, w.Database, `SELECT id FROM organization WHERE deleted_at IS NOT NULL`)
		return map[string]id.Org{"organization": {UUID: own}}
	}
	jobtest.Check(t, all, map[string]jobtest.Case{
		"organization.erase_closed":                adding("organization.erase_closed", job.Bulk, platform, none),
		"organization.erase":                       adding("organization.erase", job.Bulk, platform, closed),
		"webhook_endpoint.watch_certificates":      adding("webhook_endpoint.watch_certificates", job.High, platform, none),
		"webhook_endpoint.tell_of_disabling":       adding("webhook_endpoint.tell_of_disabling", job.High, own, disabled),
		"webhook_endpoint.tell_of_dead_deliveries": adding("webhook_endpoint.tell_of_dead_deliveries", job.High, own, dead),
		"api_key.watch_expiry":                     adding("api_key.watch_expiry", job.High, platform, none),
		"api_key.tell_of_expiry":                   adding("api_key.tell_of_expiry", job.High, own, none),
		"sso_connection.watch_certificates":        adding("sso_connection.watch_certificates", job.High, platform, none),
		"sso_connection.tell_of_certificates":      adding("sso_connection.tell_of_certificates", job.High, own, none),
		"sso_connection.watch_metadata":            adding("sso_connection.watch_metadata", job.Bulk, platform, none),
		"sso_connection.read_metadata":             adding("sso_connection.read_metadata", job.Bulk, own, described),
		"sso_connection.tell_of_break_glass":       adding("sso_connection.tell_of_break_glass", job.High, own, entrance),
		"job.redrive":                              {Add: redriving},
		"job.redrive_everywhere":                   {Add: redrivingAll},
		"webhook_endpoint.recover":                 {Add: recovering},
		"erasure.run":                              {Add: erasingPerson},
		"audit_log.archive":                        adding("audit_log.archive", job.Bulk, own, none),
		"audit_log.archive_platform":               adding("audit_log.archive_platform", job.Bulk, platform, none),
		"audit_log.watch_archive":                  adding("audit_log.watch_archive", job.Bulk, platform, none),
		"audit_stream.deliver":                     {Add: siem.streaming},
		"audit_stream.watch":                       adding("audit_stream.watch", job.Bulk, platform, none),
		"audit_actor.forget":                       {Add: forgetting},
		"audit_export.run":                         {Add: exporting},
		"audit_export_schedule.run":                {Add: exportingDaily},
		"audit_export_schedule.watch":              adding("audit_export_schedule.watch", job.Bulk, platform, none),
		"job_schedule.copy":                        {Add: copying},
		"job_kind.copy":                            {Add: pausing},
		"user.copy_address":                        {Add: changingAddress},
		"directory.follow_groups":                  {Add: followingGroups},
		"webhook_endpoint.tell_of_certificates":    adding("webhook_endpoint.tell_of_certificates", job.High, func(w *jobtest.World) id.Org { return w.Org }, none),
	})
}

// Whatever knows the kinds of jobs knows those that send mail.
func TestMailIsAmongTheKinds(t *testing.T) {
	t.Parallel()
	kinds, err := jobs.Registry(jobs.Kinds{}, &mail.Sender{})
	if err != nil || !slices.Contains(kinds.Names(), "mail.send") || !slices.Contains(kinds.Names(), "mail.send_marketing") {
		t.Errorf("%v, %v", kinds, err)
	}
}
