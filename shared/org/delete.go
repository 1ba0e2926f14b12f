package org

import (
	"context"
	"time"

	"portico/shared/apikey"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook"
)

// Close marks the organization as deleted and returns since when it is marked:
// from now on it may be erased. Its keys are denied before the commit, so that no
// failure leaves a key valid of an organization that is reported as deleted. A
// key created at the same time is not projected. Nothing more is sent to its
// endpoints. It may be repeated. ErrNotFound if no row of the organization is
// left.
func Close(ctx context.Context, tx pg.Tx, keys *apikey.Projection, org id.Org, now time.Time) (since time.Time, err error) {
	if since, err = mark(ctx, tx, org, now); err != nil {
		return since, err
	}
	if err := keys.DenyAll(ctx, tx, org, now); err != nil {
		return since, err
	}
	if err := apikey.RevokeAll(ctx, tx, org, now); err != nil {
		return since, err
	}
	return since, webhook.DeleteEndpoints(ctx, tx, org, now)
}

func mark(ctx context.Context, tx pg.Tx, org id.Org, now time.Time) (since time.Time, err error) {
	return pg.One[time.Time](ctx, tx, "org.Close", ErrNotFound, `
		UPDATE organization SET deleted_at = coalesce(deleted_at, $2) WHERE id = $1 RETURNING deleted_at`, org, now)
}

// ClosedSince returns since when the organization is marked as deleted, or
// ErrNotFound if it is not marked or no row is left.
func ClosedSince(ctx context.Context, tx pg.Tx, org id.Org) (since time.Time, err error) {
	return pg.One[time.Time](ctx, tx, "org.ClosedSince", ErrNotFound, `SELECT deleted_at FROM organization WHERE id = $1 AND deleted_at IS NOT NULL`, org)
}

// Closed returns the organizations of a database that have been marked as deleted
// for at least this long, the oldest first.
func Closed(ctx context.Context, db pg.Querier, longer time.Duration) ([]id.Org, error) {
	return pg.List[id.Org](ctx, db, "org.Closed", `
		SELECT id FROM organization WHERE deleted_at <= portico_now() - $1::interval ORDER BY deleted_at`, longer)
}

// eraseAtOnce bounds a transaction of Erase.
const eraseAtOnce = 5000

// Erase deletes every row of a closed organization in every database, in
// transactions of bounded size. If it is interrupted, it continues when called
// again.
func Erase(ctx context.Context, db *pg.DB, org id.Org) (rows int, err error) {
	for n := 1; n > 0; rows += n {
		n = 0
		err := db.InOrgEverywhere(ctx, org, func(tx pg.Tx) error {
			removed, err := pg.Value[int](ctx, tx, "org.Erase", `SELECT coalesce((SELECT erase_organization($2) FROM organization WHERE id = $1), 0)`, org, eraseAtOnce)
			n += removed
			return err
		})
		if err != nil {
			return rows, err
		}
	}
	return rows, Forget(ctx, db, org)
}

// Forget deletes the placements of an organization that lives in no database any
// more. Erase calls it last, because the placements are needed to find the
// organization.
func Forget(ctx context.Context, db *pg.DB, org id.Org) error {
	lives := false
	err := db.InOrgEverywhere(ctx, org, func(tx pg.Tx) error {
		here, err := pg.Value[bool](ctx, tx, "org.Forget", `SELECT EXISTS (SELECT FROM organization WHERE id = $1)`, org)
		lives = lives || here
		return err
	})
	if err != nil || lives {
		return err
	}
	return db.InOrgEverywhere(ctx, org, func(tx pg.Tx) error {
		return pg.Exec(ctx, tx, "org.Forget", `SELECT forget_placement()`)
	})
}
