package role

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
)

// Grant gives a member one permission on one resource.
type Grant struct {
	ID           id.ResourceGrant
	MemberID     id.Member
	Permission   auth.Permission
	ResourceType string
	ResourceID   string
	CreatedAt    time.Time
}

// covers reports whether the grant is about the resource.
func (g Grant) covers(r auth.Resource) bool {
	return r.ID != "" && g.ResourceType == r.Type && g.ResourceID == r.ID
}

// MostGrants bounds a member's grants, because every decision reads all of them.
const MostGrants = 1000

var (
	// ErrGrantNotFound is returned when the grant does not exist or belongs to
	// another organization.
	ErrGrantNotFound = fault.New(fault.NotFound, "resource_grant_not_found",
		"There is no resource grant with this id.").
		Means("Your organization has no resource grant with this id.")
	// ErrGrantExists is returned when the member has this grant already.
	ErrGrantExists = fault.New(fault.Conflict, "resource_grant_exists", "The member has this grant already.").
			Means("The member has this grant already.")
	// ErrTooManyGrants is returned when the member already has MostGrants grants.
	ErrTooManyGrants = fault.New(fault.Conflict, "too_many_resource_grants",
		fmt.Sprintf("A member has at most %d resource grants. Give the member a role instead.", MostGrants)).
		Means("The member has reached the limit of resource grants.")
)

const grantColumns = `id, member_id, permission, resource_type, resource_id, created_at`

// CheckGrant refuses a grant whose permission does not exist for resources of
// that type.
func CheckGrant(p auth.Permission, r auth.Resource) error {
	if allowed := kinds[r.Type].permissions; !slices.Contains(allowed, p) {
		var list []string
		for _, q := range allowed {
			list = append(list, string(q))
		}
		return fault.InvalidField("permission", "cannot be granted for one "+r.Type+": choose one of "+strings.Join(list, ", "))
	}
	return nil
}

// InsertGrant writes a new grant.
func InsertGrant(ctx context.Context, tx pg.Tx, org id.Org, g Grant) error {
	made, err := pg.Affect(ctx, tx, "role.InsertGrant", `
		INSERT INTO resource_grant (org_id, id, member_id, permission, resource_type, resource_id, created_at)
		SELECT $1, $2, $3, $4, $5, $6, $7 WHERE (SELECT count(*) FROM resource_grant WHERE org_id = $1 AND member_id = $3) < $8`,
		org, g.ID, g.MemberID, g.Permission, g.ResourceType, g.ResourceID, g.CreatedAt, MostGrants)
	switch {
	case pg.IsUniqueViolation(err):
		return ErrGrantExists
	case err == nil && made == 0:
		return ErrTooManyGrants
	}
	return err
}

// Grants returns up to limit grants older than after, newest first, of one
// member, or of all with a zero member.
func Grants(ctx context.Context, tx pg.Tx, org id.Org, member id.Member, after id.ResourceGrant, limit int) ([]Grant, error) {
	return pg.List[Grant](ctx, tx, "role.Grants", `
		SELECT `+grantColumns+` FROM resource_grant
		WHERE org_id = $1 AND ($2::uuid IS NULL OR member_id = $2) AND ($3::uuid IS NULL OR id < $3)
		ORDER BY id DESC LIMIT $4`, org, member, after, limit)
}

// DeleteGrant takes a grant back and returns it, or ErrGrantNotFound.
func DeleteGrant(ctx context.Context, tx pg.Tx, org id.Org, grant id.ResourceGrant) (Grant, error) {
	return pg.One[Grant](ctx, tx, "role.DeleteGrant", ErrGrantNotFound, `DELETE FROM resource_grant WHERE org_id = $1 AND id = $2 RETURNING `+grantColumns, org, grant)
}
