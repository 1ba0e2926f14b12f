package apikey

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
)

// RevokeAll revokes every key of an organization that is being deleted and
// returns the hashes of all it ever had: their projections are to be denied and
// later removed.
func RevokeAll(ctx context.Context, tx pg.Tx, org id.Org, now time.Time) ([]Hash, error) {
	rows, err := tx.Query(ctx, `
		UPDATE api_key SET revoked_at = coalesce(revoked_at, $2) WHERE org_id = $1 RETURNING hash`, org, now)
	if err != nil {
		return nil, fmt.Errorf("apikey.RevokeAll: %w", err)
	}
	hashes, err := pgx.CollectRows(rows, pgx.RowTo[Hash])
	if err != nil {
		return nil, fmt.Errorf("apikey.RevokeAll: %w", err)
	}
	return hashes, nil
}

// Remove takes away all that the table holds of a key, also that it was denied.
// Its row must be revoked, or a request would project it again.
func (p *Projection) Remove(ctx context.Context, hash Hash) error {
	_, err := p.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &p.table, Key: keyOf(hash)})
	if err != nil {
		return failure(fmt.Errorf("apikey.Remove: %w", err))
	}
	p.drop(hash)
	return nil
}
