package jobs

import (
	"context"
	"fmt"

	"portico/shared/idempotency"
	"portico/shared/observe"
	"portico/shared/pg"
)

// Maintained says what the daily upkeep did.
type Maintained struct {
	PartitionsMade         int   `json:"partitions_made"`
	IdempotencyKeysRemoved int64 `json:"idempotency_keys_removed"`
	CertificatesExpiring   int   `json:"certificates_expiring"`
}

// keysPerStatement bounds how long one deletion holds its locks.
const keysPerStatement = 5000

// Maintain makes the partitions of the year ahead, removes expired idempotency
// keys and warns of client certificates that expire soon. It may run at any
// time and any number of times.
func Maintain(ctx context.Context, db *pg.Worker, log *observe.Log) (Maintained, error) {
	var m Maintained
	if err := db.QueryRow(ctx, `SELECT make_partitions()`).Scan(&m.PartitionsMade); err != nil {
		return m, fmt.Errorf("jobs.Maintain: partitions: %w", err)
	}
	for {
		removed, err := idempotency.Sweep(ctx, db, keysPerStatement)
		m.IdempotencyKeysRemoved += removed
		if err != nil {
			return m, err
		}
		if removed < keysPerStatement {
			break
		}
	}
	var err error
	m.CertificatesExpiring, err = warnOfCertificates(ctx, db, log)
	return m, err
}
