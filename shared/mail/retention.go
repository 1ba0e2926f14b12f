package mail

import (
	"context"
	"time"

	"portico/shared/pg"
)

// KeepLog is for how long a mail stays in the log. A second mail with its key may be
// sent after that.
const KeepLog = 90 * 24 * time.Hour

// Forget deletes up to atMost mails of a database that are older than keep, and returns
// how many. A mail that still waits stays, however old it is.
func Forget(ctx context.Context, db *pg.Worker, keep time.Duration, atMost int) (int64, error) {
	return pg.Affect(ctx, db, "mail.Forget", `
		DELETE FROM mail WHERE ctid = ANY (ARRAY(
			SELECT ctid FROM mail WHERE created_at < portico_now() - $1::interval AND status NOT IN ('queued', 'sending')
			ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED))`, keep, atMost)
}

const (
	// keepLifted is for how long it is known that an address may get mail again. By then
	// the mail service has removed it too.
	keepLifted = 90 * 24 * time.Hour
	// keepCounts is for how long it is known what became of the mails of a day.
	keepCounts = 400 * 24 * time.Hour
)

// ForgetAddresses deletes up to atMost addresses of each sort that are of no use any
// more, and returns how many: those whose time without mail is over, and those that were
// removed long ago.
func ForgetAddresses(ctx context.Context, db *pg.Worker, atMost int) (int64, error) {
	ended, err := pg.Affect(ctx, db, "mail.ForgetAddresses", `
		DELETE FROM mail_suppression WHERE ctid = ANY (ARRAY(
			SELECT ctid FROM mail_suppression WHERE ends_at < portico_now() ORDER BY ends_at LIMIT $1 FOR UPDATE SKIP LOCKED))`, atMost)
	if err != nil {
		return ended, err
	}
	lifted, err := pg.Affect(ctx, db, "mail.ForgetAddresses", `
		DELETE FROM mail_suppression_lifted WHERE ctid = ANY (ARRAY(
			SELECT ctid FROM mail_suppression_lifted WHERE lifted_at < portico_now() - $1::interval ORDER BY lifted_at LIMIT $2))`, keepLifted, atMost)
	return ended + lifted, err
}

// ForgetCounts deletes what was counted by stream and day more than a year ago.
func ForgetCounts(ctx context.Context, db *pg.Worker) (int64, error) {
	return pg.Affect(ctx, db, "mail.ForgetCounts", `DELETE FROM mail_stream_day WHERE day < (portico_now() - $1::interval)::date`, keepCounts)
}
