package fanout

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/cache"
	"portico/shared/eventtype"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook"
)

// Subscriptions are an organization's endpoints, disabled ones too: their
// deliveries are held. Catalog has its event types.
type Subscriptions struct {
	List      []Subscription
	Consumers []Consumer
	Catalog   eventtype.Catalog
	// Version is different after every change. It is read before the list, so it may
	// be too old for it, and never too new.
	Version int64
}

// Load reads an organization's subscriptions in a transaction.
func Load(ctx context.Context, tx pg.Tx, org id.Org) (s Subscriptions, err error) {
	var batch pgx.Batch
	batch.Queue(readVersion, org).QueryRow(func(row pgx.Row) error { return row.Scan(&s.Version) })
	batch.Queue(`
		SELECT `+subscriptionColumns+` FROM webhook_endpoint e
		WHERE org_id = $1 AND deleted_at IS NULL`, org).Query(pg.Into(&s.List))
	s.Catalog.Queue(&batch, org)
	batch.Queue(`
		SELECT id, event_types, filter FROM event_consumer
		WHERE org_id = $1 AND deleted_at IS NULL AND dead_letters_of IS NULL`, org).Query(pg.Into(&s.Consumers))
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return s, fmt.Errorf("fanout.Load: %w", err)
	}
	return s, nil
}

const readVersion = `SELECT subscriptions_version($1)`

// Check returns pg.ErrAgain if the organization's subscriptions have changed. A
// publish that refuses an event because of cached ones calls it first.
func (s Subscriptions) Check(ctx context.Context, tx pg.Tx, org id.Org) error {
	version, err := pg.Value[int64](ctx, tx, "fanout.Check", readVersion, org)
	if err == nil && version != s.Version {
		return pg.ErrAgain
	}
	return err
}

// Expect adds a statement that fails with pg.ErrAgain if the organization's
// subscriptions have changed. A change that commits after the statement has run
// counts as committed after the publish. It must follow the inserts: then a
// second copy of the transaction fails there if the first has committed.
func (s Subscriptions) Expect(batch *pgx.Batch) {
	batch.Queue(`SELECT expect_subscriptions($1)`, s.Version)
}

// Cache keeps the subscriptions of the organizations that published
// lately. They may be out of date, which Expect notices. A nil cache is empty.
type Cache struct {
	kept *cache.Cache[id.Org, Subscriptions]
}

const (
	// cachedOrgs times cachedBytes bounds the memory: 128 MB.
	cachedOrgs = 1000
	// cachedBytes is how large an organization's subscriptions may be.
	cachedBytes = 128 << 10
)

// NewCache returns an empty cache.
func NewCache() *Cache {
	return &Cache{cache.New[id.Org, Subscriptions](cachedOrgs, 0)}
}

// Get returns an organization's subscriptions, and whether they were kept.
func (c *Cache) Get(org id.Org) (Subscriptions, bool) {
	if c == nil {
		return Subscriptions{}, false
	}
	return c.kept.Get(org, time.Time{})
}

// Put keeps an organization's subscriptions unless they are too large.
func (c *Cache) Put(org id.Org, s Subscriptions) {
	if c == nil {
		return
	}
	if s.size() > cachedBytes {
		c.kept.Delete(org)
		return
	}
	c.kept.Put(org, s, time.Time{})
}

// Names reports whether an endpoint or a consumer subscribes to a type by its name or by
// a prefix.
func (s Subscriptions) Names(eventType string) bool {
	return slices.ContainsFunc(s.List, func(e Subscription) bool { return webhook.Names(e.EventTypes, eventType) }) ||
		slices.ContainsFunc(s.Consumers, func(c Consumer) bool { return webhook.Names(c.EventTypes, eventType) })
}

// size is about how many bytes of memory the subscriptions take.
func (s Subscriptions) size() (bytes int) {
	for _, e := range s.List {
		bytes += 100 + len(e.Filter) + sizeOf(e.EventTypes)
	}
	for _, c := range s.Consumers {
		bytes += 100 + len(c.Filter) + sizeOf(c.EventTypes)
	}
	return bytes + s.Catalog.Size()
}

func sizeOf(types []string) (bytes int) {
	for _, t := range types {
		bytes += 16 + len(t)
	}
	return bytes
}
