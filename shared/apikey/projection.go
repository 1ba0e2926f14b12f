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
	"portico/shared/limit"
	"portico/shared/limit/override"
	"portico/shared/pg"
)

const (
	// cacheFor is how long one execution environment uses what it has read. It
	// bounds how long a revoked key may still work, however much of its limits the
	// environment has leased.
	cacheFor = 5 * time.Second
	// cacheSize bounds the memory of an environment that sees many keys.
	cacheSize = 10_000
)

// Projection finds the holder of a key in DynamoDB by its hash, and counts the key's
// calls in the same item. A key that is missing there is looked up in Postgres, which
// is authoritative.
type Projection struct {
	// Overrides has the limits of organizations: with a key those of its organization are
	// projected again, in case that they are lost. nil: they are not.
	Overrides *override.Projection

	table dynamo.Table
	db    *pg.DB
	clock *clock.Clock
	items *limit.Items

	known   *cache.Cache[Hash, holder]
	missing *cache.Cache[Hash, error] // why they are no keys

	mu      sync.Mutex
	lookups bucket
}

// NewProjection returns the projection kept in table, of the keys in db. It counts
// nothing unless Limit is called.
func NewProjection(client *dynamodb.Client, table string, db *pg.DB, clock *clock.Clock) *Projection {
	p := &Projection{
		table: dynamo.NewTable(client, table, "hash"), db: db, clock: clock,
		known: cache.New[Hash, holder](cacheSize, cacheFor), missing: cache.New[Hash, error](cacheSize, cacheFor),
	}
	p.Limit(limit.Settings{})
	return p
}

// Limit counts the calls of each key by the policies of the settings.
func (p *Projection) Limit(s limit.Settings) {
	p.items = &limit.Items{
		Settings: s.Of(limit.ByKey), Table: p.table, Now: p.clock.Now, Needs: "id", Forbids: "revoked_at", Stamp: "last_used_at",
	}
}

// Use is one use of a key.
type Use struct {
	From    netip.Addr
	Amounts limit.Amounts // what it counts against the key's limits
	// LookUp is asked before a key that DynamoDB does not have is looked up in
	// Postgres; nil: it may be. Its error is returned instead.
	LookUp func() error
}

// Caller returns the caller to whom a key belongs and what the key's limits say, or
// ErrUnknown if the key may not be used from this address. It asks DynamoDB at most
// once as a rule, and not at all while the answer is cached and what the call uses
// is leased. For a staff key the caller's organization is zero.
func (p *Projection) Caller(ctx context.Context, hash Hash, use Use) (auth.Caller, limit.Decision, error) {
	now := p.clock.Now()
	if cause, fresh := p.missing.Get(hash, now); fresh {
		return auth.Caller{}, limit.Decision{}, ErrUnknown.Because(cause)
	}
	h, known := p.known.Get(hash, now)
	if known {
		if err := h.admit(now, use.From); err != nil {
			return auth.Caller{}, limit.Decision{}, ErrUnknown.Because(err)
		}
	}
	decision, item, err := p.take(ctx, hash, use, !known)
	if !known || item != nil || err != nil {
		if h, decision, err = p.find(ctx, hash, use, decision, item, err); err != nil {
			return auth.Caller{}, limit.Decision{}, failure(err)
		}
		if err := h.admit(now, use.From); err != nil {
			return auth.Caller{}, limit.Decision{}, ErrUnknown.Because(err)
		}
	}
	return h.caller, decision, nil
}

// take counts a use. With mustAsk it waits five times as long as for a key that is
// known, because it also authenticates; after that the key can still be read.
func (p *Projection) take(ctx context.Context, hash Hash, use Use, mustAsk bool) (limit.Decision, dynamo.Item, error) {
	if mustAsk {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 5*p.items.Patience())
		defer cancel()
	}
	return p.items.Take(ctx, keyOf(hash), use.Amounts, mustAsk)
}

// find returns the holder of a key from what Take has returned about it. A key
// without item is looked up in Postgres.
func (p *Projection) find(ctx context.Context, hash Hash, use Use, d limit.Decision, item dynamo.Item, taken error) (h holder, _ limit.Decision, err error) {
	now := p.clock.Now()
	if taken != nil && !errors.Is(taken, limit.ErrNotCounted) {
		// Writes of one item can be throttled when reads are not.
		if item, err = p.table.Get(ctx, keyOf(hash)); err != nil {
			return h, d, errors.Join(taken, err)
		}
		d = p.items.Alone(keyOf(hash), use.Amounts)
	}
	if h, err = decode(item); errors.Is(err, errNoProjection) {
		if use.LookUp != nil {
			if err := use.LookUp(); err != nil {
				return h, d, err
			}
		}
		if h, err = p.lookUp(ctx, hash, now); err == nil {
			d, _, _ = p.take(ctx, hash, use, true) // without it the call is not counted
		}
	}
	if err == nil {
		p.known.Put(hash, h, now)
	}
	return h, d, err
}

// GiveBack returns what Caller has counted for a call that another limit denies.
func (p *Projection) GiveBack(hash Hash, amounts limit.Amounts) {
	p.items.GiveBack(keyOf(hash), amounts)
}

// Charge counts what a call has caused, however much of the key's limits is left.
func (p *Projection) Charge(ctx context.Context, hash Hash, amounts limit.Amounts) error {
	return p.items.Charge(ctx, keyOf(hash), amounts)
}

// failure returns ErrUnknown for an invalid key, and another fault if a store is
// unavailable.
func failure(err error) error {
	if f := fault.Of(err); f != nil && f.Kind != fault.Unavailable { // also that of a LookUp
		return err
	}
	return fault.ErrAway.Saying("API keys cannot be checked at the moment. Send the request again.").Because(fmt.Errorf("apikey.Caller: %w", err))
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
