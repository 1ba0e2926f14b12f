package mail

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/shared/fault"
	"portico/shared/job"
	"portico/shared/mail/override"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/secret"
)

// Transport hands a mail to a service. shared/mail/transport has three.
type Transport interface {
	// Send returns the service's id of the mail. Its errors are faults.
	Send(ctx context.Context, m transport.Message) (providerID string, err error)
	// Dedupes reports whether the service sends a mail once, however often it gets it.
	Dedupes() bool
}

// Sender does the jobs that send mail.
type Sender struct {
	DB        *pg.DB
	Box       *secret.Box
	Templates *template.Set
	// Overrides are what staff have published instead of templates. nil: nothing.
	Overrides *override.Published
	Log       *observe.Log
	// Transports and From have an entry for each stream. Mail of a stream without one
	// ends as failed.
	Transports map[template.Stream]Transport
	From       map[template.Stream]string // mail addresses
	// Name is shown as the sender of organizations without a display name.
	Name string
	// Public is the address of the pages, such as https://portico.example.com. "":
	// there are none, and so no links to unsubscribe.
	Public string
	// Account asks SES how much may be sent. nil: mail does not go through SES.
	Account func(context.Context) (transport.Account, error)
	// Suppressed tells of a mail that is not sent because its recipient must get none,
	// in the transaction that records it. nil: nobody is told. Mail of no organization
	// has nobody to tell.
	Suppressed func(ctx context.Context, tx pg.Tx, m Logged) error
	// List is the list of such addresses that the mail service keeps. nil: it keeps
	// none.
	List List
}

// Kinds returns the kinds of jobs with their work.
func (s *Sender) Kinds() []job.Declared {
	product, marketing, platform := productKind, marketingKind, platformKind
	product.Work = job.Call(s.send, s.record)
	marketing.Work, platform.Work = product.Work, product.Work
	if s.Account != nil {
		product.Throttle, marketing.Throttle, platform.Throttle = &throttle, &throttle, &throttle
	}
	return []job.Declared{product, marketing, platform, s.readAccount(), s.liftSuppression(), s.compare()}
}

// result is what became of a mail.
type result struct {
	status     string // "": nothing changes
	err        string
	providerID string
	version    string
	locale     string
	digest     []byte
	once       bool // the service sends it once, however often it got it
}

// errGone ends a job whose mail is not there. It cannot happen: both are added by
// one transaction, and erased together.
var errGone = errors.New("mail: there is no mail of the job")

// send hands a mail over, if that is the next step.
func (s *Sender) send(ctx context.Context, j job.Job, args jobArgs) (result, error) {
	r, what, err := s.take(ctx, j.Org, args.Mail)
	if err != nil {
		return result{}, err
	}
	switch what {
	case done:
		return result{}, nil
	case wait:
		return result{}, job.Snooze(waitForEvent - r.Waited)
	case giveUp:
		return result{status: "unknown", err: "The mail service did not say whether it accepted the mail."}, nil
	case suppress:
		return result{status: "suppressed", err: r.whySuppressed()}, nil
	case noService:
		return result{status: "failed", err: "No mail service is configured."}, nil
	}
	m, out, err := s.message(ctx, r)
	if f := fault.Of(err); f != nil && f.Kind == fault.Unavailable {
		return result{}, errors.Join(err, s.putBack(context.WithoutCancel(ctx), j.Org, args.Mail, r.Handovers))
	}
	if err != nil {
		return result{status: "failed", err: err.Error()}, nil
	}
	out.providerID, err = s.Transports[r.Stream].Send(ctx, m)
	switch f := fault.Of(err); {
	case err == nil:
		out.status, out.once = "sent", s.Transports[r.Stream].Dedupes()
		return out, nil
	case errors.Is(err, transport.ErrUnknown):
		return result{}, job.Snooze(waitForEvent)
	case f != nil && f.Kind == fault.Invalid:
		return result{status: "rejected", err: err.Error()}, nil
	case f != nil:
		return result{}, errors.Join(err, s.putBack(context.WithoutCancel(ctx), j.Org, args.Mail, r.Handovers))
	}
	return result{}, err // not a transport's: the next try waits for an event
}

// record writes what became of a mail, and forgets its data.
func (s *Sender) record(ctx context.Context, tx pg.Tx, j job.Job, a jobArgs, r result) error {
	if r.status == "" {
		return nil
	}
	args := []any{raw(j.Org), a.Mail, r.status, r.err, r.providerID, r.version, r.locale, r.digest, r.once}
	if r.status == "suppressed" && s.Suppressed != nil && !j.Org.IsZero() {
		recorded, err := pg.List[Logged](ctx, tx, "mail.record", recordResult+" RETURNING "+columns, args...)
		if err != nil || len(recorded) == 0 {
			return err
		}
		return s.Suppressed(ctx, tx, recorded[0])
	}
	var batch pgx.Batch
	batch.Queue(recordResult, args...)
	return pg.AtCommit(ctx, tx, &batch) // with that of the job: one round trip
}

// recordResult writes what became of a mail, unless its service has reported already.
// Nothing is kept of one that was expunged meanwhile.
const recordResult = `
	UPDATE mail SET
		status = CASE WHEN status IN ('queued', 'sending') THEN $3 ELSE status END,
		status_at = CASE WHEN status IN ('queued', 'sending') THEN portico_now() ELSE status_at END,
		error = coalesce(nullif($4, ''), error), provider_id = coalesce(provider_id, nullif($5, '')),
		template_version = nullif($6, ''), locale = coalesce(nullif($7, ''), locale), digest = $8, data = NULL,
		handovers = CASE WHEN $9 THEN 1 ELSE handovers END
	WHERE org_id = $1 AND id = $2 AND recipient <> ''`

func (r row) whySuppressed() string {
	if r.Suppressed == nil && r.Status != "suppressed" {
		return "The recipient has unsubscribed from this kind of mail."
	}
	if r.Suppressed == nil { // the entry has ended since the mail was to be sent
		return "The address got no mail at that moment."
	}
	return fmt.Sprintf("The address gets no mail at the moment (%s).", *r.Suppressed)
}
