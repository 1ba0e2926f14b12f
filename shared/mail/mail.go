// Package mail sends mail. Send is called in the transaction that causes the mail,
// so the mail exists exactly if that commits. A job then hands it to a service
// (Sender); the table mail is the log.
package mail

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
	"portico/shared/mail/unsubscribe"
	"portico/shared/pg"
	"portico/shared/secret"
)

// Mail is a mail to one person.
type Mail struct {
	To      transport.Address
	Locale  string // the wanted language, such as de; another one if there is none in it
	Content template.Content
	// Key makes the mail unique: a second one of the organization with this key is not
	// sent. It names the cause, such as certificate/we_…/2026-03-05.
	Key string
	// Test makes it a test of a version of its template. nil: it is no test.
	Test *Test
}

// maxKey is the longest key, in characters.
const maxKey = 200

// jobArgs are the arguments of the job that sends a mail.
type jobArgs struct {
	Mail id.Mail `json:"mail"`
}

// SendMarketingKind is the kind of the job that sends a marketing mail.
const SendMarketingKind = "mail.send_marketing"

// Kinds of the jobs: by the mail's stream, and for mail of the platform itself.
// Sender.Kinds has them with their work.
var (
	productKind   = job.Kind[jobArgs]{Name: "mail.send", Queue: job.High, Unique: job.Waits}
	marketingKind = job.Kind[jobArgs]{Name: SendMarketingKind, Queue: job.Bulk, Unique: job.Waits}
	platformKind  = job.Kind[jobArgs]{Name: "mail.send_platform", Queue: job.High, Unique: job.Waits, Platform: true}
)

func kindOf(org id.Org, stream template.Stream) job.Kind[jobArgs] {
	switch {
	case org.IsZero():
		return platformKind
	case stream == template.Marketing:
		return marketingKind
	}
	return productKind
}

// raw is an organization as the table has it: the platform's own mail has zeros.
func raw(org id.Org) [16]byte { return org.UUID }

// Send sends a mail when the caller's transaction commits. Its statements go with
// the commit, so it costs no round trip. Mail to an address that must get none is
// in the log as suppressed.
//
// Mail about a user's own account belongs to no organization: its org is zero, and tx is
// one of PlatformThen or PlatformIn in the home database.
func Send(ctx context.Context, tx pg.Tx, box *secret.Box, now time.Time, org id.Org, m Mail) (id.Mail, error) {
	mailID := idOf(org, m.Key)
	if err := m.check(org); err != nil {
		return mailID, err
	}
	m.To.Address, _ = transport.EncodeAddress(m.To.Address) // one spelling, so that entries for the address are found
	t := m.Content.Template
	data, err := json.Marshal(m.Content.Data)
	if err != nil {
		return mailID, fmt.Errorf("mail.Send: %w", err)
	}
	kept := sealed{Data: data, Test: m.Test}
	if t.Category != "" {
		kept.Token = unsubscribe.Token(box, unsubscribe.Choice{Org: org, Recipient: m.To.Address, Category: t.Category}, now)
	}
	if data, err = json.Marshal(kept); err != nil {
		return mailID, fmt.Errorf("mail.Send: %w", err)
	}
	var batch pgx.Batch
	batch.Queue(`
		INSERT INTO mail (org_id, id, stream, category, template, locale, recipient, recipient_name, key, data, status)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, CASE WHEN mail_suppressed($7, $4 = '') IS NULL THEN 'queued' ELSE 'suppressed' END)
		ON CONFLICT (org_id, id) DO NOTHING`,
		raw(org), mailID, t.Stream, t.Category, t.Name, m.Locale, m.To.Address, m.To.Name, m.Key, box.Seal(data, sealedFor(mailID)))
	if err := pg.AtCommit(ctx, tx, &batch); err != nil {
		return mailID, fmt.Errorf("mail.Send: %w", err)
	}
	_, err = job.Add(ctx, tx, org, kindOf(org, t.Stream), jobArgs{mailID}, job.Options{Key: mailID.String()})
	return mailID, err
}

// sealed is what is kept of a mail until it is sent. The token is made once, so that
// the mail is the same in every try: services that recognise a repetition demand it.
type sealed struct {
	Data  json.RawMessage `json:"data"`
	Token string          `json:"token"` // to unsubscribe; "" for critical mail
	Test  *Test           `json:"test,omitempty"`
}

// sealedFor binds the sealed data to their mail.
func sealedFor(mail id.Mail) string { return "mail " + mail.String() }

func (m Mail) check(org id.Org) error {
	var faults []error
	if m.Content.Template.Account != org.IsZero() && m.Test == nil {
		return fmt.Errorf("mail.Send: %s: only mail about accounts has no organization", m.Content.Template.Name)
	}
	if err := transport.CheckAddress(m.To.Address); err != nil {
		faults = append(faults, fault.InvalidField("to", err.Error()))
	}
	if n := utf8.RuneCountInString(m.Key); n == 0 || n > maxKey {
		faults = append(faults, fault.InvalidField("key", fmt.Sprintf("must have 1 to %d characters", maxKey)))
	}
	return fault.Join(faults...)
}

// Recent counts an organization's mails of a template in the last 24 hours, to one
// recipient or, if that is empty, to all; at most up to a limit.
func Recent(ctx context.Context, tx pg.Tx, org id.Org, template, recipient string, limit int) (int, error) {
	if ascii, err := transport.EncodeAddress(recipient); err == nil {
		recipient = ascii
	}
	return pg.Value[int](ctx, tx, "mail.Recent", `
		SELECT count(*) FROM (SELECT FROM mail WHERE org_id = $1 AND created_at > portico_now() - interval '1 day' AND template = $2
			AND ($3 = '' OR recipient = $3) LIMIT $4) m`, org, template, recipient, limit)
}

// Accepted records that a mail service says it has accepted a mail: its answer, or
// its event if the answer was lost. It changes nothing if more is known already.
func Accepted(ctx context.Context, tx pg.Tx, org id.Org, mail id.Mail, providerID string) error {
	return pg.Exec(ctx, tx, "mail.Accepted", `
		UPDATE mail SET status = 'sent', status_at = portico_now(), provider_id = $3, error = NULL, data = NULL
		WHERE org_id = $1 AND id = $2 AND status IN ('queued', 'sending', 'unknown') AND recipient <> ''`, raw(org), mail, providerID)
}
