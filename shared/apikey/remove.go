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

// Hashes returns those of all keys that the organization ever had: under them
// lie their projections.
func Hashes(ctx context.Context, tx pg.Tx, org id.Org) ([]Hash, error) {
	return pg.List[Hash](ctx, tx, "apikey.Hashes", `SELECT hash FROM api_key WHERE org_id = $1`, org)
}

// Remove takes away all that the table holds of a key, also that it was denied.
// Its row must be revoked, or a request would project it again.
func (p *Projection) Remove(ctx context.Context, hash Hash) error {
	if err := p.table.Delete(ctx, keyOf(hash), dynamo.Write{}); err != nil {
		return failure(fmt.Errorf("apikey.Remove: %w", err))
	}
	p.drop(hash)
	return nil
}
