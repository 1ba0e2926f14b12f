package jobs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"portico/infra/local/aws/awstest"
	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/jobs"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/sso/watch"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/dispatching"
	"portico/shared/webhook/sending"
)

// addPeople adds members: two who may change endpoints, one of whom may change keys
// too and reads French, and three who may not, one of them only under a condition.
func addPeople(t testing.TB, db *testkit.Database, org id.Org) {
	t.Helper()
	role := func(name, condition string) uuid.UUID {
		made := uuid.New()
		db.Insert(t, "role", testkit.Row{
			"org_id": org, "id": made, "name": name, "description": "", "permissions": []string{"webhook_endpoints:write"}, "condition": condition,
			"created_at": db.Clock.Now(), "updated_at": db.Clock.Now(),
		})
		return made
	}
	hooks, nights := role("hooks", ""), role("nights", "context.ip.isLoopback()")
	for i, m := range []testkit.Row{
		{"email": "owner@example.com", "predefined": "owner", "locale": "fr"}, {"email": "hooks@example.com", "role_id": hooks},
		{"email": "viewer@example.com", "predefined": "viewer"}, {"email": "nights@example.com", "role_id": nights}, {"email": "öwner@example.com", "predefined": "owner"},
	} {
		user := uuid.New()
		testkit.Exec(t, db.Admin, `INSERT INTO user_account (id, email, name, created_at) VALUES ($1, $2, '', now())`, user, m["email"])
		delete(m, "email")
		m["org_id"], m["id"], m["user_id"], m["name"] = org, id.New[id.Member](db.Clock.Now().Add(time.Duration(i)*time.Millisecond)), user, ""
		m["created_at"], m["updated_at"] = db.Clock.Now(), db.Clock.Now()
		db.Insert(t, "member", m)
	}
}

// mails returns the mails so far that are not in seen: template, recipient, language.
func (s *shift) mails(seen map[string]bool) (list []string) {
	s.t.Helper()
	if failed := s.failures(); len(failed) > 0 {
		s.t.Errorf("jobs have failed: %q", failed)
	}
	for _, m := range testkit.Value[[]string](s.t, s.Database, `SELECT coalesce(array_agg(id || ' ' || template || ' ' || recipient || ' ' || locale ORDER BY recipient), '{}') FROM mail`) {
		if !seen[m] {
			seen[m] = true
			list = append(list, m[37:])
		}
	}
	return list
}

func wantMails(t *testing.T, when string, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: the mails are %q, want %q", when, got, want)
	}
}

// notice publishes as a dispatcher does.
func (s *shift) notice(org id.Org, data any) {
	s.t.Helper()
	ctx := context.Background()
	n := jobs.Notices{Due: s.due, Entries: s.entries, Clock: s.Clock, Log: observe.NewLog(&s.log, "test")}
	testkit.Must(s.t, pgx.BeginFunc(ctx, s.Worker, func(tx pgx.Tx) error {
		_, err := n.Publish(ctx, tx, org, []webhook.Notice{webhook.NewNotice(org, id.WebhookEndpoint{}, data)}, s.Clock.Now())
		return err
	}))
}

// Those who may change endpoints are told that one was disabled: in their language,
// once a day for each endpoint, not if it works again, and at most ten times a day.
func TestMembersAreToldOfDisabling(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	c := &customer{Database: db, t: t, org: db.NewOrg(t)}
	s, seen := newShift(t, db, jobs.Deleter{}), map[string]bool{}
	addPeople(t, db, c.org)
	endpoint := c.endpoint(0, "*")
	disable := func(e id.WebhookEndpoint) {
		c.change(e, webhook.EndpointChange{Status: new(webhook.Disabled)})
		s.notice(c.org, webhook.DisabledNotice{Reason: webhook.DisabledGone, FailingNotice: webhook.FailingNotice{
			LastError: "410", EndpointNotice: webhook.EndpointNotice{EndpointID: e, FailingSince: clock.StampOf(new(s.Clock.Now())), Failures: 3}}})
		s.rest()
	}
	disable(endpoint)
	if due, err := s.entries.Read(context.Background()); err != nil || due.Missing() || due.At.After(s.Clock.Now()) {
		t.Errorf("the sweep does not look for the audit entry: %+v, %v", due, err)
	}
	wantMails(t, "disabled", s.mails(seen), "endpoint_disabled hooks@example.com en", "endpoint_disabled owner@example.com fr")
	disable(endpoint)
	wantMails(t, "disabled again", s.mails(seen))
	s.Advance(t, days)
	disable(endpoint)
	wantMails(t, "the next day", s.mails(seen), "endpoint_disabled hooks@example.com en", "endpoint_disabled owner@example.com fr")
	s.Advance(t, days)
	enabled := c.endpoint(0, "*")
	s.notice(c.org, webhook.DisabledNotice{FailingNotice: webhook.FailingNotice{EndpointNotice: webhook.EndpointNotice{EndpointID: enabled}}})
	s.notice(c.org, webhook.DisabledNotice{FailingNotice: webhook.FailingNotice{EndpointNotice: webhook.EndpointNotice{EndpointID: id.New[id.WebhookEndpoint](s.Clock.Now())}}})
	s.rest()
	wantMails(t, "one that works, and one that is deleted", s.mails(seen))
	for range 15 {
		disable(c.endpoint(0, "*"))
	}
	if n := len(s.mails(seen)); n != 2*10 {
		t.Errorf("%d mails about 15 endpoints to two members", n)
	}
}

// Deliveries that fail for good are told of in one mail for each endpoint and day, with
// how many they are.
func TestMembersAreToldOfDeadDeliveries(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	c := &customer{Database: db, t: t, org: db.NewOrg(t)}
	s, seen := newShift(t, db, jobs.Deleter{}), map[string]bool{}
	addPeople(t, db, c.org)
	endpoint := c.endpoint(0, "*")
	die := func(n int) {
		s.Exec(t, `UPDATE webhook_lane SET dead = dead + $1, dead_since = coalesce(dead_since, portico_now()), last_error = 'no answer'`, n)
		for range n {
			s.notice(c.org, webhook.ExhaustedNotice{DeliveryID: id.New[id.Delivery](s.Clock.Now()), EventID: id.New[id.Event](s.Clock.Now()), EndpointID: endpoint, EventType: "invoice.paid", LastError: "no answer"})
		}
	}
	both := []string{"dead_deliveries hooks@example.com en", "dead_deliveries owner@example.com fr"}
	die(3)
	s.rest()
	wantMails(t, "at once", s.mails(seen))
	s.Advance(t, time.Hour)
	s.rest()
	wantMails(t, "after an hour", s.mails(seen), both...)
	if data := s.data("hooks@example.com"); !strings.Contains(data, `"count":3`) || !strings.Contains(data, `"event_types":["invoice.paid"]`) || !strings.Contains(data, `"last_error":"no answer"`) {
		t.Errorf("the mail says %s", data)
	}
	for range 20 {
		die(1)
		s.Advance(t, time.Hour)
		s.rest()
	}
	wantMails(t, "on the same day", s.mails(seen))
	s.Advance(t, 5*time.Hour)
	s.rest()
	wantMails(t, "the next day", s.mails(seen), both...)
	if data := s.data("hooks@example.com"); !strings.Contains(data, `"count":20`) {
		t.Errorf("the mail says %s", data)
	}
	s.Advance(t, 3*days)
	s.rest()
	wantMails(t, "without more", s.mails(seen))
	if left := testkit.Value[int](t, db, `SELECT count(*) FROM job WHERE kind LIKE 'webhook_endpoint.%'`); left != 0 {
		t.Errorf("%d jobs are left", left)
	}
}

// The dispatcher's last try of a delivery is such an event.
func TestDispatcherTellsOfDeadDeliveries(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	c := &customer{Database: db, t: t, org: db.NewOrg(t)}
	s, log := newShift(t, db, jobs.Deleter{}), observe.NewLog(&testkit.Log{}, "test")
	addPeople(t, db, c.org)
	rec := testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	endpoint := c.endpoint(0, "*")
	s.Exec(t, `UPDATE webhook_endpoint SET url = $2 WHERE id = $1`, endpoint, rec.URL)
	c.publish()
	s.Exec(t, `UPDATE webhook_delivery SET attempts = 100`) // the next try is the last one
	_, nudge := awstest.Queue(t)
	d := dispatching.Dispatcher{
		Dispatcher: claim.Dispatcher{
			DB: s.Worker, Waker: &claim.Waker{Queue: webhook.Queue, Database: pg.Home, Due: s.due, Nudge: nudge}, Clock: s.Clock, Log: log,
			Concurrency: 8, Idle: 50 * time.Millisecond, LookEvery: 10 * time.Millisecond,
		},
		Box: testkit.Box(t), Sender: sending.New(testkit.Loopback(t), s.Clock, 2*time.Second),
		Disabling: dispatching.Disabling{After: 120 * time.Hour, Failures: 20},
		Publish:   jobs.Notices{Due: s.due, Entries: s.entries, Clock: s.Clock, Log: log}.Publish,
	}
	testkit.Must(t, d.Run(context.Background()))
	s.Advance(t, time.Hour)
	s.rest()
	wantMails(t, "after the last try", s.mails(map[string]bool{}), "dead_deliveries hooks@example.com en", "dead_deliveries owner@example.com fr")
	if data := s.data("hooks@example.com"); len(rec.All()) != 1 || !strings.Contains(data, `"count":1`) || !strings.Contains(data, "502") {
		t.Errorf("after %d requests the mail says %s", len(rec.All()), data)
	}
}

// data returns what the newest mail to somebody says.
func (s *shift) data(recipient string) string {
	s.t.Helper()
	mailID := testkit.Value[uuid.UUID](s.t, s.Database, `SELECT id FROM mail WHERE recipient = $1 ORDER BY created_at DESC LIMIT 1`, recipient)
	sealed := testkit.Value[[]byte](s.t, s.Database, `SELECT data FROM mail WHERE id = $1`, mailID)
	opened, err := testkit.Box(s.t).Open(sealed, "mail "+id.Mail{UUID: mailID}.String())
	testkit.Must(s.t, err)
	var kept struct{ Data json.RawMessage }
	testkit.Must(s.t, json.Unmarshal(opened, &kept))
	return string(kept.Data)
}

// Those who may change API keys are told of keys that expire seven days and one day
// before, once each: not of keys that never lived that long, that are revoked, or that
// were replaced.
func TestMembersAreToldOfExpiringKeys(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	org := db.NewOrg(t)
	s, seen := newShift(t, db, jobs.Deleter{}), map[string]bool{}
	addPeople(t, db, org)
	add := func(name string, lives time.Duration, more testkit.Row) {
		row := testkit.Row{
			"org_id": org, "id": id.New[id.APIKey](db.Clock.Now()), "name": name, "hash": []byte(fmt.Sprintf("%-32s", name)), "key_start": "ptc_abcd",
			"permissions": []string{"events:write"}, "created_at": db.Clock.Now(), "expires_at": db.Clock.Now().Add(lives),
		}
		for column, value := range more {
			row[column] = value
		}
		db.Insert(t, "api_key", row)
	}
	add("billing", 20*days+time.Hour, nil)
	add("short", 3*days, nil)
	add("revoked", 20*days, testkit.Row{"revoked_at": db.Clock.Now()})
	add("replaced", 20*days, testkit.Row{"replaced_by": uuid.New()})
	told := map[int]string{}
	for day := range 22 {
		for range 2 {
			s.do("watch-api-keys")
			if list := s.mails(seen); len(list) > 0 {
				told[day] += strings.Join(list, ", ")
				if data := s.data("owner@example.com"); day > 5 && !strings.Contains(data, `"name":"billing","prefix":"ptc_abcd","expires_at"`) || !strings.Contains(data, `"days":`) {
					t.Errorf("day %d: the mail says %s", day, data)
				}
			}
		}
		s.Advance(t, days)
	}
	one := "api_key_expiring owner@example.com fr"
	if want := fmt.Sprint(map[int]string{1: one, 13: one, 19: one}); fmt.Sprint(told) != want {
		t.Errorf("told on the days %v, want %s", told, want)
	}
}

// The mail about a certificate goes with the notice.
func TestMembersAreToldOfCertificates(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	c := &customer{Database: db, t: t, org: db.NewOrg(t)}
	s, seen := newShift(t, db, jobs.Deleter{}), map[string]bool{}
	addPeople(t, db, c.org)
	c.endpoint(5*days, "invoice.*")
	for range 2 {
		s.do("watch-client-certificates")
		s.rest()
	}
	wantMails(t, "once", s.mails(seen), "certificate_expiring hooks@example.com en", "certificate_expiring owner@example.com fr")
	if data := s.data("hooks@example.com"); !strings.Contains(data, `"subject":"CN=portico,O=Acme"`) || !strings.Contains(data, `"endpoint":"https://example.com/"`) {
		t.Errorf("the mail says %s", data)
	}
}

// Those who may change connections, the owners, are told 30, 14, 7 and 1 days before the last
// certificate of a connection ends, once each, however often the sweep runs: not of a
// connection that has a newer certificate too, that nobody signs in by, or of a closed
// organization. A new certificate is told of again.
func TestCertificateWarnings(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	org, closed := db.NewOrg(t), db.NewOrg(t)
	s, seen := newShift(t, db, jobs.Deleter{}), map[string]bool{}
	addPeople(t, db, org)
	add := func(of id.Org, name, status string, lives ...time.Duration) {
		row := testkit.Row{"org_id": of, "id": id.New[id.SSOConnection](db.Clock.Now()), "type": "saml", "name": name, "status": status, "predefined": "viewer"}
		if lives != nil {
			row["certificates_end_at"] = db.Clock.Now().Add(slices.Max(lives))
		}
		db.Insert(t, "sso_connection", row)
	}
	const ending = 33*days + time.Hour
	add(org, "Okta", "active", ending)
	add(org, "newer", "active", ending, 365*days)
	add(org, "disabled", "disabled", ending)
	add(org, "draft", "draft", ending)
	add(org, "OpenID", "active")
	add(closed, "closed", "active", ending)
	db.Exec(t, `UPDATE organization SET deleted_at = portico_now() WHERE id = $1`, closed)
	db.Exec(t, `INSERT INTO member (org_id, id, user_id, name, predefined, created_at, updated_at)
		SELECT $1, gen_random_uuid(), user_id, '', 'owner', created_at, updated_at FROM member WHERE locale = 'fr'`, closed)
	told := map[int]string{} // by the whole days that are left
	for left := 33; left >= -2; left-- {
		for range 2 {
			s.do("watch-sso-certificates")
			if list := s.mails(seen); len(list) > 0 {
				told[left] += strings.Join(list, ", ")
				if data := s.data("owner@example.com"); !strings.Contains(data, `"connection":"Okta","expires_at"`) || !strings.Contains(data, fmt.Sprintf(`"days":%d`, left)) {
					t.Errorf("%d days left: the mail says %s", left, data)
				}
			}
		}
		s.Advance(t, days)
	}
	one := "sso_certificate_expiring owner@example.com fr"
	if want := fmt.Sprint(map[int]string{30: one, 14: one, 7: one, 1: one}); fmt.Sprint(told) != want {
		t.Errorf("told when so many days were left: %v, want %s", told, want)
	}
	s.Exec(t, `UPDATE sso_connection SET certificates_end_at = portico_now() + interval '5 days' WHERE name = 'Okta'`)
	for range 2 {
		s.do("watch-sso-certificates")
	}
	wantMails(t, "another certificate, late", s.mails(seen), one)
}

// The owners are told of each entrance by break-glass, also of that of somebody whom they
// have removed meanwhile.
func TestOwnersAreToldOfBreakGlass(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	org := db.NewOrg(t)
	s, seen := newShift(t, db, jobs.Deleter{}), map[string]bool{}
	addPeople(t, db, org)
	entered := id.Member{UUID: testkit.Value[uuid.UUID](t, db, `SELECT m.id FROM member m WHERE locale = 'fr'`)}
	removed := id.New[id.Member](db.Clock.Now())
	for of, name := range map[id.Member]string{entered: "owner@example.com", removed: removed.String()} {
		db.InOrg(t, org, func(ctx context.Context, tx pg.Tx) error {
			_, err := job.Add(ctx, tx, org, watch.TellOfBreakGlass(nil), watch.Entrance{Member: of, At: db.Clock.Now()}, job.Options{})
			return err
		})
		s.rest()
		wantMails(t, name, s.mails(seen), "break_glass_used owner@example.com fr")
		if data := s.data("owner@example.com"); !strings.Contains(data, `"member":"`+name+`"`) {
			t.Errorf("the mail says %s", data)
		}
	}
}
