package member

import (
	"context"
	"crypto/sha256"
	"strings"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/org"
	"portico/shared/pg"
	"portico/shared/role"
)

// Change names the fields to change; nil leaves one as it is.
type Change struct {
	Name   *string
	Role   *role.Ref
	Locale *string
}

// Update changes a member and returns it before and after. The caller must be
// allowed to grant both the old and the new role: check is called for both.
func Update(ctx context.Context, tx pg.Tx, org id.Org, member id.Member, c Change, now time.Time, check func(role.Role) error) (before, after Member, err error) {
	if before, err = hold(ctx, tx, org, member, c.Role != nil); err != nil {
		return before, after, err
	}
	after = before
	if c.Name != nil {
		after.Name = *c.Name
	}
	if c.Role != nil {
		after.Role = *c.Role
	}
	if c.Locale != nil {
		after.Locale = *c.Locale
	}
	after.UpdatedAt = now
	if after.Role != before.Role {
		if err := holdRole(ctx, tx, org, before.Role, check); err != nil {
			return before, after, err
		}
		if err := CheckRole(ctx, tx, org, after.Role, check); err != nil {
			return before, after, err
		}
		if err := keepsOwner(ctx, tx, org, before); err != nil {
			return before, after, err
		}
	}
	err = pg.Exec(ctx, tx, "member.Update", `
		UPDATE member SET name = $3, predefined = nullif($4, ''), role_id = $5, updated_at = $6, locale = $7 WHERE org_id = $1 AND id = $2`,
		org, member, after.Name, after.Role.Predefined, after.Role.Custom, now, after.Locale)
	return before, after, err
}

// Enter notes that a member's user has entered the organization by choice: from now on
// signing in may lead there.
func Enter(ctx context.Context, tx pg.Tx, org id.Org, member id.Member, now time.Time) error {
	return pg.Exec(ctx, tx, "member.Enter", `UPDATE member SET entered_at = $3 WHERE org_id = $1 AND id = $2 AND entered_at IS NULL`, org, member, now)
}

// Delete removes a member with their resource grants and returns it. It also
// deletes the user if the user is a member of no other organization. The organization's
// identity provider does not bring them back, see former_member.
func Delete(ctx context.Context, tx pg.Tx, org id.Org, member id.Member, check func(role.Role) error) (Member, error) {
	m, err := hold(ctx, tx, org, member, true)
	if err != nil {
		return m, err
	}
	if err := holdRole(ctx, tx, org, m.Role, check); err != nil {
		return m, err
	}
	if err := keepsOwner(ctx, tx, org, m); err != nil {
		return m, err
	}
	if err := pg.Exec(ctx, tx, "member.Delete: note", `
		INSERT INTO former_member (org_id, user_id, email_hash) VALUES ($1, $2, $3)
		ON CONFLICT (org_id, user_id) DO UPDATE SET email_hash = excluded.email_hash, removed_at = excluded.removed_at`, org, m.UserID, HashOf(m.Email)); err != nil {
		return m, err
	}
	return m, pg.Exec(ctx, tx, "member.Delete", `DELETE FROM member WHERE org_id = $1 AND id = $2`, org, member)
}

// HashOf returns what is kept of the address of a removed member.
func HashOf(email string) []byte {
	sum := sha256.Sum256([]byte(strings.ToLower(email)))
	return sum[:]
}

// CheckRole returns role.ErrNotInModel if the organization's role model does not have a role,
// and otherwise asks check whether it may be given. Role and model stay as they are until the
// transaction ends.
func CheckRole(ctx context.Context, tx pg.Tx, of id.Org, ref role.Ref, check func(role.Role) error) error {
	model, err := org.HoldRoleModel(ctx, tx, of)
	if err == nil {
		err = model.Check(ref)
	}
	if err != nil {
		return err
	}
	return holdRole(ctx, tx, of, ref, check)
}

// ChooseRole returns the role that was chosen, nil if none was: then that of the organization's
// role model for everybody. field is where it can be given.
func ChooseRole(ctx context.Context, tx pg.Tx, of id.Org, field string, chosen *role.Ref) (role.Ref, error) {
	if chosen != nil {
		return *chosen, nil
	}
	model, err := org.HoldRoleModel(ctx, tx, of)
	if err != nil {
		return role.Ref{}, err
	}
	ref, found := model.Fallback()
	if !found {
		return ref, fault.InvalidField(field, "is required, because your organization's setting role_model is custom")
	}
	return ref, nil
}

// holdRole asks check about a role, which stays as it is until the transaction ends.
func holdRole(ctx context.Context, tx pg.Tx, org id.Org, ref role.Ref, check func(role.Role) error) error {
	r, err := role.Hold(ctx, tx, org, ref)
	if err != nil {
		return err
	}
	return check(r)
}

// hold locks a member and, with owners, all of the organization's owners: if the
// last two owners leave at the same time, one waits for the other and is then
// refused.
func hold(ctx context.Context, tx pg.Tx, org id.Org, member id.Member, owners bool) (Member, error) {
	err := pg.Exec(ctx, tx, "member.hold", `
		SELECT FROM member WHERE org_id = $1 AND (id = $2 OR $3 AND predefined = 'owner') ORDER BY id FOR UPDATE`, org, member, owners)
	if err != nil {
		return Member{}, err
	}
	return Get(ctx, tx, org, member)
}

// HoldAll locks members and all of the organization's owners, as hold does one: who changes
// several in a transaction calls it first, so that transactions take these locks in one order.
func HoldAll(ctx context.Context, tx pg.Tx, org id.Org, members []id.Member) error {
	return pg.Exec(ctx, tx, "member.HoldAll", `
		SELECT FROM member WHERE org_id = $1 AND (id = ANY ($2) OR predefined = 'owner') ORDER BY id FOR UPDATE`, org, members)
}

// keepsOwner returns ErrLastOwner if m, locked by hold, is the only owner.
func keepsOwner(ctx context.Context, tx pg.Tx, org id.Org, m Member) error {
	if m.Role.Predefined != role.Owner {
		return nil
	}
	others, err := pg.Value[bool](ctx, tx, "member.keepsOwner", `
		SELECT EXISTS (SELECT FROM member WHERE org_id = $1 AND predefined = 'owner' AND id <> $2)`, org, m.ID)
	if err == nil && !others {
		return ErrLastOwner
	}
	return err
}
