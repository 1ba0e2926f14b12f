package mail

import (
	"context"
	"strings"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
)

// expungedError stands instead of the error of an expunged mail, because it can name
// the recipient.
const expungedError = "removed: the mail was expunged"

// Expunging says which mails of an organization are expunged.
type Expunging struct {
	Recipient string // in any spelling
	Since     *time.Time
	Until     time.Time // exclusive
	After     id.Mail   // all up to it are done; zero: none
	DryRun    bool      // they are only counted
}

// addressed is a mail with what decides whether it is expunged.
type addressed struct {
	ID        id.Mail
	Recipient string
	InRange   bool
}

// Expunge removes what leads to the recipient from mails of an organization: address,
// name, key, error, and what the mail says and the mail service calls it. A stub stays, so
// that the mail is not sent again. A mail that waits is not sent any more; the result
// of one that is being sent is not kept. It looks at up to limit mails in the order of
// their ids, and returns the last one, zero if there is none, and how many it has
// expunged.
//
// That the address must get no mail, or has unsubscribed, stays known.
func Expunge(ctx context.Context, tx pg.Tx, org id.Org, e Expunging, limit int) (last id.Mail, expunged int64, err error) {
	list, err := pg.List[addressed](ctx, tx, "mail.Expunge", `
		SELECT id, recipient, ($3::timestamptz IS NULL OR created_at >= $3) AND created_at < $4 AS in_range
		FROM mail WHERE org_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $5`, org, e.After, e.Since, e.Until, limit)
	if err != nil || len(list) == 0 {
		return last, 0, err
	}
	var chosen []id.Mail
	for _, m := range list {
		if m.InRange && IsSameAddress(m.Recipient, e.Recipient) {
			chosen = append(chosen, m.ID)
		}
	}
	last = list[len(list)-1].ID
	if e.DryRun || len(chosen) == 0 {
		return last, int64(len(chosen)), nil
	}
	expunged, err = pg.Affect(ctx, tx, "mail.Expunge", `
		UPDATE mail SET recipient = '', recipient_name = '', key = id::text, provider_id = NULL, digest = NULL, data = NULL,
			error = CASE WHEN error IS NOT NULL OR status IN ('queued', 'sending') THEN $3 END,
			status = CASE status WHEN 'queued' THEN 'suppressed' WHEN 'sending' THEN 'unknown' ELSE status END
		WHERE org_id = $1 AND id = ANY ($2) AND recipient <> ''`, org, chosen, expungedError)
	return last, expunged, err
}

// IsExpunged reports whether nothing in the mail leads to its recipient any more.
func (m Logged) IsExpunged() bool { return m.Recipient == "" }

// IsSameAddress reports whether two spellings mean one address, for the log of mails
// and the addresses that get none: capitals do not count. No mail has the address "".
func IsSameAddress(a, b string) bool {
	return a != "" && strings.EqualFold(spelled(a), spelled(b))
}
