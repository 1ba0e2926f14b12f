package feedback

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/event"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/mail"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/webhook"
	"portico/shared/webhook/fanout"
)

// Desk applies reports.
type Desk struct {
	DB            *pg.DB
	Wakers        pg.Databases[*claim.Waker] // of deliveries
	Subscriptions *fanout.Cache
	Clock         *clock.Clock
	Log           *observe.Log
}

// maxDetail bounds what is kept of the words of a mail server, in bytes.
const maxDetail = 500

// Apply applies a report. It may be repeated: a report that is known already, is older
// than what is known, or is about no mail of ours changes nothing. An error means that
// it must come again.
//
// The address is suppressed before the status is recorded, so that a report that is
// known has done all that it does. The address is always the one that the mail was
// sent to, whatever the report says.
func (d *Desk) Apply(ctx context.Context, r Report) error {
	m, err := mail.Find(ctx, d.DB, r.Mail)
	switch {
	case errors.Is(err, mail.ErrNotFound):
		d.ignore(ctx, r, "there is no such mail")
		return nil
	case err != nil:
		return err
	case m.IsExpunged():
		d.ignore(ctx, r, "the mail was expunged")
		return nil
	case isForeign(m, r):
		d.ignore(ctx, r, "the mail service gave this mail another id")
		return nil
	}
	if now := d.Clock.Now(); r.At.IsZero() || r.At.After(now) {
		r.At = now // a time far ahead would make all later reports look old
	}
	r.Detail, r.ProviderID = storable(r.Detail), storable(r.ProviderID)
	if r.What == Sent {
		return d.in(ctx, m.OrgID, func(tx pg.Tx) error { return mail.Accepted(ctx, tx, m.OrgID, m.ID, r.ProviderID) })
	}
	if !isKnown(m.Status, m.StatusAt, r) {
		if err := d.suppress(ctx, m, r); err != nil {
			return err
		}
	}
	if err := d.record(ctx, m, r); err != nil {
		return err
	}
	if r.What == Bounced && r.Bounce == Transient {
		if err := mail.SuppressAfterBounces(ctx, d.DB, m.Recipient, d.Clock.Now()); err != nil {
			return err
		}
	}
	if r.What == Complained || r.What == Bounced && r.Counts {
		return d.judge(ctx, m.Stream)
	}
	return nil
}

// in runs fn where the mails of an organization are. Those of the platform are at home.
func (d *Desk) in(ctx context.Context, org id.Org, fn func(pg.Tx) error) error {
	if org.IsZero() {
		return d.DB.PlatformIn(ctx, pg.Home, fn)
	}
	return d.DB.InOrg(ctx, org, fn)
}

// isForeign reports whether a report is about another mail with our tag. A mail that
// was handed over several times has several ids.
func isForeign(m mail.Logged, r Report) bool {
	return m.ProviderID != nil && r.ProviderID != "" && *m.ProviderID != r.ProviderID && m.Handovers <= 1
}

// isKnown reports whether a report says nothing new about a mail of this status: it has
// been applied, or is older than one that has. A complaint is the last word.
func isKnown(status string, since time.Time, r Report) bool {
	switch before := What(status); {
	case before == Complained, before == Delivered && r.What == Delivered:
		return true
	case weight[before] == 0 || r.What == Complained:
		return false
	default:
		return since.After(r.At) || since.Equal(r.At) && weight[before] >= weight[r.What]
	}
}

// weight says which of two reports of the same moment is the later one. What services
// do not report has none.
var weight = map[What]int{Delayed: 1, Delivered: 2, Bounced: 3, Rejected: 4, Suppressed: 4, Complained: 5}

func (d *Desk) ignore(ctx context.Context, r Report, why string) {
	d.Log.Line(ctx, slog.LevelInfo, "a report about a mail is ignored", nil,
		slog.String("why", why), slog.String("mail", r.Mail.String()), slog.String("what", string(r.What)), slog.String("provider_id", storable(r.ProviderID)))
}

// storable returns a text that Postgres accepts, and not too much of it.
func storable(text string) string {
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "")
	if len(text) > maxDetail {
		text = strings.ToValidUTF8(text[:maxDetail], "")
	}
	return text
}

// suppress enters the address in every database, if the report says that it must get
// no mail.
func (d *Desk) suppress(ctx context.Context, m mail.Logged, r Report) error {
	s := mail.Suppression{Recipient: m.Recipient, Note: r.Detail}
	switch {
	case r.What == Bounced && r.Bounce == Permanent, r.What == Suppressed:
		s.Reason = mail.Bounce
	case r.What == Complained:
		s.Reason = mail.Complaint
	default:
		return nil
	}
	return mail.Suppress(ctx, d.DB, s)
}

// record writes the status, counts it and publishes it in one transaction, unless
// something newer is known.
func (d *Desk) record(ctx context.Context, m mail.Logged, r Report) error {
	p := publication{desk: d, org: m.OrgID, database: d.DB.LastFound(m.OrgID)}
	var then pgx.Batch
	work := func(tx pg.Tx) error { return p.record(ctx, tx, &then, m, r) }
	if m.OrgID.IsZero() { // which has no endpoints that would be told
		return d.in(ctx, m.OrgID, work)
	}
	if err := p.lower(ctx); err != nil {
		return err
	}
	err := d.DB.InOrgThen(ctx, m.OrgID, work, &then)
	if errors.Is(err, pg.ErrAgain) {
		then, p.due = pgx.Batch{}, nil
		err = d.DB.InOrgAgain(ctx, m.OrgID, work, &then)
	}
	if err != nil || len(p.due) == 0 || p.awake {
		return err
	}
	if _, err := d.Wakers[p.database].WakeForPublish(ctx); err != nil { // the next sweep finds the deliveries
		d.Log.Line(ctx, slog.LevelWarn, "no dispatcher could be woken", nil, slog.String("cause", err.Error()))
	}
	return nil
}

// state is what is known of a mail.
type state struct {
	Status   string
	StatusAt time.Time
	Expunged bool // since it was found
}

// publication publishes what became of one mail.
type publication struct {
	desk     *Desk
	org      id.Org
	database string // where the organization lives
	due      []id.WebhookEndpoint
	awake    bool // a dispatcher was, and has been told
}

// lower makes the database's sweep look for deliveries.
func (p *publication) lower(ctx context.Context) error {
	if err := p.desk.Wakers[p.database].Due.Lower(ctx, p.desk.Clock.Now()); err != nil {
		return fault.ErrAway.Because(err)
	}
	return nil
}

func (p *publication) record(ctx context.Context, tx pg.Tx, then *pgx.Batch, m mail.Logged, r Report) error {
	before, err := pg.One[state](ctx, tx, "feedback.record", mail.ErrNotFound, `SELECT status, status_at, recipient = '' AS expunged FROM mail WHERE org_id = $1 AND id = $2 FOR UPDATE`, [16]byte(m.OrgID.UUID), m.ID)
	if err != nil || before.Expunged || isKnown(before.Status, before.StatusAt, r) {
		return err
	}
	if err := pg.Exec(ctx, tx, "feedback.record", `
		UPDATE mail SET status = $3, status_at = $4, error = nullif($5, ''), bounce = nullif($6, ''), provider_id = coalesce(provider_id, nullif($7, '')), data = NULL
		WHERE org_id = $1 AND id = $2`, [16]byte(m.OrgID.UUID), m.ID, r.What, r.At, r.Detail, r.Bounce, r.ProviderID); err != nil {
		return err
	}
	if What(before.Status) == r.What {
		return nil // a mail that was sent twice
	}
	if err := count(ctx, tx, m.Stream, What(before.Status), r); err != nil {
		return err
	}
	notice, ok := noticeOf(m, r)
	if !ok {
		return nil
	}
	_, p.due, err = event.PublishCached(ctx, tx, p.org, p.desk.Subscriptions, []event.Draft{{Type: notice.Type, Data: notice.Data, IfWanted: true}}, p.desk.Clock.Now())
	if err != nil || len(p.due) == 0 {
		return err
	}
	webhook.Tell(then, p.org, p.due, &p.awake)
	if found := pg.DatabaseOf(tx); found != "" && found != p.database { // it has moved
		p.database = found
		return p.lower(ctx)
	}
	return nil
}

// noticeOf returns the operational event of a report; false if there is none.
func noticeOf(m mail.Logged, r Report) (webhook.Notice, bool) {
	about := webhook.MailNotice{MailID: m.ID, Template: m.Template, Recipient: m.Recipient, At: clock.Stamp(r.At)}
	switch r.What {
	case Delivered:
		return webhook.NewMailNotice(m.OrgID, webhook.MailDelivered{MailNotice: about}), true
	case Bounced:
		return webhook.NewMailNotice(m.OrgID, webhook.MailBounced{MailNotice: about, Bounce: cmp.Or(r.Bounce, Undetermined), Detail: r.Detail}), true
	case Complained:
		return webhook.NewMailNotice(m.OrgID, webhook.MailComplained{MailNotice: about}), true
	case Suppressed:
		return webhook.NewMailNotice(m.OrgID, webhook.MailSuppressed{MailNotice: about, Reason: r.Detail}), true
	case Sent, Delayed, Rejected:
	}
	return webhook.Notice{}, false
}

// TellSuppressed returns mail.Sender.Suppressed: it publishes the operational event.
// The dispatcher that is awake, or the next sweep, delivers it. wakers are those of
// deliveries.
func TellSuppressed(wakers pg.Databases[*claim.Waker], clocks *clock.Clock) func(context.Context, pg.Tx, mail.Logged) error {
	return func(ctx context.Context, tx pg.Tx, m mail.Logged) error {
		waker, err := wakers.At(pg.DatabaseOf(tx))
		if err != nil {
			return err
		}
		if err := waker.Due.Lower(ctx, clocks.Now()); err != nil {
			return err
		}
		about := webhook.MailNotice{MailID: m.ID, Template: m.Template, Recipient: m.Recipient, At: clock.Stamp(m.StatusAt)}
		reason := ""
		if m.Error != nil {
			reason = *m.Error
		}
		notice := webhook.NewMailNotice(m.OrgID, webhook.MailSuppressed{MailNotice: about, Reason: reason})
		_, _, err = event.Publish(ctx, tx, m.OrgID, []event.Draft{{Type: notice.Type, Data: notice.Data, IfWanted: true}}, clocks.Now())
		return err
	}
}
