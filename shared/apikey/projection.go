package apikey

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/auth"
	"portico/shared/cache"
	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/fault"
	"portico/shared/pg"
)

const (
	// cacheFor is how long one execution environment uses what it has read. It
	// bounds how long a revoked key may still work, and saves the read for a key
	// that is used often.
	cacheFor = 5 * time.Second
	// stampEvery is how often an environment updates last_used_at of a key.
	stampEvery = time.Minute
	// cacheSize bounds the memory of an environment that sees many keys.
	cacheSize = 10_000
)

// Projection finds the holder of a key in DynamoDB by its hash. A key that is
// missing there is looked up in Postgres, which is authoritative.
type Projection struct {
	table dynamo.Table
	db    *pg.DB
	clock *clock.Clock

	known   *cache.Cache[Hash, cached]
	missing *cache.Cache[Hash, error] // why they are no keys

	mu      sync.Mutex
	lookups bucket
}

type cached struct {
	holder
	stamped time.Time // when its use was last written down
}

// NewProjection returns the projection kept in table, of the keys in db.
func NewProjection(client *dynamodb.Client, table string, db *pg.DB, clock *clock.Clock) *Projection {
	return &Projection{
		table: dynamo.NewTable(client, table, "hash"), db: db, clock: clock,
		known: cache.New[Hash, cached](cacheSize, cacheFor), missing: cache.New[Hash, error](cacheSize, cacheFor),
	}
}

// Caller returns the caller to whom a key belongs, or ErrUnknown if the key may
// not be used from this address. It asks DynamoDB at most once, and not at all
// while the answer is cached. For a staff key the caller's organization is zero.
func (p *Projection) Caller(ctx context.Context, hash Hash, from netip.Addr) (auth.Caller, error) {
	now := p.clock.Now()
	if cause, fresh := p.missing.Get(hash, now); fresh {
		return auth.Caller{}, ErrUnknown.Because(cause)
	}
	// One that is too old to be known still says when its use was written down.
	c, known := p.known.Get(hash, now)
	if !known {
		var err error
		if c, err = p.fetch(ctx, hash, c.stamped, now); err != nil {
			return auth.Caller{}, failure(err)
		}
	}
	if err := c.admit(now, from); err != nil {
		return auth.Caller{}, ErrUnknown.Because(err)
	}
	return c.caller, nil
}

// failure returns ErrUnknown for an invalid key, and another fault if a store is
// unavailable.
func failure(err error) error {
	if errors.Is(err, ErrUnknown) {
		return err
	}
	return fault.ErrAway.Saying("API keys cannot be checked at the moment. Send the request again.").Because(fmt.Errorf("apikey.Caller: %w", err))
}

// fetch reads the key's item, and in the same call writes down its use if that
// was not done for a minute. A key without item is looked up in Postgres.
func (p *Projection) fetch(ctx context.Context, hash Hash, stamped, now time.Time) (cached, error) {
	c := cached{stamped: stamped}
	read := p.read
	if now.Sub(stamped) >= stampEvery {
		read, c.stamped = p.stamp, now
	}
	item, err := read(ctx, hash, now)
	if err != nil {
		return c, err
	}
	c.holder, err = decode(item)
	if errors.Is(err, errNoProjection) {
		c.holder, err = p.lookUp(ctx, hash, now)
		c.stamped = stamped
	}
	if err != nil {
		return c, err
	}
	p.known.Put(hash, c, now)
	return c, nil
}

// refuse caches that a key is invalid, so that it causes no query for a while.
func (p *Projection) refuse(hash Hash, cause error, now time.Time) error {
	p.missing.Put(hash, cause, now)
	return ErrUnknown.Because(cause)
}

// drop removes a key from the cache of this environment.
func (p *Projection) drop(hash Hash) {
	p.known.Expire(hash)
	p.missing.Delete(hash)
}
