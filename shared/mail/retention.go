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
