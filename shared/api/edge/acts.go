package edge

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/org"
	"portico/shared/role"
)

// Acts says on which organization an operation acts.
type Acts int

const (
	// OnOwn: the organization of the API key, or the one that a staff key's
	// request names.
	OnOwn Acts = iota
	// OnPath: the organization whose id is {id} in the path. For an API key it
	// must be its own.
	OnPath
	// OnNew: the organization that the operation creates. Staff only.
	OnNew
	// OnAll: all organizations. Staff only.
	OnAll
	// OnNamed: the organization that a staff key's request names; if it names none,
	// the platform's own rows. Staff only.
	OnNamed
	// OnPlatform: the platform's own rows, in the home database. Staff only.
	OnPlatform
	// OnChosen: the organization that a staff key's request names; it must name one.
	// Staff only.
	OnChosen
	// OnClosed: as OnChosen, also while the person of staff who calls has no access to the
	// organization.
	OnClosed
	// OnSelf: the person who calls, and no organization. Its permission is auth.Self.
	OnSelf
)

// StaffOnly reports whether only staff keys may call the operation: it does not act
// on an existing organization of a caller with an API key, or OnChosen.
func (a Acts) StaffOnly() bool { return a != OnOwn && a != OnPath && a != OnSelf }

var errStaffOnly = fault.New(fault.Denied, "staff_only",
	"Only staff may do this. An API key can act only on its own organization: see /v1/organization.").
	Means("Only staff may do this: an API key can act only on its own organization.")

var errNamed = fault.InvalidField("header."+organizationHeader, "must be left out: this operation does not act on an existing organization")

// within reports whether a path is that of a resource or of its parts.
func within(path, resource string) bool { return strings.HasPrefix(path+"/", resource+"/") }

// pathNamesOrganization reports whether a path's {id} is an organization's.
func pathNamesOrganization(path string) bool {
	return within(path, "/v1/organizations/{id}")
}

// checkActs returns an error if the declaration contradicts its Acts. inside: the
// handler runs in one organization's transaction.
func (o Op) checkActs(inside bool) error {
	switch {
	case o.Acts < OnOwn || o.Acts > OnSelf:
		return fmt.Errorf("operation %s acts on an organization that the frame does not know", o.ID)
	case o.Permission == auth.Public && o.Acts != OnOwn:
		return fmt.Errorf("operation %s is public and acts on organizations", o.ID)
	case o.Acts == OnPath && !pathNamesOrganization(o.Path):
		return fmt.Errorf("operation %s acts on the organization in its path %s, which has no /v1/organizations/{id}", o.ID, o.Path)
	case o.Acts != OnPath && pathNamesOrganization(o.Path):
		return fmt.Errorf("operation %s has an organization in its path and acts on another", o.ID)
	case o.Acts == OnNew && o.Method != http.MethodPost:
		return fmt.Errorf("operation %s makes an organization and is no POST", o.ID)
	case o.Acts == OnAll && o.Method != http.MethodGet:
		return fmt.Errorf("operation %s would change every organization", o.ID)
	case o.Acts == OnAll && inside:
		return fmt.Errorf("operation %s acts on every organization and runs inside of one: make it a Global", o.ID)
	case (o.Acts == OnSelf) != (o.Permission == auth.Self) || (o.Acts == OnSelf) != within(o.Path, "/v1/me"):
		return fmt.Errorf("operation %s: what a person does on their own account is OnSelf, needs the permission self, and is at /v1/me", o.ID)
	case o.Acts == OnSelf && inside:
		return fmt.Errorf("operation %s acts on no organization: make it a Self", o.ID)
	case o.Acts != OnAll && o.Acts != OnSelf && o.Permission != auth.Public && !inside:
		return fmt.Errorf("operation %s acts on one organization and does not run inside of it: make it a Read or a Write", o.ID)
	}
	return nil
}

// namedOrganization returns the organization that a request names in its header
// or path; zero: none. It is an error if the two differ.
func namedOrganization(ctx huma.Context, acts Acts) (named id.Org, err error) {
	if text := ctx.Header(organizationHeader); text != "" {
		if named, err = id.Parse[id.Org](text); err != nil {
			return named, fault.InvalidField("header."+organizationHeader, err.Error())
		}
	}
	if acts != OnPath {
		return named, nil
	}
	inPath, err := id.Parse[id.Org](ctx.Param("id"))
	if err != nil {
		return named, fault.InvalidField("path.id", err.Error())
	}
	if !named.IsZero() && named != inPath {
		return named, org.ErrNotFound
	}
	return inPath, nil
}

// newOrganization returns the id of the organization that a call creates. With an
// Idempotency-Key the id is derived from caller and key, so a repeated request
// finds the claim in the same organization and cannot create a second one.
func newOrganization(c *Call) id.Org {
	if c.key == "" {
		return id.New[id.Org](c.Now())
	}
	return id.Derive[id.Org]("organization/" + c.Caller.Actor.ID + "/" + c.key)
}

// resource reports whether the object in the path decides who may call the operation:
// a member who has the permission on this one only may, too.
func (o Op) resource() bool {
	noun, _ := o.object()
	return role.HasResources(o.Permission) && role.Decides(noun)
}

// checkRights returns an error if a list of resources does not leave out those on which
// a member has no permission, or if what gives or takes rights is not Fresh.
func (o Op) checkRights() error {
	noun, _ := o.object()
	lists := role.HasResources(o.Permission) && o.Method == http.MethodGet && noun == "" && role.Decides(singular(path.Base(o.Path)))
	if o.Scoped != lists {
		return fmt.Errorf("operation %s: Scoped must be %t, because of its path and permission", o.ID, lists)
	}
	if o.Method != http.MethodGet && slices.Contains(givesRights, o.Permission) && !o.Fresh {
		return fmt.Errorf("operation %s gives or takes rights, and is not Fresh", o.ID)
	}
	return nil
}

// givesRights are the permissions to give or take rights, and to end an organization.
var givesRights = []auth.Permission{auth.APIKeysWrite, auth.MembersWrite, auth.RolesWrite, auth.OrganizationDelete, auth.AuditLogDelete}
