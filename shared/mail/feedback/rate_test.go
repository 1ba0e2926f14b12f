package feedback_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/job/jobtest"
	"portico/shared/mail"
	"portico/shared/mail/feedback"
	"portico/shared/mail/template"
	"portico/shared/pg"
	"portico/shared/testkit"
)

func marketing() template.Content {
	c := usual()
	streamed := *c.Template
	streamed.Stream = template.Marketing
	c.Template = &streamed
	return c
}

// Rates are too high from 5 % bounces of 100 mails, and from 0.1 % complaints of 1,000
// mails if there are three.
func TestTooHigh(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rates mail.Rates
		want  bool
	}{
		{mail.Rates{}, false},
		{mail.Rates{Delivered: 95, Bounced: 5}, true},
		{mail.Rates{Delivered: 96, Bounced: 4}, false},
		{mail.Rates{Delivered: 94, Bounced: 5}, false}, // of 99
		{mail.Rates{Bounced: 100}, true},
		{mail.Rates{Delivered: 9501, Bounced: 499}, false},
		{mail.Rates{Delivered: 9500, Bounced: 500}, true},
		{mail.Rates{Delivered: 1000, Complained: 2}, false}, // too few to mean anything
		{mail.Rates{Delivered: 1000, Complained: 3}, true},
		{mail.Rates{Delivered: 999, Complained: 3}, false}, // of too few mails
		{mail.Rates{Delivered: 3001, Complained: 3}, false},
		{mail.Rates{Delivered: 3000, Complained: 3}, true},
		{mail.Rates{Complained: 5}, false},
	} {
		if got := tt.rates.TooHigh(); got != tt.want {
			t.Errorf("%+v: %t", tt.rates, got)
		}
	}
}

// counted says what was counted in a database some days ago.
func counted(t *testing.T, db *testkit.Database, stream string, daysAgo, delivered, bounced, complained int) {
	t.Helper()
	db.Exec(t, `
		INSERT INTO mail_stream_day (stream, day, run, shard, delivered, bounced, complained)
		SELECT $1, (portico_now() AT TIME ZONE 'UTC')::date - $2::int, run, -1, $3, $4, $5 FROM mail_stream WHERE stream = $1`, stream, daysAgo, delivered, bounced, complained)
}

// pauses says in which databases marketing waits, and who made it wait.
func pauses(t *testing.T, databases ...*testkit.Database) string {
	t.Helper()
	var all []string
	for _, db := range databases {
		all = append(all, testkit.Value[string](t, db, `SELECT coalesce((SELECT paused_by FROM job_kind WHERE kind = 'mail.send_marketing' AND paused_at IS NOT NULL), 'no')`))
	}
	return strings.Join(all, " ")
}

// Marketing is paused in all databases by what all of them have counted in seven days,
// and product mail never. After it is resumed the rates begin anew.
func TestMarketingIsPaused(t *testing.T) {
	t.Parallel()
	o, acme, ctx := newOffice(t), testkit.DB(t), context.Background()
	testkit.Must(t, o.App.Add(ctx, "acme", acme.URL("portico_app")))
	both := func() string { return pauses(t, o.Database, acme) }
	bounce := func(key string, c template.Content) {
		o.apply(o.event(o.send(key, c), "Bounce", permanent, 0))
		o.Exec(t, `DELETE FROM mail_suppression`)
	}

	counted(t, acme, "marketing", 6, 50, 3, 0)
	counted(t, o.Database, "marketing", 0, 45, 0, 0)
	counted(t, acme, "marketing", 7, 0, 1000, 0) // too long ago
	counted(t, o.Database, "product", 0, 100, 100, 100)
	bounce("product", usual())
	bounce("1", marketing())
	if got := both(); got != "no no" { // 4 of 99
		t.Fatal(got)
	}
	bounce("2", marketing())
	if got := both(); got != "mail-feedback mail-feedback" { // 5 of 100
		t.Fatal(got)
	}
	if log := o.log.String(); strings.Count(log, `"MarketingPaused":1`) != 1 || !strings.Contains(log, "Of 100 marketing mails of the last 7 days 5 bounced and 0 were reported as spam.") {
		t.Error(log)
	}
	bounce("3", marketing())
	if n := strings.Count(o.log.String(), `"MarketingPaused":1`); n != 1 {
		t.Errorf("it is paused %d times", n)
	}

	var before *mail.Pause
	testkit.Must(t, o.App.PlatformIn(ctx, pg.Home, func(tx pg.Tx) (err error) {
		before, err = mail.ResumeMarketing(ctx, tx, o.App)
		return err
	}))
	if before == nil || before.PausedBy != mail.Feedback || both() != "no no" {
		t.Errorf("%+v; %s", before, both())
	}
	bounce("4", marketing())
	if rates, err := mail.RatesOf(ctx, o.App, mail.Marketing); err != nil || rates != (mail.Rates{Bounced: 1}) || both() != "no no" {
		t.Errorf("after the resumption: %+v, %s (%v)", rates, both(), err)
	}
}

// Complaints pause marketing too. A pause by staff stays as it is; one because of the
// quota becomes one that does not end by itself.
func TestComplaintsPauseMarketing(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	acme := testkit.DB(t)
	testkit.Must(t, o.App.Add(context.Background(), "acme", acme.URL("portico_app")))
	counted(t, o.Database, "marketing", 1, 2000, 0, 2)
	for db, by := range map[*testkit.Database]string{o.Database: mail.ReadAccountKind, acme: "staff_x"} {
		db.Exec(t, `INSERT INTO job_kind (kind, paused_at, paused_by, pause_reason) VALUES ('mail.send_marketing', portico_now(), $1, '')`, by)
	}
	e := o.event(o.send("k", marketing()), "Complaint", complaint, 0)
	o.apply(e)
	o.apply(e) // counts once
	if got := pauses(t, o.Database, acme); got != "mail-feedback staff_x" {
		t.Error(got)
	}
	if rates, err := mail.RatesOf(context.Background(), o.App, mail.Marketing); err != nil || rates != (mail.Rates{Delivered: 2000, Complained: 3}) {
		t.Errorf("%+v (%v)", rates, err)
	}
}

// What sessions count at the same time is in several rows, of which none is lost.
func TestCountsAddUp(t *testing.T) {
	t.Parallel()
	const mails = 40
	o := newOffice(t)
	events := make([]feedback.Report, mails)
	for i := range events {
		r, err := feedback.ReadSES(o.event(o.send(fmt.Sprint(i), usual()), "Delivery", delivered, 0))
		testkit.Must(t, err)
		events[i] = r
	}
	var group sync.WaitGroup
	for _, r := range events {
		group.Go(func() {
			if err := o.desk.Apply(context.Background(), r); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	days, err := mail.Days(context.Background(), o.App, "product", 1)
	if err != nil || len(days) != 1 || days[0].Delivered != mails || !days[0].Present {
		t.Errorf("%+v (%v)", days, err)
	}
	if rows := testkit.Value[int](t, o.Database, `SELECT count(*) FROM mail_stream_day`); rows < 2 {
		t.Errorf("all sessions have counted in %d row", rows)
	}
}

// An event is written only if an endpoint gets it.
func TestNobodySubscribes(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.apply(o.event(o.send("1", usual()), "Delivery", delivered, 0))
	o.Exec(t, `UPDATE webhook_endpoint SET event_types = '{invoice.paid}', revision = revision + 1`)
	o.apply(o.event(o.send("2", usual()), "Delivery", delivered, 0)) // the cache is out of date
	o.apply(o.event(o.send("3", usual()), "Bounce", permanent, 0))
	if got := o.state(); got != "delivered delivered bounced; ada@example.com bounce; mail.delivered; 1" {
		t.Error(got)
	}
	o.Exec(t, `UPDATE webhook_endpoint SET event_types = '{mail.complained}', revision = revision + 1`)
	o.Exec(t, `DELETE FROM mail_suppression`)
	o.apply(o.event(o.send("4", usual()), "Complaint", complaint, 0))
	if got := o.state(); !strings.HasSuffix(got, "; mail.delivered mail.complained; 2") {
		t.Error(got)
	}
}

// The organization is told of a mail that is not sent because its address must get
// none, once, if it has an endpoint for that.
func TestTellSuppressed(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	sender := &mail.Sender{DB: o.App, Box: testkit.Box(t), Log: o.desk.Log, Suppressed: feedback.TellSuppressed(o.desk.Wakers, o.Clock)}
	kinds, err := job.NewRegistry(sender.Kinds()...)
	testkit.Must(t, err)
	runner := &job.Runner{DB: o.App, Worker: o.Worker, Database: pg.Home, Queue: job.High, Kinds: kinds, Clock: o.Clock, Log: o.desk.Log, Random: func() float64 { return 0 }}
	suppressed := func(key string) id.Mail {
		m := o.send(key, usual())
		jobtest.Drain(t, runner)
		if status := testkit.Value[string](t, o.Database, `SELECT status FROM mail WHERE id = $1 AND data IS NULL`, m); status != "suppressed" {
			t.Errorf("the mail is %s", status)
		}
		return m
	}
	testkit.Must(t, mail.Suppress(context.Background(), o.App, mail.Suppression{Recipient: "ada@EXAMPLE.com", Reason: mail.Bounce}))
	m := suppressed("1")
	payload := testkit.Value[string](t, o.Database, `SELECT convert_from(payload, 'UTF8') FROM event JOIN webhook_delivery d ON d.event_id = event.id`)
	for _, want := range []string{`"mail.suppressed"`, m.String(), "Ada@example.com", "The address gets no mail at the moment (bounce)."} {
		if !strings.Contains(payload, want) {
			t.Errorf("%s lacks %s", payload, want)
		}
	}
	item, err := o.desk.Wakers[pg.Home].Due.Read(context.Background())
	if err != nil || item.Missing() || item.At.After(o.Clock.Now()) {
		t.Errorf("the next sweep does not look for it: %+v (%v)", item, err)
	}
	o.Exec(t, `UPDATE webhook_endpoint SET deleted_at = portico_now(), revision = revision + 1`)
	suppressed("2")
	if n := testkit.Value[int](t, o.Database, `SELECT count(*) FROM event`); n != 1 {
		t.Errorf("%d events", n)
	}
}
