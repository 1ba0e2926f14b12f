package apikey

import (
	"context"
	"fmt"
	"time"

	"portico/shared/auth"
	"portico/shared/dynamo"
	"portico/shared/id"
	"portico/shared/pg"
)

// StaffKey is a key of the company's own staff, without its plain text. It acts on
// whatever organization a request names.
type StaffKey struct {
	ID   id.StaffKey
	Name string // whose it is
	// Permissions are what it may do. None: everything, also what later versions add.
	Permissions []auth.Permission
	CreatedAt   time.Time
	ExpiresAt   *time.Time // whole seconds; nil: no end
	RevokedAt   *time.Time
}

// caller returns who calls with the key.
func (k StaffKey) caller() auth.Caller {
	return auth.Caller{Actor: auth.Actor{Type: auth.StaffKey, ID: k.ID.String(), Name: k.Name}, Rights: staffMay(k.Permissions)}
}

// staffMay returns all permissions for a staff key that has no list of its own.
func staffMay(listed auth.Set) auth.Set {
	if len(listed) == 0 {
		return auth.AllOfStaff()
	}
	return listed
}

// InsertStaff writes a new staff key's row.
func InsertStaff(ctx context.Context, db pg.Querier, k StaffKey, hash Hash) error {
	return pg.Exec(ctx, db, "apikey.InsertStaff", `INSERT INTO staff_key (id, name, hash, permissions, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		k.ID, k.Name, hash[:], k.Permissions, k.CreatedAt, k.ExpiresAt)
}

// RevokeStaff revokes a staff key, and reports whether it was not revoked yet. The key is
// denied before the commit, so no failure leaves one valid that is reported as revoked.
func (p *Projection) RevokeStaff(ctx context.Context, tx pg.Tx, key id.StaffKey, now time.Time) (revoked bool, err error) {
	none := fmt.Errorf("there is no staff key %s", key)
	hash, err := pg.One[Hash](ctx, tx, "apikey.RevokeStaff", none, `SELECT hash FROM staff_key WHERE id = $1`, key)
	if err != nil {
		return false, err
	}
	if err := p.Deny(ctx, hash, now); err != nil {
		return false, err
	}
	rows, err := pg.Affect(ctx, tx, "apikey.RevokeStaff", `UPDATE staff_key SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL`, key, now)
	return rows > 0, err
}

// ProjectStaff writes the projection of a staff key. It never makes a revoked key
// valid again.
func (p *Projection) ProjectStaff(ctx context.Context, k StaffKey, hash Hash) error {
	return p.put(ctx, hash, k.ExpiresAt, dynamo.Item{
		"id": dynamo.Text(k.ID.String()), "staff": dynamo.Text(k.Name), "permissions": dynamo.Texts(textsOf(k.Permissions)),
	})
}

func (p *Projection) repairStaff(ctx context.Context, k StaffKey, hash Hash, now time.Time) (holder, error) {
	h := holder{caller: k.caller()}
	if k.ExpiresAt != nil {
		h.expires = *k.ExpiresAt
	}
	if k.RevokedAt != nil {
		h.revokedAt = k.RevokedAt.Format(time.RFC3339)
	}
	if h.revokedAt != "" || !h.expires.IsZero() && !now.Before(h.expires) {
		return h, nil // refused like any other, and not projected
	}
	err := p.ProjectStaff(ctx, k, hash)
	if dynamo.IsRefused(err) {
		return holder{}, p.refuse(hash, fmt.Errorf("key %s is denied in DynamoDB, but its revocation did not finish: revoke it again", k.ID), now)
	}
	return h, err
}
