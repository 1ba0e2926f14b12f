package identity

import (
	"context"

	"portico/shared/pg"
)

// ForgetHistory deletes up to limit events of histories that are older than a year, and
// returns how many.
func ForgetHistory(ctx context.Context, db *pg.Worker, limit int) (int64, error) {
	return pg.Value[int64](ctx, db, "identity.ForgetHistory", `SELECT forget_history($1)`, limit)
}

// ForgetUnproven deletes up to limit logins whose address was not proven within a week, and
// returns how many.
func ForgetUnproven(ctx context.Context, db *pg.Worker, limit int) (int64, error) {
	return pg.Value[int64](ctx, db, "identity.ForgetUnproven", `SELECT forget_unproven($1)`, limit)
}
