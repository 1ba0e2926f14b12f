package member

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/role"
)

// Subject returns all that gives a member permissions, or ErrNotFound, also in an
// organization that was deleted. It is one statement.
func Subject(ctx context.Context, tx pg.Tx, org id.Org, member id.Member) (role.Subject, error) {
	row, err := pg.One[subjectRow](ctx, tx, "member.Subject", ErrNotFound, `
		SELECT m.name, m.user_id, m.predefined, r.id, r.name, r.permissions, r.condition, g.ids, g.permissions, g.types, g.resources
		FROM member m JOIN organization o ON o.id = m.org_id AND o.deleted_at IS NULL
		LEFT JOIN role r ON r.org_id = m.org_id AND r.id = m.role_id
		CROSS JOIN LATERAL (
			SELECT array_agg(id) AS ids, array_agg(permission) AS permissions, array_agg(resource_type) AS types, array_agg(resource_id) AS resources
			FROM (SELECT * FROM resource_grant WHERE org_id = $1 AND member_id = m.id ORDER BY id DESC LIMIT $3) newest
		) g
		WHERE m.org_id = $1 AND m.id = $2`, org, member, role.MostGrants)
	if err != nil {
		return role.Subject{}, err
	}
	return row.subject(member), nil
}

// subjectRow is a row of Subject's statement. The grants are columns of equal length.
type subjectRow struct {
	name                            string
	user                            id.User
	predefined, roleName, condition *string
	role                            id.Role
	permissions                     []auth.Permission
	grants                          []id.ResourceGrant
	granted                         []auth.Permission
	types, resources                []string
}

// ScanRow reads the columns of Subject.
func (r *subjectRow) ScanRow(row pgx.Rows) error {
	return row.Scan(&r.name, &r.user, &r.predefined, &r.role, &r.roleName, &r.permissions, &r.condition, &r.grants, &r.granted, &r.types, &r.resources)
}

func (r *subjectRow) subject(member id.Member) role.Subject {
	s := role.Subject{Member: member, Name: r.name, User: r.user}
	if r.predefined != nil {
		predefined, _ := role.Predefined(*r.predefined)
		s.Roles = []role.Role{predefined}
	} else if r.roleName != nil {
		s.Roles = []role.Role{{Ref: role.Ref{Custom: r.role}, Name: *r.roleName, Permissions: slices.Clone(r.permissions), Condition: *r.condition}}
	}
	for i, grant := range r.grants {
		s.Grants = append(s.Grants, role.Grant{ID: grant, MemberID: member, Permission: r.granted[i], ResourceType: r.types[i], ResourceID: r.resources[i]})
	}
	return s
}
