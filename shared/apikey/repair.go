package apikey

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/dynamo"
	"portico/shared/id"
	"portico/shared/limit/override"
	"portico/shared/pg"
)

// How often an environment looks up keys in Postgres that are not in DynamoDB. So
// a flood of invalid keys with a right checksum cannot overload Postgres. A key
// above this rate is neither accepted nor refused permanently, because it may be
// valid.
const (
	lookupBurst = 20
	lookupEvery = 200 * time.Millisecond
)

// ErrNotLookedUp is wrapped by the fault about a key that was not looked up
// because of this rate. Clients that send invalid keys cause it; it is not a
// defect of ours.
var ErrNotLookedUp = errors.New("the key is not in DynamoDB, and it was not looked up in Postgres, because too many lookups were made just now")

// bucket is a token bucket. Its zero value is full.
type bucket struct{ full time.Time }

func (b *bucket) take(now time.Time) bool {
	if b.full.Before(now) {
		b.full = now
	}
	if b.full.Sub(now) > (lookupBurst-1)*lookupEvery {
		return false
	}
	b.full = b.full.Add(lookupEvery)
	return true
}

// lookUp finds a key without projection in Postgres and projects it again if it
// works. If it does not, that is cached for a while.
func (p *Projection) lookUp(ctx context.Context, hash Hash, now time.Time) (holder, error) {
	p.mu.Lock()
	may := p.lookups.take(now)
	p.mu.Unlock()
	if !may {
		return holder{}, ErrNotLookedUp
	}
	var (
		org   id.Org
		staff StaffKey
	)
	err := p.db.Shared().QueryRow(ctx, `
		SELECT api_key_org($1), s.id, coalesce(s.name, ''), s.permissions, s.expires_at, s.revoked_at
		FROM (SELECT) AS once LEFT JOIN staff_key s ON s.hash = $1`, hash[:]).
		Scan(&org, &staff.ID, &staff.Name, &staff.Permissions, &staff.ExpiresAt, &staff.RevokedAt)
	switch {
	case err != nil:
		return holder{}, fmt.Errorf("apikey.lookUp: %w", err)
	case !staff.ID.IsZero():
		return p.repairStaff(ctx, staff, hash, now)
	}
	if org.IsZero() {
		if org, err = pg.Search[id.Org](ctx, p.db.Others(), "apikey.lookUp", `SELECT api_key_org($1)`, hash[:]); err != nil {
			return holder{}, err
		}
	}
	if org.IsZero() {
		return holder{}, p.refuse(hash, errNoProjection, now)
	}
	return p.repair(ctx, org, hash)
}

// Repair projects a key whose row was changed or created. A key that no longer
// works is not projected.
func (p *Projection) Repair(ctx context.Context, org id.Org, hash Hash) error {
	_, err := p.repair(ctx, org, hash)
	if errors.Is(err, ErrUnknown) {
		return nil
	}
	return err
}

// projectWithLimits projects a key and the overrides of its organization, both of
// which the transaction has locked.
func (p *Projection) projectWithLimits(ctx context.Context, tx pg.Tx, org id.Org, k Stored) error {
	list, err := override.List(ctx, tx, org, k.ID.UUID, org.UUID)
	if err != nil {
		return err
	}
	if err := p.Project(ctx, org, k.APIKey, override.Limits(list, k.ID.UUID), k.Hash); err != nil || p.Overrides == nil {
		return err
	}
	return p.Overrides.Put(ctx, org, override.Limits(list, org.UUID))
}

// repair projects the row of a key in Postgres if the key works, and returns its
// holder. It locks the organization and the row, so that neither is changed
// between reading and writing.
func (p *Projection) repair(ctx context.Context, org id.Org, hash Hash) (holder, error) {
	now := p.clock.Now()
	var k Stored
	err := p.db.InOrg(ctx, org, func(tx pg.Tx) (err error) {
		k, err = pg.One[Stored](ctx, tx, "apikey.Repair", ErrNotFound, `
			WITH open AS MATERIALIZED (SELECT FROM organization WHERE id = $1 AND deleted_at IS NULL FOR SHARE)
			SELECT `+columns+`, hash FROM api_key WHERE org_id = $1 AND hash = $2 AND EXISTS (SELECT FROM open) FOR SHARE`, org, hash[:])
		if err != nil {
			return err
		}
		if err := k.works(now); err != nil {
			return p.refuse(hash, Refused{callerOf(org, k.APIKey), k.Status(now), err.Error()}, now)
		}
		return p.projectWithLimits(ctx, tx, org, k)
	})
	switch {
	case dynamo.IsRefused(err):
		return holder{}, p.refuse(hash, fmt.Errorf("key %s is denied in DynamoDB, but its revocation did not finish: revoke it again", k.ID), now)
	case errors.Is(err, ErrNotFound), errors.Is(err, pgx.ErrNoRows):
		return holder{}, p.refuse(hash, errNoProjection, now)
	case err != nil:
		return holder{}, err
	}
	h := holder{caller: callerOf(org, k.APIKey), allowedIPs: k.AllowedIPs}
	if k.ExpiresAt != nil {
		h.expires = *k.ExpiresAt
	}
	return h, nil
}
