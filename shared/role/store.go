package role

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/pg"
)

const columns = `id, name, description, permissions, condition, created_at, updated_at`

// Insert writes a new role of the organization.
func Insert(ctx context.Context, tx pg.Tx, org id.Org, r Role) error {
	made, err := pg.Affect(ctx, tx, "role.Insert", `
		INSERT INTO role (org_id, id, name, description, permissions, condition, created_at, updated_at)
		SELECT $1, $2, $3, $4, $5, $6, $7, $7 WHERE (SELECT count(*) FROM role WHERE org_id = $1) < $8`,
		org, r.Ref.Custom, r.Name, r.Description, r.Permissions, r.Condition, r.CreatedAt, Most)
	if err == nil && made == 0 {
		return ErrTooMany
	}
	return nameTaken(err)
}

// Get returns a predefined role or the organization's own, or ErrNotFound.
func Get(ctx context.Context, tx pg.Tx, org id.Org, ref Ref) (Role, error) {
	return get(ctx, tx, org, ref, "")
}

// Hold does the same and locks the role until the transaction ends, so that
// checks of it stay valid.
func Hold(ctx context.Context, tx pg.Tx, org id.Org, ref Ref) (Role, error) {
	return get(ctx, tx, org, ref, " FOR SHARE")
}

func get(ctx context.Context, tx pg.Tx, org id.Org, ref Ref, lock string) (Role, error) {
	if r, ok := Predefined(ref.Predefined); ok {
		return r, nil
	}
	return pg.One[Role](ctx, tx, "role.Get", ErrNotFound, `SELECT `+columns+` FROM role WHERE org_id = $1 AND id = $2`+lock, org, ref.Custom)
}

// Own returns up to limit of the organization's own roles older than after,
// newest first. A zero after starts with the newest.
func Own(ctx context.Context, tx pg.Tx, org id.Org, after id.Role, limit int) ([]Role, error) {
	return pg.List[Role](ctx, tx, "role.Own", `
		SELECT `+columns+` FROM role WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`, org, after, limit)
}

// Change names the fields to change; nil leaves one as it is.
type Change struct {
	Name        *string
	Description *string
	Permissions []auth.Permission
	Condition   *string
}

// Update changes one of the organization's own roles and returns it before and
// after. check refuses a role that the caller could not grant.
func Update(ctx context.Context, tx pg.Tx, org id.Org, ref Ref, c Change, now time.Time, check func(Role) error) (before, after Role, err error) {
	if ref.Predefined != "" {
		return before, after, ErrPredefined
	}
	if before, err = get(ctx, tx, org, ref, " FOR UPDATE"); err != nil {
		return before, after, err
	}
	after = before
	set(&after.Name, c.Name)
	set(&after.Description, c.Description)
	set(&after.Condition, c.Condition)
	if c.Permissions != nil {
		after.Permissions = c.Permissions
	}
	after.UpdatedAt = now
	if err := errors.Join(check(before), check(after)); err != nil {
		return before, after, err
	}
	err = pg.Exec(ctx, tx, "role.Update", `
		UPDATE role SET name = $3, description = $4, permissions = $5, condition = $6, updated_at = $7 WHERE org_id = $1 AND id = $2`,
		org, ref.Custom, after.Name, after.Description, after.Permissions, after.Condition, now)
	return before, after, nameTaken(err)
}

func set(field *string, to *string) {
	if to != nil {
		*field = *to
	}
}

// Delete removes one of the organization's own roles that no member has and no connection
// gives, and returns it. check refuses a role that the caller could not grant.
func Delete(ctx context.Context, tx pg.Tx, org id.Org, ref Ref, check func(Role) error) (Role, error) {
	if ref.Predefined != "" {
		return Role{}, ErrPredefined
	}
	r, err := get(ctx, tx, org, ref, " FOR UPDATE")
	if err != nil {
		return r, err
	}
	if err := check(r); err != nil {
		return r, err
	}
	removed, err := pg.Affect(ctx, tx, "role.Delete", `
		DELETE FROM role WHERE org_id = $1 AND id = $2
		AND NOT EXISTS (SELECT FROM member WHERE org_id = $1 AND role_id = $2)
		AND NOT EXISTS (SELECT FROM sso_connection WHERE org_id = $1 AND role_id = $2)
		AND NOT EXISTS (SELECT FROM directory WHERE org_id = $1 AND group_roles @> jsonb_build_array(jsonb_build_object('role', $3::text)))`,
		org, ref.Custom, ref.String())
	if err == nil && removed == 0 {
		return r, ErrInUse
	}
	return r, err
}

// ScanRow reads columns.
func (r *Role) ScanRow(row pgx.Rows) error {
	return row.Scan(&r.Ref.Custom, &r.Name, &r.Description, &r.Permissions, &r.Condition, &r.CreatedAt, &r.UpdatedAt)
}

func nameTaken(err error) error {
	if pg.IsUniqueViolation(err) && strings.Contains(err.Error(), "role_name") {
		return ErrNameTaken
	}
	return err
}
