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
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/pg"
)

const (
	// cacheFor is how long one execution environment trusts what it has read. It
	// bounds how long a revoked key may still work, and makes a busy key's
	// authentication free.
	cacheFor = 5 * time.Second
	// stampEvery is how often an environment writes down that a key is in use.
	stampEvery = time.Minute
	// cacheSize bounds the memory of an environment that sees many keys.
	cacheSize = 10_000
)

// Projection answers «whose key is this» from DynamoDB: hash → holder. What it
// lacks it looks up in Postgres, which has the truth.
type Projection struct {
	client *dynamodb.Client
	table  string
	db     *pg.DB
	clock  *clock.Clock

	mu      sync.Mutex
	cache   map[Hash]cached
	missing map[Hash]refusal // that are no keys
	lookups bucket
}

type cached struct {
	holder
	until   time.Time
	stamped time.Time // when its use was last written down
}

type refusal struct {
	cause error
	until time.Time
}

// NewProjection returns the projection kept in table, of the keys in db.
func NewProjection(client *dynamodb.Client, table string, db *pg.DB, clock *clock.Clock) *Projection {
	return &Projection{client: client, table: table, db: db, clock: clock, cache: map[Hash]cached{}, missing: map[Hash]refusal{}}
}

// Caller returns who holds the key that was sent from an address, or
// ErrUnknown. It asks DynamoDB once at most, and not at all while the answer is
// cached. The organization of a staff key's caller is zero.
func (p *Projection) Caller(ctx context.Context, hash Hash, from netip.Addr) (auth.Caller, error) {
	now := p.clock.Now()
	c, known, refused := p.recall(hash, now)
	if refused != nil {
		return auth.Caller{}, ErrUnknown.Because(refused)
	}
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

// failure tells a key that is none from a store that is away.
func failure(err error) error {
	if errors.Is(err, ErrUnknown) {
		return err
	}
	return fault.ErrAway.Saying("API keys cannot be checked at the moment. Send the request again.").Because(fmt.Errorf("apikey.Caller: %w", err))
}

// recall returns what is cached of a key. An entry that is too old to be known
// still says when its use was written down.
func (p *Projection) recall(hash Hash, now time.Time) (c cached, known bool, refused error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r, ok := p.missing[hash]; ok && now.Before(r.until) {
		return c, false, r.cause
	}
	c, ok := p.cache[hash]
	return c, ok && now.Before(c.until), nil
}

// fetch reads the key's item, and in the same call writes down its use if that
// was not done for a minute. A key without item is looked up in Postgres.
func (p *Projection) fetch(ctx context.Context, hash Hash, stamped, now time.Time) (cached, error) {
	c := cached{until: now.Add(cacheFor), stamped: stamped}
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
	p.remember(hash, c)
	return c, nil
}

func (p *Projection) remember(hash Hash, c cached) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.cache) >= cacheSize {
		clear(p.cache)
	}
	p.cache[hash] = c
}

// refuse keeps junk from reaching a store again for a while.
func (p *Projection) refuse(hash Hash, cause error, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.missing) >= cacheSize {
		clear(p.missing)
	}
	p.missing[hash] = refusal{cause, now.Add(cacheFor)}
	return ErrUnknown.Because(cause)
}

// drop makes this environment read the key anew.
func (p *Projection) drop(hash Hash) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.cache[hash]
	c.until = time.Time{}
	p.cache[hash] = c
	delete(p.missing, hash)
}
