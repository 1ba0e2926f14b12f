package org

import (
	"context"
	"strings"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/role"
)

// RoleModel says which roles an organization with these settings has.
func (set Settings) RoleModel() role.Model { return role.Model(RoleModel.Of(set)) }

// HoldRoleModel returns which roles an organization has. It stays like that until the
// transaction ends, so that no role is given that a new model does not have.
func HoldRoleModel(ctx context.Context, tx pg.Tx, org id.Org) (role.Model, error) {
	set, err := pg.One[Settings](ctx, tx, "org.HoldRoleModel", nil, `SELECT settings FROM organization WHERE id = $1 FOR SHARE`, org)
	return set.RoleModel(), err
}

// fits returns role.ErrModelTooNarrow if the organization, which is locked, uses roles that a
// model does not have. So a change of the model never changes what anybody may do.
func fits(ctx context.Context, tx pg.Tx, org id.Org, m role.Model, now time.Time) error {
	if m.HasOwn() {
		return nil
	}
	uses, err := pg.One[struct{ Members, Invitations, Connections, Groups, Roles int64 }](ctx, tx, "org.fits", nil, `
		SELECT (SELECT count(*) FROM member WHERE org_id = $1 AND coalesce(predefined <> ALL ($2), true)) AS members,
			(SELECT count(*) FROM invitation WHERE org_id = $1 AND coalesce(predefined <> ALL ($2), true)
				AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $3) AS invitations,
			(SELECT count(*) FROM sso_connection WHERE org_id = $1 AND coalesce(predefined <> ALL ($2), true)) AS connections,
			(SELECT count(*) FROM directory d, jsonb_array_elements(d.group_roles) g WHERE org_id = $1 AND g->>'role' <> ALL ($2)) AS groups,
			(SELECT count(*) FROM role WHERE org_id = $1) AS roles`, org, m.Predefined(), now)
	if err != nil || uses.Members+uses.Invitations+uses.Connections+uses.Groups+uses.Roles == 0 {
		return err
	}
	return role.ErrModelTooNarrow.Saying(
		"The role_model %s has only the roles %s. Others have: members %d, open invitations %d, single sign-on connections %d, groups of directories %d. Roles of your own: %d. "+
			"Give the members, connections and groups one of its roles, revoke the invitations, and delete your own roles first.",
		m, strings.Join(m.Predefined(), ", "), uses.Members, uses.Invitations, uses.Connections, uses.Groups, uses.Roles)
}
