package apikey

import (
	"context"
	"fmt"

	"portico/shared/id"
	"portico/shared/pg"
)

// Insert writes a new key's row.
func Insert(ctx context.Context, tx pg.Tx, org id.Org, k APIKey, hash Hash) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO api_key (org_id, id, name, hash, permissions, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		org, k.ID, k.Name, hash[:], k.Permissions, k.CreatedAt, k.ExpiresAt)
	if err != nil {
		return fmt.Errorf("apikey.Insert: %w", err)
	}
	return nil
}
