// Package statistics counts the tries of endpoints by the hour. A dispatcher adds them up
// in memory and writes them every few seconds, so nobody reads the log of tries to know
// how an endpoint does.
package statistics

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
)

// SaveEvery is how often a busy dispatcher writes its counts. If it is killed, those
// since then are lost.
const SaveEvery = 5 * time.Second

// Endpoint names an endpoint.
type Endpoint struct {
	Org id.Org
	ID  id.WebhookEndpoint
}

func (e Endpoint) compare(other Endpoint) int {
	return cmp.Or(bytes.Compare(e.Org.UUID[:], other.Org.UUID[:]), bytes.Compare(e.ID.UUID[:], other.ID.UUID[:]))
}

// Try is what is counted of a try.
type Try struct {
	Endpoint
	Succeeded bool
	Dead      bool          // it was the last one, and failed
	Latency   time.Duration // 0: there was no response
}

// Counts are tries that are not yet in webhook_stat. The zero value is ready to use. It
// is safe for concurrent use.
type Counts struct {
	mu         sync.Mutex
	byEndpoint map[Endpoint]*count
	saved      time.Time
}

type count struct {
	succeeded, failed, dead int64
	latencies               histogram
}

// Add counts a try.
func (c *Counts) Add(t Try) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byEndpoint == nil {
		c.byEndpoint = map[Endpoint]*count{}
	}
	n := c.byEndpoint[t.Endpoint]
	if n == nil {
		n = &count{}
		c.byEndpoint[t.Endpoint] = n
	}
	if t.Succeeded {
		n.succeeded++
	} else {
		n.failed++
	}
	if t.Dead {
		n.dead++
	}
	if t.Latency > 0 {
		n.latencies[bucketOf(t.Latency)]++
	}
}

// take returns the counts and forgets them, at most once in every.
func (c *Counts) take(every time.Duration) map[Endpoint]*count {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.saved) < every {
		return nil
	}
	taken := c.byEndpoint
	c.byEndpoint, c.saved = nil, time.Now()
	return taken
}

// Save adds what was counted to webhook_stat in one statement, at most once in every. If
// that fails, the counts are lost.
func (c *Counts) Save(ctx context.Context, db *pg.Worker, every time.Duration) error {
	taken := c.take(every)
	if len(taken) == 0 {
		return nil
	}
	var orgs []id.Org
	var endpoints []id.WebhookEndpoint
	var succeeded, failed, dead []int64
	var latencies []int32
	// In one order, so that two dispatchers cannot deadlock.
	for _, e := range slices.SortedFunc(maps.Keys(taken), Endpoint.compare) {
		n := taken[e]
		orgs, endpoints = append(orgs, e.Org), append(endpoints, e.ID)
		succeeded, failed, dead = append(succeeded, n.succeeded), append(failed, n.failed), append(dead, n.dead)
		latencies = append(latencies, n.latencies[:]...)
	}
	// The counts of an organization that was erased or moves meanwhile are dropped.
	return pg.Exec(ctx, db, "statistics.Save", `
		INSERT INTO webhook_stat (org_id, endpoint_id, hour, succeeded, failed, dead, latencies)
		SELECT n.org_id, n.endpoint_id, date_trunc('hour', portico_now(), 'UTC'), n.succeeded, n.failed, n.dead, ($6::integer[])[(n.i - 1) * $7 + 1 : n.i * $7]
		FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[]) WITH ORDINALITY AS n (org_id, endpoint_id, succeeded, failed, dead, i)
		WHERE NOT EXISTS (SELECT FROM organization o WHERE o.id = n.org_id AND o.deleted_at IS NOT NULL)
			AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = n.org_id AND p.until > portico_now())
		ORDER BY n.i
		ON CONFLICT (org_id, endpoint_id, hour) DO UPDATE SET succeeded = webhook_stat.succeeded + excluded.succeeded,
			failed = webhook_stat.failed + excluded.failed, dead = webhook_stat.dead + excluded.dead,
			latencies = ARRAY(
				SELECT coalesce(l.before, 0) + coalesce(l.more, 0)
				FROM unnest(webhook_stat.latencies, excluded.latencies) WITH ORDINALITY AS l (before, more, i) ORDER BY l.i)`,
		orgs, endpoints, succeeded, failed, dead, latencies, buckets)
}

// Prune deletes up to atMost rows of webhook_stat that are older than keep, and returns
// how many.
func Prune(ctx context.Context, db *pg.Worker, keep time.Duration, atMost int) (int64, error) {
	return pg.Affect(ctx, db, "statistics.Prune", `
		DELETE FROM webhook_stat WHERE ctid = ANY (ARRAY(SELECT ctid FROM webhook_stat WHERE hour < portico_now() - $1::interval LIMIT $2))`, keep, atMost)
}
