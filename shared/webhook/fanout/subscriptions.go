package fanout

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/cache"
	"portico/shared/id"
	"portico/shared/pg"
)

// Subscriptions are an organization's endpoints, disabled ones too: their
// deliveries are held.
type Subscriptions struct {
	List []Subscription
	// Version is different after every change. It is read before the list, so it may
	// be too old for it, and never too new.
	Version int64
}

// Load reads an organization's subscriptions in a transaction.
func Load(ctx context.Context, tx pg.Tx, org id.Org) (s Subscriptions, err error) {
	var batch pgx.Batch
	batch.Queue(`SELECT coalesce(sum(revision), 0)::bigint FROM webhook_endpoint WHERE org_id = $1`, org).QueryRow(func(row pgx.Row) error { return row.Scan(&s.Version) })
	batch.Queue(`
		SELECT `+subscriptionColumns+` FROM webhook_endpoint e
		WHERE org_id = $1 AND deleted_at IS NULL`, org).Query(pg.Into(&s.List))
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return s, fmt.Errorf("fanout.Load: %w", err)
	}
	return s, nil
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
	// cachedOrgs times cachedBytes bounds the memory: 64 MB.
	cachedOrgs = 1000
	// cachedBytes is how large an organization's subscriptions may be.
	cachedBytes = 64 << 10
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

// size is about how many bytes of memory the subscriptions take.
func (s Subscriptions) size() (bytes int) {
	for _, e := range s.List {
		bytes += 100 + len(e.Filter)
		for _, t := range e.EventTypes {
			bytes += 16 + len(t)
		}
	}
	return bytes
}
