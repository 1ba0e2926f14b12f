package event

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook/fanout"
	"portico/shared/webhook/filter"
)

// Get returns the organization's event with its payload and its fan-out, or
// ErrNotFound.
func Get(ctx context.Context, tx pg.Tx, org id.Org, event id.Event) (Event, error) {
	e, err := pg.One[Event](ctx, tx, "event.Get", ErrNotFound, `
		SELECT id, type, ordering_key, coalesce(published_by, '') AS published_by, created_at, payload FROM event WHERE org_id = $1 AND id = $2`, org, event)
	if err != nil {
		return Event{}, err
	}
	e.Fanout, err = fanout.Of(ctx, tx, org, e.ID, fanout.Candidate{Event: filter.Event{Type: e.Type, Data: e.Data()}})
	return e, err
}

// maxScan bounds how many events a List with a type reads, so that a page takes
// about ten milliseconds at most, even for a rare type in a long history.
const maxScan = 10_000

// Filter narrows a list.
type Filter struct {
	// Type is an event type, or a prefix such as `invoice.*`; "" is any.
	Type string
	// After is the last event of the previous page; zero starts with the newest.
	After id.Event
}

// List returns up to limit events, newest first, without their payloads. With a
// type it reads at most maxScan events. If there may be more, scanned is the last
// event that it has read, otherwise zero.
func List(ctx context.Context, tx pg.Tx, org id.Org, f Filter, limit int) (list []Event, scanned id.Event, err error) {
	scan, prefix := limit, ""
	if f.Type != "" {
		scan = maxScan
	}
	if p, ok := strings.CutSuffix(f.Type, "*"); ok {
		prefix = p
	}
	var batch pgx.Batch
	batch.Queue(`
		SELECT id, type, ordering_key, coalesce(published_by, '') AS published_by, created_at, NULL::bytea AS payload FROM (
			SELECT id, type, ordering_key, published_by, created_at FROM event
			WHERE org_id = $1 AND id < coalesce($2, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
			ORDER BY id DESC LIMIT $3) AS scanned
		WHERE $4 = '' OR type = $4 OR ($5 <> '' AND starts_with(type, $5))
		ORDER BY id DESC LIMIT $6`, org, f.After, scan, f.Type, prefix, limit).Query(pg.Into(&list))
	if f.Type != "" {
		batch.Queue(`
			SELECT id FROM event
			WHERE org_id = $1 AND id < coalesce($2, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
			ORDER BY id DESC OFFSET $3 LIMIT 1`, org, f.After, scan-1).Query(func(rows pgx.Rows) error {
			_, err := pgx.ForEachRow(rows, []any{&scanned}, func() error { return nil })
			return err
		})
	}
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, scanned, fmt.Errorf("event.List: %w", err)
	}
	return list, scanned, nil
}
