package event

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook/fanout"
	"portico/shared/webhook/filter"
)

// columns are those of an event e of the organization $1.
const columns = `e.id, e.type, e.ordering_key, coalesce(e.published_by, '') AS published_by, e.created_at, e.test_endpoint_id, e.expunged_at,
	(SELECT x.external_id FROM event_external_id x WHERE x.org_id = $1 AND x.event_id = e.id) AS external_id`

// Get returns the organization's event with its payload and its fan-out, or
// ErrNotFound.
func Get(ctx context.Context, tx pg.Tx, org id.Org, event id.Event) (Event, error) {
	e, err := pg.One[Event](ctx, tx, "event.Get", ErrNotFound, `
		SELECT `+columns+`, payload FROM event e WHERE org_id = $1 AND id = $2`, org, event)
	if err != nil {
		return Event{}, err
	}
	e.Fanout, err = fanout.Of(ctx, tx, org, e.ID, fanout.Candidate{Event: filter.Event{Type: e.Type, Data: e.Data()}})
	return e, err
}

// ListPayloads returns these events of the organization with their payloads.
func ListPayloads(ctx context.Context, tx pg.Tx, org id.Org, events []id.Event) ([]Event, error) {
	return pg.List[Event](ctx, tx, "event.ListPayloads", `
		SELECT `+columns+`, payload FROM event e WHERE org_id = $1 AND id = ANY ($2)`, org, events)
}

// maxScan bounds how many events a List with a type or key reads, so that a page takes
// about ten milliseconds at most, even for a rare type in a long history.
const maxScan = 10_000

// Filter narrows a list. A zero field is ignored.
type Filter struct {
	// Type is an event type, or a prefix such as `invoice.*`.
	Type        string
	OrderingKey string
	ExternalID  string
	// From Since on, before Until.
	Since, Until time.Time
	// Among are those that may be shown; nil: all.
	Among []id.Event
	// After is the last event of the previous page; zero starts with the newest.
	After id.Event
}

// bounds returns the ids between which the events are: from on, before until.
func (f Filter) bounds() (from, until id.Event) {
	from, until = id.Floor[id.Event](f.Since), id.Event{UUID: uuid.Max}
	if !f.Until.IsZero() {
		until = id.Floor[id.Event](f.Until)
	}
	if !f.After.IsZero() && f.After.Before(until) {
		until = f.After
	}
	return from, until
}

// List returns up to limit events, newest first, without their payloads. With a
// type or key it reads at most maxScan events. If there may be more, scanned is the last
// event that it has read, otherwise zero.
func List(ctx context.Context, tx pg.Tx, org id.Org, f Filter, limit int) (list []Event, scanned id.Event, err error) {
	if f.ExternalID != "" {
		list, err = findExternal(ctx, tx, org, f)
		return list, scanned, err
	}
	scan, prefix, among := limit, "", ""
	if f.Type != "" || f.OrderingKey != "" || f.Among != nil {
		scan = maxScan
	}
	if p, ok := strings.CutSuffix(f.Type, "*"); ok {
		prefix = p
	}
	from, until := f.bounds()
	args := []any{org, from, until, scan, f.Type, prefix, f.OrderingKey, limit}
	if f.Among != nil {
		among, args = ` AND id = ANY ($9)`, append(args, f.Among)
	}
	var batch pgx.Batch
	batch.Queue(`
		SELECT `+columns+`, NULL::bytea AS payload FROM (
			SELECT id, type, ordering_key, published_by, created_at, test_endpoint_id, expunged_at FROM event
			WHERE org_id = $1 AND id >= $2 AND id < $3`+among+`
			ORDER BY id DESC LIMIT $4) AS e
		WHERE ($5 = '' OR type = $5 OR ($6 <> '' AND starts_with(type, $6))) AND ($7 = '' OR ordering_key = $7)
		ORDER BY id DESC LIMIT $8`, args...).Query(pg.Into(&list))
	if scan > limit && f.Among == nil {
		batch.Queue(`
			SELECT id FROM event WHERE org_id = $1 AND id >= $2 AND id < $3
			ORDER BY id DESC OFFSET $4 LIMIT 1`, org, from, until, scan-1).Query(func(rows pgx.Rows) error {
			_, err := pgx.ForEachRow(rows, []any{&scanned}, func() error { return nil })
			return err
		})
	}
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, scanned, fmt.Errorf("event.List: %w", err)
	}
	return list, scanned, nil
}
