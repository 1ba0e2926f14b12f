package mail_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/mail"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
	"portico/shared/testkit"
)

// newAccount returns a post that sends through SES, whose account is *a.
func newAccount(t *testing.T, a *transport.Account) *post {
	t.Helper()
	p := newPost(t)
	sender := newSender(t, p.App, p.box, p.service)
	sender.Account = func(context.Context) (transport.Account, error) {
		if a.PerSecond == 0 {
			return *a, errors.New("SES is away")
		}
		return *a, nil
	}
	registry, err := job.NewRegistry(sender.Kinds()...)
	testkit.Must(t, err)
	testkit.Must(t, registry.EnsureThrottles(context.Background(), p.Worker))
	for _, r := range p.runners {
		r.Kinds = registry
	}
	return p
}

// readAccount does what the schedule does every hour.
func (p *post) readAccount() {
	p.t.Helper()
	ctx := context.Background()
	testkit.Must(p.t, pgx.BeginFunc(ctx, p.Worker, func(tx pgx.Tx) error {
		_, err := job.AddEncoded(ctx, tx, id.Org{}, job.High, mail.ReadAccountKind, []byte("{}"), job.Options{})
		return err
	}))
	p.workFor(time.Minute)
}

func marketing(key string) mail.Mail {
	m := added(key)
	streamed := *m.Content.Template
	streamed.Stream = template.Marketing
	m.Content.Template = &streamed
	return m
}

// What SES allows is read: the rate sets the throttle, and at nine tenths of the daily
// quota marketing waits, while other mail is sent. When there is room again, it goes on.
// A pause by staff stays.
func TestAccount(t *testing.T) {
	t.Parallel()
	account := transport.Account{PerSecond: 40, PerDay: 1000, Sent: 899}
	p := newAccount(t, &account)
	sent := 0
	step := func(name string, wantRate float64, goesOn bool) {
		t.Helper()
		p.readAccount()
		if rate := testkit.Value[float64](t, p.Database, `SELECT per_second FROM job_throttle WHERE name = 'ses'`); rate != wantRate {
			t.Errorf("%s: the rate is %g, want %g", name, rate, wantRate)
		}
		p.send(added(name))
		p.send(marketing(name + "/news"))
		p.workFor(time.Minute)
		before := sent
		if sent = len(p.service.mails); sent == before {
			t.Errorf("%s: no mail was sent", name)
		}
		waits := testkit.Value[int](t, p.Database, `SELECT count(*) FROM mail WHERE stream = 'marketing' AND status = 'queued'`)
		if (waits == 0) != goesOn {
			t.Errorf("%s: %d mails of marketing wait", name, waits)
		}
	}
	step("with room", 38, true)
	account = transport.Account{PerSecond: 100, PerDay: 1000, Sent: 900}
	step("at the quota", 95, false)
	why := testkit.Value[string](t, p.Database, `SELECT kind || paused_by || pause_reason FROM job_kind`)
	if want := "mail.send_marketingmail.read_account900 of the 1000 mails that SES allows in 24 hours are sent. The rest is for mail that people wait for."; why != want {
		t.Errorf("it is paused: %s", why)
	}
	account.PerSecond = 0
	step("SES is away", 95, false)
	account = transport.Account{PerSecond: 100, PerDay: -1, Sent: 5000}
	step("without a quota", 95, true)
	p.Exec(t, `UPDATE job_kind SET paused_at = now(), paused_by = 'staff_x', pause_reason = 'no news today'`)
	step("paused by staff", 95, false)
	account = transport.Account{PerSecond: 100, PerDay: 1, Sent: 1}
	step("both", 95, false)
	if by := testkit.Value[string](t, p.Database, `SELECT paused_by || pause_reason FROM job_kind`); by != "staff_xno news today" {
		t.Errorf("paused by %s", by)
	}
}

// Several databases share the rate.
func TestAccountOfSeveralDatabases(t *testing.T) {
	t.Parallel()
	account := transport.Account{PerSecond: 40, PerDay: 1000}
	p := newAccount(t, &account)
	for i := range 3 {
		testkit.Must(t, p.App.Add(context.Background(), fmt.Sprintf("d%d", i), testkit.DB(t).URL("portico_app")))
	}
	p.readAccount()
	if rate := testkit.Value[float64](t, p.Database, `SELECT per_second FROM job_throttle WHERE name = 'ses'`); rate != 9.5 {
		t.Errorf("the rate is %g", rate)
	}
}
