package apikey

import (
	"context"
	"fmt"
	"time"

	"portico/shared/dynamo"
	"portico/shared/id"
	"portico/shared/pg"
)

// RevokeAll revokes every key of an organization that is being deleted. Deny
// them first.
func RevokeAll(ctx context.Context, tx pg.Tx, org id.Org, now time.Time) error {
	return pg.Exec(ctx, tx, "apikey.RevokeAll", `UPDATE api_key SET revoked_at = $2 WHERE org_id = $1 AND revoked_at IS NULL`, org, now)
}

// Hashes returns the hashes of all keys that the organization ever had. Their
// projections are stored under these hashes.
func Hashes(ctx context.Context, tx pg.Tx, org id.Org) ([]Hash, error) {
	return pg.List[Hash](ctx, tx, "apikey.Hashes", `SELECT hash FROM api_key WHERE org_id = $1`, org)
}

// Remove deletes everything that the table has about a key, also that it was
// denied. The key's row must be revoked; otherwise a request would project it
// again.
func (p *Projection) Remove(ctx context.Context, hash Hash) error {
	if err := p.table.Delete(ctx, keyOf(hash), dynamo.Write{}); err != nil {
		return failure(fmt.Errorf("apikey.Remove: %w", err))
	}
	p.drop(hash)
	return nil
}
