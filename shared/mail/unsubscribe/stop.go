package unsubscribe

import (
	"context"
	"strings"

	"portico/shared/pg"
)

// Stop remembers a choice: no more mail of the category. It may be called again for
// the same choice, and does nothing if the organization has been erased.
func Stop(ctx context.Context, tx pg.Tx, c Choice) error {
	return pg.Exec(ctx, tx, "unsubscribe.Stop", `
		INSERT INTO mail_unsubscribed (org_id, recipient, category) SELECT id, $2, $3 FROM organization WHERE id = $1 ON CONFLICT DO NOTHING`,
		c.Org, strings.ToLower(c.Recipient), c.Category)
}
