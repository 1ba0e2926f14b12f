package jobs

import (
	"context"
	"fmt"

	"portico/shared/idempotency"
	"portico/shared/pg"
)

// Maintained says what the daily upkeep did.
type Maintained struct {
	PartitionsMade         int   `json:"partitions_made"`
	IdempotencyKeysRemoved int64 `json:"idempotency_keys_removed"`
}

// keysPerStatement bounds how long one deletion holds its locks.
const keysPerStatement = 5000

// Maintain makes the partitions of the year ahead and removes expired
// idempotency keys. It may run at any time and any number of times.
func Maintain(ctx context.Context, db *pg.Worker) (Maintained, error) {
	var m Maintained
	if err := db.QueryRow(ctx, `SELECT make_partitions()`).Scan(&m.PartitionsMade); err != nil {
		return m, fmt.Errorf("jobs.Maintain: partitions: %w", err)
	}
	for {
		removed, err := idempotency.Sweep(ctx, db, keysPerStatement)
		m.IdempotencyKeysRemoved += removed
		if err != nil || removed < keysPerStatement {
			return m, err
		}
	}
}
