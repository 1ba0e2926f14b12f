package consumer

import (
	"context"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
)

// Old is a consumer that may have items to remove.
type Old struct {
	Org      id.Org
	Consumer id.EventConsumer
	Deleted  bool
}

// ListOld returns all consumers of a database, deleted ones too.
func ListOld(ctx context.Context, db *pg.Worker) ([]Old, error) {
	return pg.List[Old](ctx, db, "consumer.ListOld", `
		SELECT org_id AS org, id AS consumer, deleted_at IS NOT NULL AS deleted FROM event_consumer c
		WHERE NOT EXISTS (SELECT FROM placement p WHERE p.org_id = c.org_id AND p.until > portico_now())
		ORDER BY org_id, id`)
}

// Forget removes up to limit items of a consumer: those of events that are older than
// events are kept, or all of a deleted consumer. It returns how many. When a deleted
// consumer has none left, its row goes too, but not within the hour: a publish that has
// just seen the consumer may still write an item.
func Forget(ctx context.Context, db *pg.Worker, o Old, keep time.Duration, limit int) (int64, error) {
	removed, err := pg.Affect(ctx, db, "consumer.Forget", `
		DELETE FROM event_consumer_item i USING (
			SELECT event_id FROM event_consumer_item
			WHERE org_id = $1 AND consumer_id = $2 AND ($3 OR event_id < uuid_floor((SELECT portico_now()) - $4::interval))
			ORDER BY event_id LIMIT $5) AS old
		WHERE i.org_id = $1 AND i.consumer_id = $2 AND i.event_id = old.event_id`, o.Org, o.Consumer, o.Deleted, keep, limit)
	if err != nil || !o.Deleted || removed == int64(limit) {
		return removed, err
	}
	return removed, pg.Exec(ctx, db, "consumer.Forget", `
		DELETE FROM event_consumer WHERE org_id = $1 AND id = $2 AND deleted_at < portico_now() - interval '1 hour'`, o.Org, o.Consumer)
}

// Expunge removes the items of an event that was expunged.
func Expunge(ctx context.Context, tx pg.Tx, org id.Org, event id.Event) error {
	return pg.Exec(ctx, tx, "consumer.Expunge", `
		DELETE FROM event_consumer_item i USING event_consumer c
		WHERE c.org_id = $1 AND i.org_id = $1 AND i.consumer_id = c.id AND i.event_id = $2`, org, event)
}

// LockReaders makes the consumers that have items of these events wait with reading and
// acknowledging until the transaction ends, so that they do not lock the items in
// another order.
func LockReaders(ctx context.Context, tx pg.Tx, org id.Org, events []id.Event) error {
	return pg.Exec(ctx, tx, "consumer.LockReaders", `
		SELECT FROM event_consumer_progress p
		WHERE p.org_id = $1 AND EXISTS (SELECT FROM event_consumer_item i WHERE i.org_id = $1 AND i.consumer_id = p.consumer_id AND i.event_id = ANY ($2))
		ORDER BY p.consumer_id FOR NO KEY UPDATE`, org, events)
}
