package mail_test

import (
	"context"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/mail"
	"portico/shared/mail/transport"
	"portico/shared/pg"
	"portico/shared/testkit"
)

func (p *post) expunge() {
	p.t.Helper()
	p.InOrg(p.t, p.org, func(ctx context.Context, tx pg.Tx) error {
		last, n, err := mail.Expunge(ctx, tx, p.org, mail.Expunging{Recipient: "ADA@example.com", Until: p.Clock.Now().Add(time.Minute)}, 10)
		if n != 1 || last.IsZero() {
			p.t.Errorf("%d mails were expunged, the last one %s", n, last)
		}
		return err
	})
}

// left counts the mails of which something is left that leads to the recipient.
func (p *post) left() int {
	p.t.Helper()
	return testkit.Value[int](p.t, p.Database, `
		SELECT count(*) FROM mail m WHERE m::text ILIKE '%ada%' OR provider_id IS NOT NULL OR digest IS NOT NULL OR data IS NOT NULL`)
}

// A mail that waits is not sent after it was expunged.
func TestExpungedMailIsNotSent(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.send(added("ada/1"))
	p.expunge()
	p.workFor(10 * time.Minute)
	if len(p.service.mails) != 0 || p.status() != "suppressed 0" || p.left() != 0 {
		t.Errorf("%d mails were sent; %s; %d have something left", len(p.service.mails), p.status(), p.left())
	}
}

// What becomes of a mail that is expunged while it is being sent is not kept, whatever
// the service answers or reports later.
func TestExpungedWhileSending(t *testing.T) {
	t.Parallel()
	for _, answer := range []error{nil, transport.ErrUnknown, context.DeadlineExceeded} {
		p := newPost(t)
		made := p.send(added("ada/1"))
		p.service.after = func(transport.Message) error {
			p.expunge()
			p.service.after = nil
			return answer
		}
		p.workFor(30 * time.Minute)
		p.accepted(made)
		if len(p.service.mails) != 1 || p.status() != "unknown 1" || p.left() != 0 {
			t.Errorf("%v: %d mails were sent; %s; %d have something left", answer, len(p.service.mails), p.status(), p.left())
		}
	}
}

func (p *post) accepted(m id.Mail) {
	p.t.Helper()
	p.InOrg(p.t, p.org, func(ctx context.Context, tx pg.Tx) error { return mail.Accepted(ctx, tx, p.org, m, "p-1") })
}
