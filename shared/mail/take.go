package mail

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/mail/template"
	"portico/shared/org"
	"portico/shared/pg"
)

// row is a mail that may be handed over.
type row struct {
	ID            id.Mail
	Status        string
	Stream        template.Stream
	Category      string
	Template      string
	Locale        string
	Recipient     string
	RecipientName string
	Data          []byte
	Handovers     int16
	CreatedAt     time.Time
	Waited        time.Duration // since it was last handed over
	Suppressed    *string       // why the recipient must get none
	Unsubscribed  bool
	organization  org.Organization
}

const (
	// waitForEvent is how long the event of a service may take that says that it has
	// accepted a mail, after its answer was lost.
	waitForEvent = 2 * time.Minute
	// maxHandovers bounds how often a mail is handed over without an answer.
	maxHandovers = 5
)

// step is what to do with a mail now.
type step int

const (
	done      step = iota // nothing
	handOver              // to the service
	wait                  // for the service's event
	giveUp                // nobody knows what became of it
	suppress              // the recipient must get none, or does not want it
	noService             // there is no mail service
)

// next decides what to do with a mail. A mail that is being handed over without an
// answer may have been accepted: a service that dedupes gets it again at once;
// otherwise its event has time to come. Then mail that people wait for goes again,
// because a second password reset is better than none; marketing does not.
func (r row) next(dedupes bool) step {
	switch {
	case r.Status == "suppressed" && r.Data != nil:
		return suppress // it is already, but nobody has been told
	case r.Status != "queued" && r.Status != "sending":
		return done
	case r.Status == "queued" && (r.Suppressed != nil || r.Unsubscribed):
		return suppress
	case r.Status == "queued" || dedupes && r.Handovers < maxHandovers:
		return handOver
	case r.Waited < waitForEvent:
		return wait
	case r.Stream == template.Marketing || r.Handovers >= maxHandovers:
		return giveUp
	}
	return handOver
}

// take locks a mail, decides, and if it is to be handed over records that before it
// happens.
func (s *Sender) take(ctx context.Context, orgID id.Org, mail id.Mail) (r row, what step, err error) {
	err = s.in(ctx, orgID, func(tx pg.Tx) (err error) {
		r, err = pg.One[row](ctx, tx, "mail.take", errGone, `
			SELECT id, status, stream, category, template, locale, recipient, recipient_name, data, handovers, created_at,
				coalesce(portico_now() - handed_over_at, '0') AS waited, mail_suppressed(recipient, category = '') AS suppressed,
				EXISTS (SELECT FROM mail_unsubscribed u WHERE u.org_id = $1 AND u.recipient = lower(mail.recipient) AND u.category = mail.category) AS unsubscribed
			FROM mail WHERE org_id = $1 AND id = $2 FOR UPDATE`, raw(orgID), mail)
		if err != nil {
			return err
		}
		service := s.Transports[r.Stream]
		what = r.next(service != nil && service.Dedupes())
		if what == handOver && service == nil {
			what = noService
		}
		if what != handOver {
			return nil
		}
		if !orgID.IsZero() {
			if r.organization, err = org.Get(ctx, tx, orgID); err != nil {
				return err
			}
		}
		var batch pgx.Batch
		batch.Queue(`
			UPDATE mail SET status = 'sending', status_at = portico_now(), handed_over_at = portico_now(), handovers = handovers + 1
			WHERE org_id = $1 AND id = $2`, raw(orgID), mail)
		return pg.AtCommit(ctx, tx, &batch) // saves a round trip
	})
	return r, what, err
}

// putBack records that a mail was certainly not accepted.
func (s *Sender) putBack(ctx context.Context, orgID id.Org, mail id.Mail, handovers int16) error {
	return s.in(ctx, orgID, func(tx pg.Tx) error {
		return pg.Exec(ctx, tx, "mail.putBack", `
			UPDATE mail SET status = 'queued', status_at = portico_now(), handovers = $3 WHERE org_id = $1 AND id = $2 AND status = 'sending'`,
			raw(orgID), mail, handovers)
	})
}

// in runs fn where the mails of an organization are. Those of the platform are at home.
func (s *Sender) in(ctx context.Context, orgID id.Org, fn func(pg.Tx) error) error {
	if orgID.IsZero() {
		return s.DB.PlatformIn(ctx, pg.Home, fn)
	}
	return s.DB.InOrg(ctx, orgID, fn)
}
