package mail

import (
	"context"
	"strings"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/mail/transport"
	"portico/shared/pg"
)

// Reasons for which an address gets no mail.
const (
	Bounce    = "bounce"    // it does not exist
	Complaint = "complaint" // the person reported a mail as spam, and still gets critical mail
	Delays    = "delays"    // it could not be reached several times
	Staff     = "staff"     // a person entered it
)

const (
	// transientAtMost of the mails to an address may bounce transiently within
	// transientWithin; then it gets none for delaysFor.
	transientAtMost = 2
	transientWithin = 7 * 24 * time.Hour
	delaysFor       = 14 * 24 * time.Hour
)

// Suppression says that an address gets no mail, for one reason. It is the same in
// every database.
type Suppression struct {
	ID        id.Suppression
	Recipient string // as spelled returns it
	Reason    string
	Note      string  // why, for people
	EnteredBy *string // as in audit entries; nil: Portico itself
	CreatedAt time.Time
	EndsAt    *time.Time // nil: when staff remove it
}

// ErrNotSuppressed is returned when there is no such entry.
var ErrNotSuppressed = fault.New(fault.NotFound, "suppression_not_found",
	"There is no entry with this id: the address may get mail.").
	Means("No address with this id is kept from getting mail, or it has ended.")

// Suppress enters an address in every database. It may be repeated. If a database
// does not answer, the others have the entry, and the error says so.
func Suppress(ctx context.Context, db *pg.DB, s Suppression) error {
	return db.All().Each(func(_ string, q pg.Querier) error { return suppressIn(ctx, q, s) })
}

// Suppressed returns why an address gets no mail that everybody has to get, or "".
func Suppressed(ctx context.Context, tx pg.Tx, recipient string) (reason string, err error) {
	return pg.Value[string](ctx, tx, "mail.Suppressed", `SELECT coalesce(mail_suppressed($1, true), '')`, spelled(recipient))
}

// spelled returns the one spelling of an address under which it is entered: in lower
// case, the domain in ASCII, as mail services list it.
func spelled(address string) string {
	if ascii, err := transport.EncodeAddress(address); err == nil {
		address = ascii
	}
	return strings.ToLower(address) // an address that mail cannot be sent to, too
}

func suppressIn(ctx context.Context, q pg.Querier, s Suppression) error {
	return pg.Exec(ctx, q, "mail.Suppress", `SELECT suppress_mail($1, $2, $3, $4, $5)`, spelled(s.Recipient), s.Reason, s.Note, s.EnteredBy, s.EndsAt)
}

// SuppressAfterBounces enters an address that several mails could not reach lately. It
// counts mails, so a report that comes twice counts once.
func SuppressAfterBounces(ctx context.Context, db *pg.DB, recipient string, now time.Time) error {
	bounces := 0
	err := db.All().Each(func(_ string, q pg.Querier) error {
		n, err := pg.Value[int](ctx, q, "mail.SuppressAfterBounces", `SELECT transient_bounces($1, $2)`, recipient, now.Add(-transientWithin))
		bounces += n
		return err
	})
	if err != nil || bounces <= transientAtMost {
		return err
	}
	return Suppress(ctx, db, Suppression{Recipient: recipient, Reason: Delays, Note: "Three mails could not be delivered within seven days.", EndsAt: new(now.Add(delaysFor))})
}

// SuppressionFilter narrows a list.
type SuppressionFilter struct {
	Recipient string // this address only, in any spelling; "": any
	Starts    string // how the address starts, in capitals or not; "": any
	// AfterRecipient and AfterReason are those of the last entry on the previous page.
	AfterRecipient, AfterReason string
}

// ListSuppressions returns up to limit entries, by address, and reads no more rows. All
// databases have the same ones, so it reads home. An entry that has ended is among them
// until the daily upkeep removes it.
func ListSuppressions(ctx context.Context, db *pg.DB, f SuppressionFilter, limit int) ([]Suppression, error) {
	var recipient *string
	if f.Recipient != "" {
		recipient = new(spelled(f.Recipient))
	}
	return pg.List[Suppression](ctx, db.Shared(), "mail.ListSuppressions",
		`SELECT * FROM list_mail_suppressions(NULL, $1, $2, $3, $4, $5)`, recipient, f.Starts, f.AfterRecipient, f.AfterReason, limit)
}

// GetSuppression returns an entry, or ErrNotSuppressed.
func GetSuppression(ctx context.Context, q pg.Querier, entry id.Suppression) (Suppression, error) {
	return pg.One[Suppression](ctx, q, "mail.GetSuppression", ErrNotSuppressed,
		`SELECT * FROM list_mail_suppressions($1, NULL, '', '', '', 1)`, entry)
}

// Unsuppress removes an entry from every database, at home in the caller's
// transaction, and adds the job that removes the address at the mail service, unless
// another entry keeps it there. If a database does not answer, the caller repeats: the
// entry at home, which the caller sees, is the last to go.
func Unsuppress(ctx context.Context, tx pg.Tx, db *pg.DB, entry id.Suppression) (Suppression, error) {
	s, err := GetSuppression(ctx, tx, entry)
	if err != nil {
		return s, err
	}
	remove := func(_ string, q pg.Querier) error {
		return pg.Exec(ctx, q, "mail.Unsuppress", `SELECT unsuppress_mail($1)`, entry)
	}
	if err := db.Others().Each(remove); err != nil {
		return s, fault.ErrAway.Because(err)
	}
	if err := remove(pg.Home, tx); err != nil {
		return s, err
	}
	return s, lift(ctx, tx, s)
}
