package apikey

import (
	"context"
	"fmt"
	"slices"
	"time"

	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
)

// MaxKeys is how many working keys an organization may have.
const MaxKeys = 1000

var (
	// ErrNotFound is returned when the organization has no key with this id.
	ErrNotFound = fault.New(fault.NotFound, "api_key_not_found", "There is no API key with this id.").
			Means("Your organization has no API key with this id.")
	// ErrTooMany is returned when the organization already has MaxKeys keys that
	// work.
	ErrTooMany = fault.New(fault.Conflict, "too_many_api_keys",
		fmt.Sprintf("The organization has %d API keys that work. Revoke those that nobody uses, then create this one.", MaxKeys)).
		Means("The organization has reached the limit of API keys that work.")
)

const columns = `id, name, permissions, key_start, allowed_ips, created_at, expires_at, revoked_at, replaced_by`

// Stored is a key with the hash under which its projection is stored.
type Stored struct {
	APIKey
	Hash Hash
}

// ScanBytes reads a hash from its column.
func (h *Hash) ScanBytes(b []byte) error {
	if copy(h[:], b) != len(h) {
		return fmt.Errorf("apikey: the hash has %d bytes, want %d", len(b), len(h))
	}
	return nil
}

// Insert writes a new key's row, or returns ErrTooMany.
func Insert(ctx context.Context, tx pg.Tx, org id.Org, k APIKey, hash Hash) error {
	made, err := pg.Affect(ctx, tx, "apikey.Insert", `
		INSERT INTO api_key (org_id, id, name, hash, permissions, key_start, allowed_ips, created_at, expires_at)
		SELECT $1, $2, $3, $4, $5, $6, coalesce($7::text[], '{}'), $8, $9
		WHERE (SELECT count(*) FROM api_key
			WHERE org_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > portico_now())) < $10`,
		org, k.ID, k.Name, hash[:], k.Permissions, k.KeyStart, k.AllowedIPs, k.CreatedAt, k.ExpiresAt, MaxKeys)
	if err == nil && made == 0 {
		return ErrTooMany
	}
	return err
}

// Get returns the organization's key or ErrNotFound.
func Get(ctx context.Context, tx pg.Tx, org id.Org, key id.APIKey) (Stored, error) {
	return pg.One[Stored](ctx, tx, "apikey.Get", ErrNotFound, `SELECT `+columns+`, hash FROM api_key WHERE org_id = $1 AND id = $2`, org, key)
}

// List returns up to limit keys older than after, newest first. A zero after
// starts with the newest.
func List(ctx context.Context, tx pg.Tx, org id.Org, after id.APIKey, limit int) ([]Stored, error) {
	return pg.List[Stored](ctx, tx, "apikey.List", `
		SELECT `+columns+`, hash FROM api_key
		WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`, org, after, limit)
}

// Lock locks the keys that exist until the transaction ends, so that no other
// transaction changes or projects them, and returns them. It locks in a fixed
// order, so two transactions cannot deadlock.
func Lock(ctx context.Context, tx pg.Tx, org id.Org, keys ...id.APIKey) (map[id.APIKey]Stored, error) {
	list, err := pg.List[Stored](ctx, tx, "apikey.Lock", `
		SELECT `+columns+`, hash FROM api_key WHERE org_id = $1 AND id = ANY ($2) ORDER BY id FOR UPDATE`, org, keys)
	if err != nil {
		return nil, err
	}
	locked := map[id.APIKey]Stored{}
	for _, k := range list {
		locked[k.ID] = k
	}
	return locked, nil
}

// LockFor locks a key and the caller's own key. It returns the first, zero if there is
// none, and what the caller may give. It reads the caller's key from Postgres, because
// a cached one may be five seconds old: a revoked key must not make another key. The
// rights of a caller without a key are taken as they are.
func LockFor(ctx context.Context, tx pg.Tx, caller auth.Caller, key id.APIKey, now time.Time) (Stored, Grant, error) {
	calls := caller.APIKey()
	keys := []id.APIKey{calls, key}
	locked, err := Lock(ctx, tx, caller.Org, slices.DeleteFunc(keys, id.APIKey.IsZero)...)
	if err != nil {
		return Stored{}, Grant{}, err
	}
	if calls.IsZero() {
		return locked[key], Grant{Permissions: caller.Rights.Gives()}, nil
	}
	own, ok := locked[calls]
	if status := own.Status(now); !ok || status == Expired || status == Revoked {
		return Stored{}, Grant{}, ErrUnknown.Because(fmt.Errorf("key %s expired or was revoked before the call locked it", calls))
	}
	return locked[key], GrantOf(own.APIKey), nil
}

// Save writes what may change of a key. Lock it first.
func Save(ctx context.Context, tx pg.Tx, org id.Org, k APIKey) error {
	return pg.Exec(ctx, tx, "apikey.Save", `
		UPDATE api_key SET name = $3, permissions = $4, allowed_ips = coalesce($5::text[], '{}'), expires_at = $6, revoked_at = $7, replaced_by = $8
		WHERE org_id = $1 AND id = $2`,
		org, k.ID, k.Name, k.Permissions, k.AllowedIPs, k.ExpiresAt, k.RevokedAt, k.ReplacedBy)
}
