package mail_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/mail"
	"portico/shared/mail/template"
	"portico/shared/pg"
	"portico/shared/testkit"
)

const verifyURL = "https://portico.example.com/sign-in/verify/token"

// verify is a mail about a user's own account.
func verify(key string) mail.Mail {
	m := added(key)
	m.Content = template.VerifyAddress.With(template.LinkData{URL: verifyURL, ExpiresAt: time.Now()})
	return m
}

// sendPlatform sends a mail of no organization.
func (p *post) sendPlatform(m mail.Mail) error {
	return p.App.PlatformIn(context.Background(), pg.Home, func(tx pg.Tx) error {
		_, err := mail.Send(context.Background(), tx, p.box, p.Clock.Now(), id.Org{}, m)
		return err
	})
}

// Mail about a user's own account belongs to no organization. It is sent exactly if its
// transaction commits, once for each key, in the name of whoever runs Portico.
func TestSendOfPlatform(t *testing.T) {
	t.Parallel()
	p, ctx := newPost(t), context.Background()
	failure := errors.New("the work failed")
	err := p.App.PlatformIn(ctx, pg.Home, func(tx pg.Tx) error {
		_, err := mail.Send(ctx, tx, p.box, p.Clock.Now(), id.Org{}, verify("lost"))
		return errors.Join(err, failure)
	})
	if !errors.Is(err, failure) || p.status() != "none" {
		t.Fatalf("%v, %s", err, p.status())
	}
	for range 2 {
		testkit.Must(t, p.sendPlatform(verify("verify/1")))
	}
	p.work()
	if p.status() != "sent 1" || len(p.service.mails) != 1 {
		t.Fatalf("%s, %d mails", p.status(), len(p.service.mails))
	}
	m := p.service.mails[0]
	if m.From.Name != "Portico" || m.Subject != "Bestätigen Sie Ihre Adresse" || !strings.Contains(m.Text, verifyURL) || m.Unsubscribe != "" ||
		!strings.Contains(m.Text, "weil Ihre Adresse bei Portico verwendet wurde") || strings.Contains(m.Text, "Mitglied") {
		t.Errorf("the mail is %+v", m)
	}
	if kept := testkit.Value[bool](t, p.Database, `SELECT data IS NULL AND org_id = '00000000-0000-0000-0000-000000000000' FROM mail`); !kept {
		t.Error("the link is kept, or the mail has an organization")
	}
}

// A mail about an account to an address that does not exist is not sent. Nobody is told,
// because no organization sent it.
func TestPlatformMailIsSuppressed(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.sender.Suppressed = func(context.Context, pg.Tx, mail.Logged) error { return errors.New("nobody can be told") }
	p.suppress("bounce", nil)
	testkit.Must(t, p.sendPlatform(verify("verify/1")))
	p.work()
	done := testkit.Value[bool](t, p.Database, `SELECT data IS NULL AND NOT EXISTS (SELECT FROM job) FROM mail`)
	if p.status() != "suppressed 0" || len(p.service.mails) != 0 || !done {
		t.Errorf("%s, %d mails; its job has ended and its data are gone: %v", p.status(), len(p.service.mails), done)
	}
}

// Mail about accounts has no organization, and all other mail has one.
func TestPlatformSendsOnlyMailAboutAccounts(t *testing.T) {
	t.Parallel()
	p, ctx := newPost(t), context.Background()
	if err := p.sendPlatform(added("k")); err == nil || !strings.Contains(err.Error(), "only mail about accounts") {
		t.Errorf("mail of no organization: %v", err)
	}
	err := p.App.InOrg(ctx, p.org, func(tx pg.Tx) error {
		_, err := mail.Send(ctx, tx, p.box, p.Clock.Now(), p.org, verify("k"))
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "only mail about accounts") || p.status() != "none" {
		t.Errorf("mail about an account for an organization: %v, %s", err, p.status())
	}
}
