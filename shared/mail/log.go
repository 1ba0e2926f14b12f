package mail

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
)

// Logged is a mail in the log.
type Logged struct {
	OrgID           id.Org
	ID              id.Mail
	CreatedAt       time.Time
	StatusAt        time.Time
	Status          string
	Handovers       int16
	Stream          string
	Category        string
	Template        string
	TemplateVersion *string
	Locale          string
	Recipient       string
	RecipientName   string
	Key             string
	ProviderID      *string
	Error           *string
	Matches         bool // false: it only says how far was read
	Ends            bool // no more were read behind it
}

// columns are those of Logged in the table mail.
const columns = `org_id, id, created_at, status_at, status, handovers, stream, category, template, template_version, locale, recipient, recipient_name,
	key, provider_id, error, true AS matches, false AS ends`

// Filter narrows the log; what is zero selects all.
type Filter struct {
	Org       id.Org
	Recipient string // in any spelling
	Status    string
	Template  string
	Stream    string
	Since     time.Time
	Until     time.Time // exclusive
	Before    Position  // the last mail of the page before
}

// Position is a place in the log.
type Position struct {
	At time.Time
	ID id.Mail
}

// maxScan bounds how many mails of each database a page reads, so that a rare status
// in a long log costs no more than some milliseconds.
const maxScan = 10_000

// ErrNotFound is returned when a mail does not exist.
var ErrNotFound = fault.New(fault.NotFound, "mail_not_found",
	"There is no mail with this id.").
	Means("No organization has a mail with this id, or it is no longer in the log.")

// ListAll returns up to limit mails of all organizations from every database, the
// newest first. If there may be more behind those, scanned is how far it has read;
// otherwise it is zero. It reads across the tenant wall, so it is for staff only.
func ListAll(ctx context.Context, db *pg.DB, f Filter, limit int) (list []Logged, scanned Position, err error) {
	before, beforeID := f.end()
	err = db.All().Each(func(_ string, q pg.Querier) error {
		rows, err := pg.List[Logged](ctx, q, "mail.ListAll", `SELECT * FROM list_mails($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			f.Org, spelled(f.Recipient), f.Status, f.Template, f.Stream, timeOf(f.Since), before, beforeID, limit, maxScan)
		list = append(list, rows...)
		return err
	})
	slices.SortFunc(list, func(a, b Logged) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), bytes.Compare(b.ID.UUID[:], a.ID.UUID[:]))
	})
	// What one database has not read yet comes before what others have behind that.
	if i := slices.IndexFunc(list, func(m Logged) bool { return m.Ends }); i >= 0 {
		scanned = Position{list[i].CreatedAt, list[i].ID}
		list = list[:i+1]
	}
	list = slices.DeleteFunc(list, func(m Logged) bool { return !m.Matches })
	return list[:min(limit, len(list))], scanned, err
}

// end returns where the page begins.
func (f Filter) end() (before *time.Time, beforeID *[16]byte) {
	switch {
	case !f.Before.ID.IsZero():
		return &f.Before.At, (*[16]byte)(&f.Before.ID.UUID)
	case !f.Until.IsZero():
		return &f.Until, new([16]byte)
	}
	return nil, nil
}

func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Find returns a mail of any organization, or ErrNotFound. It is for staff and for
// what mail services report.
func Find(ctx context.Context, db *pg.DB, mailID id.Mail) (found Logged, err error) {
	err = db.All().Each(func(_ string, q pg.Querier) error {
		if !found.ID.IsZero() {
			return nil
		}
		one, err := pg.One[Logged](ctx, q, "mail.Find", ErrNotFound, `SELECT * FROM find_mail($1)`, mailID)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		found = one
		return err
	})
	switch {
	case !found.ID.IsZero():
		return found, nil
	case err == nil:
		err = ErrNotFound
	}
	return found, err
}
