package event

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
)

// Get returns the organization's event with its payload, or ErrNotFound.
func Get(ctx context.Context, tx pg.Tx, org id.Org, event id.Event) (Event, error) {
	rows, err := tx.Query(ctx, `
		SELECT id, type, ordering_key, coalesce(published_by, '') AS published_by, created_at, payload FROM event WHERE org_id = $1 AND id = $2`, org, event)
	if err != nil {
		return Event{}, fmt.Errorf("event.Get: %w", err)
	}
	e, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Event])
	if errors.Is(err, pgx.ErrNoRows) {
		return Event{}, ErrNotFound
	}
	if err != nil {
		return Event{}, fmt.Errorf("event.Get: %w", err)
	}
	return e, nil
}

// List returns up to limit events older than after, newest first, without
// their payloads. A zero after starts with the newest.
func List(ctx context.Context, tx pg.Tx, org id.Org, after id.Event, limit int) ([]Event, error) {
	rows, err := tx.Query(ctx, `
		SELECT id, type, ordering_key, coalesce(published_by, '') AS published_by, created_at FROM event
		WHERE org_id = $1 AND id < coalesce($2, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
		ORDER BY id DESC LIMIT $3`, org, after, limit)
	if err != nil {
		return nil, fmt.Errorf("event.List: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[Event])
	if err != nil {
		return nil, fmt.Errorf("event.List: %w", err)
	}
	return list, nil
}
