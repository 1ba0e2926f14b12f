package edge

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/org"
)

// Acts says on which organization an operation acts.
type Acts int

const (
	// OnOwn is the caller's: an API key's own, or the one that staff names.
	OnOwn Acts = iota
	// OnPath is the one whose id stands in the path as {id}: again an API key's
	// own, or the one that staff names there.
	OnPath
	// OnNew is the one that the operation makes. Staff only.
	OnNew
	// OnAll is every one: the operation looks across them. Staff only.
	OnAll
)

// StaffOnly reports whether no API key may call the operation, because it would
// leave its organization.
func (a Acts) StaffOnly() bool { return a == OnNew || a == OnAll }

var errStaffOnly = fault.New(fault.Denied, "staff_only",
	"Only staff may do this. An API key acts on its own organization alone: see /v1/organization.").
	Means("Only staff may do this: an API key acts on its own organization alone.")

var errNamed = fault.InvalidField("header."+organizationHeader, "must be left out: this does not act on an organization that exists")

// pathNamesOrganization reports whether a path's {id} is an organization's.
func pathNamesOrganization(path string) bool {
	return path == "/v1/organizations/{id}" || strings.HasPrefix(path, "/v1/organizations/{id}/")
}

// checkActs returns what contradicts the organization that an operation says it
// acts on. inside: its handler runs in one organization's transaction.
func (o Op) checkActs(inside bool) error {
	switch {
	case o.Acts < OnOwn || o.Acts > OnAll:
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
	case o.Acts != OnAll && o.Permission != auth.Public && !inside:
		return fmt.Errorf("operation %s acts on one organization and does not run inside of it: make it a Read or a Write", o.ID)
	}
	return nil
}

// namedOrganization returns the organization that a request names in its header
// or path; zero: none. Two different ones cannot both be entered.
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

// newOrganization is the id of the organization that a call makes. With an
// Idempotency-Key it is always the same for the same caller: there a repetition
// finds the claim, and a second organization cannot come of it.
func newOrganization(c *Call) id.Org {
	if c.key == "" {
		return id.New[id.Org](c.Now())
	}
	return id.Derive[id.Org]("organization/" + c.Caller.StaffKey.String() + "/" + c.key)
}
