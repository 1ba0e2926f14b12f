package org

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
)

// Close marks the organization as deleted and returns since when it is: from
// now on it may be erased. Its keys must be denied before that. ErrNotFound
// when nothing is left of it.
func Close(ctx context.Context, tx pg.Tx, org id.Org, now time.Time) (since time.Time, err error) {
	err = tx.QueryRow(ctx, `
		UPDATE organization SET deleted_at = coalesce(deleted_at, $2) WHERE id = $1 RETURNING deleted_at`, org, now).Scan(&since)
	if errors.Is(err, pgx.ErrNoRows) {
		return since, ErrNotFound
	}
	if err != nil {
		return since, fmt.Errorf("org.Close: %w", err)
	}
	return since, nil
}

// eraseAtOnce bounds a transaction of Erase.
const eraseAtOnce = 5000

// Erase removes every row of a closed organization, in transactions of bounded
// size. Stopped halfway it goes on when called again.
func Erase(ctx context.Context, db *pg.DB, org id.Org) (rows int, err error) {
	for {
		var n int
		err := db.InOrg(ctx, org, func(tx pg.Tx) error {
			return tx.QueryRow(ctx, `SELECT erase_organization($1)`, eraseAtOnce).Scan(&n)
		})
		if err != nil {
			return rows, fmt.Errorf("org.Erase: %w", err)
		}
		if n == 0 {
			return rows, nil
		}
		rows += n
	}
}
