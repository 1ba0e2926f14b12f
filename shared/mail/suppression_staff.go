package mail

import (
	"context"

	"portico/shared/fault"
	"portico/shared/pg"
)

// SuppressByStaff enters an address in every database, at home in the caller's
// transaction, and returns the entry. If a database does not answer, the caller
// repeats.
func SuppressByStaff(ctx context.Context, tx pg.Tx, db *pg.DB, s Suppression) (Suppression, error) {
	err := db.Others().Each(func(_ string, q pg.Querier) error { return suppressIn(ctx, q, s) })
	if err != nil {
		return s, fault.ErrAway.Because(err)
	}
	if err := suppressIn(ctx, tx, s); err != nil {
		return s, err
	}
	return pg.Value[Suppression](ctx, tx, "mail.SuppressByStaff",
		`SELECT * FROM list_mail_suppressions(NULL, $1, '', '', '', 10) WHERE reason = $2`, spelled(s.Recipient), s.Reason)
}
