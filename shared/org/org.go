// Package org holds the tenant: whatever a customer has belongs to one
// organization, and no other sees it.
package org

import (
	"context"
	"fmt"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
)

// Organization is a tenant.
type Organization struct {
	ID        id.Org
	Name      string
	CreatedAt time.Time
}

// Insert writes a new organization. tx is bound to its own id.
func Insert(ctx context.Context, tx pg.Tx, o Organization) error {
	_, err := tx.Exec(ctx, `INSERT INTO organization (id, name, created_at) VALUES ($1, $2, $3)`, o.ID, o.Name, o.CreatedAt)
	if err != nil {
		return fmt.Errorf("org.Insert: %w", err)
	}
	return nil
}
