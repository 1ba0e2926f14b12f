package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"portico/shared/apikey"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/staff"
)

// CreateStaffKey asks for a staff key.
type CreateStaffKey struct {
	Name      string     `json:"name"`       // of the person whose key it is
	ExpiresAt *time.Time `json:"expires_at"` // null: not by itself
	// Permissions are what it may do, in every organization. null: everything, also
	// what later versions add.
	Permissions []auth.Permission `json:"permissions"`
}

// CreatedStaffKey is the reply; the key's plain text exists nowhere else.
type CreatedStaffKey struct {
	StaffKeyID string `json:"staff_key_id"`
	StaffKey   string `json:"staff_key"`
}

// CreateStaffKey makes a staff key. If projecting it fails, its first use does it.
func (b Bootstrap) CreateStaffKey(ctx context.Context, in CreateStaffKey) (made CreatedStaffKey, err error) {
	if err := checkName("name", in.Name); err != nil {
		return made, err
	}
	if err := checkPermissions(in.Permissions); err != nil {
		return made, err
	}
	now := b.Clock.Now()
	k := apikey.StaffKey{ID: id.New[id.StaffKey](now), Name: in.Name, Permissions: in.Permissions, CreatedAt: now}
	if in.ExpiresAt != nil {
		end := in.ExpiresAt.UTC().Truncate(time.Second)
		if !end.After(now) {
			return made, errors.New(`"expires_at" must lie in the future`)
		}
		k.ExpiresAt = &end
	}
	plain := apikey.Generate()
	hash, err := apikey.Parse(plain)
	if err != nil {
		return made, err
	}
	if err := b.insertStaff(ctx, k, hash); err != nil {
		return made, err
	}
	_ = b.Keys.ProjectStaff(ctx, k, hash)
	return CreatedStaffKey{StaffKeyID: k.ID.String(), StaffKey: plain}, nil
}

// insertStaff writes a staff key's row and its audit entry.
func (b Bootstrap) insertStaff(ctx context.Context, k apikey.StaffKey, hash apikey.Hash) error {
	e := entryOf(ctx, "create_staff_key", k.CreatedAt)
	e.Action, e.Targets = "staff_key.create", []audit.Target{audit.Of("staff_key", k.ID)}
	e.After = audit.Fields{"name": k.Name, "permissions": k.Permissions}
	if k.ExpiresAt != nil {
		e.After["expires_at"] = clock.Stamp(*k.ExpiresAt)
	}
	return b.DB.PlatformIn(ctx, pg.Home, func(tx pg.Tx) error {
		if err := apikey.InsertStaff(ctx, tx, k, hash); err != nil {
			return err
		}
		return audit.Insert(ctx, tx, id.Org{}, e)
	})
}

// checkPermissions refuses an empty list, because a key without a list may do
// everything.
func checkPermissions(list []auth.Permission) error {
	if list != nil && len(list) == 0 {
		return errors.New(`"permissions" must name at least one permission; without it the key may do everything`)
	}
	for i, p := range list {
		if auth.Description[p] == "" {
			return fmt.Errorf(`"permissions": there is no permission %q; docs/permissions.md lists them`, p)
		}
		if slices.Contains(list[:i], p) {
			return fmt.Errorf(`"permissions" has %s twice`, p)
		}
	}
	return nil
}

// RevokeStaffKey asks for the end of a staff key.
type RevokeStaffKey struct {
	StaffKeyID string `json:"staff_key_id"`
}

// RevokedStaffKey is the reply.
type RevokedStaffKey struct {
	StaffKeyID string `json:"staff_key_id"`
}

// RevokeStaffKey ends a staff key; it works nowhere after ten seconds. It may be repeated.
func (b Bootstrap) RevokeStaffKey(ctx context.Context, in RevokeStaffKey) (RevokedStaffKey, error) {
	key, err := id.Parse[id.StaffKey](in.StaffKeyID)
	if err != nil {
		return RevokedStaffKey{}, fmt.Errorf(`"staff_key_id": %w`, err)
	}
	now := b.Clock.Now()
	e := entryOf(ctx, "revoke_staff_key", now)
	e.Action, e.Targets, e.After = "staff_key.revoke", []audit.Target{audit.Of("staff_key", key)}, audit.Fields{"revoked_at": clock.Stamp(now)}
	return RevokedStaffKey{StaffKeyID: key.String()}, b.DB.PlatformIn(ctx, pg.Home, func(tx pg.Tx) error {
		revoked, err := b.Keys.RevokeStaff(ctx, tx, key, now)
		if err != nil || !revoked {
			return err
		}
		return audit.Insert(ctx, tx, id.Org{}, e)
	})
}

// SetStaff asks that somebody becomes staff, or gets another name or level. Later an admin
// can do the same by the API.
type SetStaff struct {
	Email string      `json:"email"` // with which the person has signed up
	Name  string      `json:"name"`
	Level staff.Level `json:"level"`
}

// StaffSet is the reply.
type StaffSet struct {
	UserID string `json:"user_id"`
}

// SetStaff makes somebody staff, in whatever way they were before. It may be repeated.
func (b Bootstrap) SetStaff(ctx context.Context, in SetStaff) (made StaffSet, err error) {
	if err := checkName("name", in.Name); err != nil {
		return made, err
	}
	if !slices.Contains(staff.Levels(), in.Level) {
		return made, fmt.Errorf(`"level" must be one of %q`, staff.Levels())
	}
	return b.changeStaff(ctx, "set_staff", in.Email, func(tx pg.Tx, user id.User) (before, after staff.Person, err error) {
		return staff.Set(ctx, tx, user, in.Name, in.Level, b.Clock.Now())
	})
}

// DisableStaff asks that somebody is not staff any more.
type DisableStaff struct {
	Email string `json:"email"`
}

// DisableStaff ends that somebody is staff. It holds everywhere after ten seconds, and may be
// repeated.
func (b Bootstrap) DisableStaff(ctx context.Context, in DisableStaff) (StaffSet, error) {
	return b.changeStaff(ctx, "disable_staff", in.Email, func(tx pg.Tx, user id.User) (before, after staff.Person, err error) {
		return staff.Disable(ctx, tx, user, b.Clock.Now())
	})
}

// changeStaff runs a change of the person with an address at home, with its audit entry.
func (b Bootstrap) changeStaff(ctx context.Context, command, email string, change func(pg.Tx, id.User) (before, after staff.Person, err error)) (made StaffSet, err error) {
	err = b.DB.PlatformIn(ctx, pg.Home, func(tx pg.Tx) error {
		user, err := staff.Find(ctx, tx, email)
		if err != nil {
			return fmt.Errorf("nobody has signed up with %q and proven it: %w", email, err)
		}
		before, after, err := change(tx, user)
		if err != nil {
			return err
		}
		made.UserID = user.String()
		e := entryOf(ctx, command, b.Clock.Now())
		e.Action, e.Targets = "staff.set", []audit.Target{audit.Of("user", user)}
		if e.Before, e.After = before.Fields(), after.Fields(); e.After == nil {
			e.Action = "staff.disable"
		}
		return audit.Insert(ctx, tx, id.Org{}, e)
	})
	return made, err
}
