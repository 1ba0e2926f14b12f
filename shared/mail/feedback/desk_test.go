package feedback_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"portico/infra/local/aws/awstest"
	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/mail"
	"portico/shared/mail/feedback"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/fanout"
	"portico/shared/webhook/signing"
)

// office is an organization with an endpoint for what becomes of its mails.
type office struct {
	*testkit.Database
	t    *testing.T
	org  id.Org
	desk *feedback.Desk
	log  *testkit.Log
}

func newOffice(t *testing.T) *office {
	t.Helper()
	db := testkit.DB(t)
	client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	_, nudge := awstest.Queue(t)
	waker := &claim.Waker{Queue: webhook.Queue, Database: pg.Home, Due: claim.NewDue(client, table, webhook.Queue, pg.Home, db.Clock), Nudge: nudge}
	o := &office{Database: db, t: t, org: db.NewOrg(t), log: &testkit.Log{}}
	o.desk = &feedback.Desk{
		DB: db.App, Wakers: pg.Databases[*claim.Waker]{pg.Home: waker}, Subscriptions: fanout.NewCache(), Clock: db.Clock, Log: observe.NewLog(o.log, "test"),
	}
	e := webhook.NewEndpoint("https://example.com/", []string{"mail.*"}, db.Clock.Now())
	o.InOrg(t, o.org, func(ctx context.Context, tx pg.Tx) error {
		return webhook.InsertEndpoint(ctx, tx, o.org, e, signing.NewSecret(), testkit.Box(t))
	})
	return o
}

// send makes a mail that is being handed over.
func (o *office) send(key string, c template.Content) (mailID id.Mail) {
	o.t.Helper()
	o.InOrg(o.t, o.org, func(ctx context.Context, tx pg.Tx) (err error) {
		mailID, err = mail.Send(ctx, tx, testkit.Box(o.t), o.Clock.Now(), o.org, mail.Mail{
			To: transport.Address{Name: "Ada", Address: "Ada@example.com"}, Locale: "en", Key: key, Content: c,
		})
		return err
	})
	o.Exec(o.t, `UPDATE mail SET status = 'sending', handovers = 1 WHERE id = $1 AND status = 'queued'`, mailID)
	return mailID
}

func critical() template.Content {
	return template.MemberAdded.With(template.MemberAddedData{Organization: "Acme", Role: "Developer"})
}

func usual() template.Content {
	return template.EndpointDisabled.With(template.EndpointDisabledData{Organization: "Acme", Endpoint: "https://acme.example/", Failures: 20})
}

// event is an event of SES about a mail.
func (o *office) event(m id.Mail, kind, about string, after time.Duration) string {
	at := o.Clock.Now().Add(after - time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")
	return fmt.Sprintf(`{"eventType":%q,"mail":{"timestamp":%q,"messageId":"p-1","tags":{"mail_id":[%q]}},%s}`,
		kind, at, m, strings.ReplaceAll(about, "AT", at))
}

const (
	sent      = `"send":{}`
	delivered = `"delivery":{"timestamp":"AT"}`
	delayed   = `"deliveryDelay":{"timestamp":"AT","delayType":"MailboxFull","delayedRecipients":[{"diagnosticCode":"smtp; 452 full"}]}`
	permanent = `"bounce":{"timestamp":"AT","bounceType":"Permanent","bounceSubType":"General","bouncedRecipients":[{"emailAddress":"eve@example.com","diagnosticCode":"smtp; 550 no"}]}`
	transient = `"bounce":{"timestamp":"AT","bounceType":"Transient","bounceSubType":"General","bouncedRecipients":[{}]}`
	onList    = `"bounce":{"timestamp":"AT","bounceType":"Permanent","bounceSubType":"OnAccountSuppressionList","bouncedRecipients":[{}]}`
	complaint = `"complaint":{"timestamp":"AT","complaintFeedbackType":"abuse"}`
	reject    = `"reject":{"reason":"Bad content"}`
	failure   = `"failure":{"errorMessage":"no name"}`
)

func (o *office) apply(event string) {
	o.t.Helper()
	r, err := feedback.ReadSES(event)
	testkit.Must(o.t, err)
	testkit.Must(o.t, o.desk.Apply(context.Background(), r))
}

// state is the status of the mails, why addresses get none, and which events there are.
func (o *office) state() string {
	o.t.Helper()
	return testkit.Value[string](o.t, o.Database, `SELECT
		(SELECT coalesce(string_agg(status, ' ' ORDER BY created_at, id), '') FROM mail) || '; ' ||
		(SELECT coalesce(string_agg(recipient || ' ' || reason, ', ' ORDER BY reason), '') FROM mail_suppression) || '; ' ||
		(SELECT coalesce(string_agg(type, ' ' ORDER BY created_at), '') FROM event) || '; ' ||
		(SELECT count(*) FROM webhook_delivery)`)
}

// What each event does, alone and twice.
func TestEvents(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ kind, about, want string }{
		{"Send", sent, "sent; ; ; 0"},
		{"Delivery", delivered, "delivered; ; mail.delivered; 1"},
		{"DeliveryDelay", delayed, "delayed; ; ; 0"},
		{"Bounce", permanent, "bounced; ada@example.com bounce; mail.bounced; 1"},
		{"Bounce", transient, "bounced; ; mail.bounced; 1"},
		{"Bounce", onList, "suppressed; ada@example.com bounce; mail.suppressed; 1"},
		{"Complaint", complaint, "complained; ada@example.com complaint; mail.complained; 1"},
		{"Reject", reject, "rejected; ; ; 0"},
		{"Rendering Failure", failure, "rejected; ; ; 0"},
	} {
		t.Run(c.kind+" "+c.want, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			e := o.event(o.send("k", usual()), c.kind, c.about, 0)
			o.apply(e)
			o.apply(e)
			if got := o.state(); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

// Events that come in the wrong order end as they happened; a complaint is the last word
// even if it happened in the moment of the delivery.
func TestOrder(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	m := o.send("k", usual())
	o.apply(o.event(m, "Delivery", delivered, 3*time.Second))
	o.apply(o.event(m, "DeliveryDelay", delayed, 2*time.Second))
	o.apply(o.event(m, "Send", sent, time.Second))
	if got := o.state(); got != "delivered; ; mail.delivered; 1" {
		t.Error(got)
	}
	o.apply(o.event(m, "Complaint", complaint, 3*time.Second))
	o.apply(o.event(m, "Delivery", delivered, 4*time.Second))
	if got := o.state(); got != "complained; ada@example.com complaint; mail.delivered mail.complained; 2" {
		t.Error(got)
	}
}

// An entry that staff have removed is not made again by an event that is known.
func TestKnownEventSuppressesOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	m := o.send("k", usual())
	e := o.event(m, "Bounce", permanent, 0)
	o.apply(e)
	list, err := mail.ListSuppressions(context.Background(), o.App, mail.SuppressionFilter{Recipient: "ADA@example.com"}, 10)
	if err != nil || len(list) != 1 || list[0].Reason != mail.Bounce || !strings.Contains(list[0].Note, "550 no") {
		t.Fatalf("%+v (%v)", list, err)
	}
	testkit.Must(t, o.App.PlatformIn(context.Background(), pg.Home, func(tx pg.Tx) error {
		_, err := mail.Unsuppress(context.Background(), tx, o.App, list[0].ID)
		return err
	}))
	o.apply(e)
	if got := o.state(); got != "bounced; ; mail.bounced; 1" {
		t.Error(got)
	}
	if n := testkit.Value[int](t, o.Database, `SELECT count(*) FROM job WHERE kind = 'mail.lift_suppression'`); n != 1 {
		t.Errorf("%d jobs remove it at the mail service, want 1", n)
	}
}

// A complaint stops all mail but critical mail, a bounce all.
func TestSuppressedWhenSent(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.apply(o.event(o.send("1", usual()), "Complaint", complaint, 0))
	o.send("2", usual())
	o.send("3", critical())
	if n := testkit.Value[string](t, o.Database, `SELECT string_agg(key || ' ' || status, ', ' ORDER BY key) FROM mail`); n != "1 complained, 2 suppressed, 3 sending" {
		t.Error(n)
	}
	o.apply(o.event(o.send("4", critical()), "Bounce", permanent, 0))
	o.send("5", critical())
	if n := testkit.Value[string](t, o.Database, `SELECT status FROM mail WHERE key = '5'`); n != "suppressed" {
		t.Error(n)
	}
}

// Three mails within a week that could not be delivered stop mail for two weeks. One of
// them that is reported twice counts once.
func TestTransientBounces(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for i := range 2 {
		e := o.event(o.send(fmt.Sprint(i), usual()), "Bounce", transient, 0)
		o.apply(e)
		o.apply(e)
	}
	if got := o.state(); strings.Contains(got, "delays") {
		t.Error(got)
	}
	o.apply(o.event(o.send("3", usual()), "Bounce", transient, 0))
	if got := o.state(); !strings.Contains(got, "ada@example.com delays") {
		t.Error(got)
	}
	o.Advance(t, 14*24*time.Hour+time.Minute)
	o.send("4", usual())
	if n := testkit.Value[string](t, o.Database, `SELECT status FROM mail WHERE key = '4'`); n != "sending" {
		t.Error(n)
	}
}

// Events about mails that are not there, or that another mail caused, change nothing.
func TestForeignEvents(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	m := o.send("k", usual())
	o.apply(o.event(id.New[id.Mail](o.Clock.Now()), "Bounce", permanent, 0))
	o.apply(o.event(m, "Send", sent, 0))
	o.apply(strings.ReplaceAll(o.event(m, "Bounce", permanent, 0), "p-1", `p-2\u0000`))
	o.apply(strings.ReplaceAll(o.event(m, "Delivery", delivered, 0), `550 no`, `\u0000`))
	if got := o.state(); got != "delivered; ; mail.delivered; 1" {
		t.Error(got)
	}
}

// What is no event of SES is an error, and what is none about a mail of ours says so.
func TestReadSES(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"", "{", "[]", "null", `"x"`, `{"eventType":7}`, `{"eventType":"Bounce","mail":{"timestamp":"yesterday"}}`, `{"eventType":"Open","mail":{"tags":{"mail_id":["x"]}}}`,
		`{"eventType":"Bounce","mail":{"tags":{"mail_id":[]}}}`, "Successfully validated SNS topic for Amazon SES event publishing.", strings.Repeat("[", 300<<10),
	} {
		if r, err := feedback.ReadSES(body); err == nil {
			t.Errorf("%.40q is read as %+v", body, r)
		}
	}
}

// A report about a mail that was expunged, even after the report had found it, says
// nothing about its recipient to anybody.
func TestReportsOfExpunged(t *testing.T) {
	t.Parallel()
	for _, found := range []bool{false, true} {
		o := newOffice(t)
		m := o.send("k", usual())
		expunge := func(ctx context.Context, tx pg.Tx) error {
			_, _, err := mail.Expunge(ctx, tx, o.org, mail.Expunging{Recipient: "ada@example.com", Until: o.Clock.Now().Add(time.Minute)}, 10)
			return err
		}
		if !found {
			o.InOrg(t, o.org, expunge)
			o.apply(o.event(m, "Bounce", permanent, 0))
		} else {
			done := make(chan struct{})
			o.InOrg(t, o.org, func(ctx context.Context, tx pg.Tx) error {
				testkit.Must(t, expunge(ctx, tx))
				go func() { defer close(done); o.apply(o.event(m, "Bounce", transient, 0)) }()
				testkit.Await(t, "the report to wait for the mail", func() bool {
					return testkit.Value[bool](t, o.Database, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%AS expunged FROM mail%')`)
				})
				return nil
			})
			<-done
		}
		if got := o.state(); got != "unknown; ; ; 0" {
			t.Errorf("found before: %t: %s", found, got)
		}
	}
}

// What is reported of mail about a user's account is recorded and counts for its address,
// but no organization is told.
func TestReportsOfPlatformMail(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	var mailID id.Mail
	testkit.Must(t, o.App.PlatformIn(context.Background(), pg.Home, func(tx pg.Tx) (err error) {
		mailID, err = mail.Send(context.Background(), tx, testkit.Box(t), o.Clock.Now(), id.Org{}, mail.Mail{
			To: transport.Address{Address: "ada@example.com"}, Locale: "en", Key: "k",
			Content: template.PasswordChanged.With(template.NoticeData{At: o.Clock.Now(), URL: "https://portico.example.com/"}),
		})
		return err
	}))
	o.Exec(t, `UPDATE mail SET status = 'sending', handovers = 1`)
	for _, step := range []struct{ kind, about, want string }{
		{"Send", sent, "sent; ; ; 0"},
		{"Delivery", delivered, "delivered; ; ; 0"},
		{"Bounce", permanent, "bounced; ada@example.com bounce; ; 0"},
	} {
		o.apply(o.event(mailID, step.kind, step.about, time.Minute))
		if got := o.state(); got != step.want {
			t.Errorf("%s: %s, want %s", step.kind, got, step.want)
		}
	}
}
