package account

import (
	"errors"
	"net/http"

	"portico/shared/account"
	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/member"
)

// ListMyOrganizations is GET /v1/me/organizations.
var ListMyOrganizations = edge.Self[struct{}, listOrganizationsOutput]{
	Op: edge.Op{
		ID: "listMyOrganizations", Method: http.MethodGet, Path: "/v1/me/organizations", Function: function, Acts: edge.OnSelf,
		Permission: auth.Self, Cost: 1, Tag: Tag, Summary: "List your organizations", Description: "#listMyOrganizations",
	},
	Handle: listMyOrganizations,
}

// LeaveMyOrganization is DELETE /v1/me/organizations/{id}.
var LeaveMyOrganization = edge.Self[organizationPath, struct{}]{
	Op: edge.Op{
		ID: "leaveMyOrganization", Method: http.MethodDelete, Path: "/v1/me/organizations/{id}", Function: function, Acts: edge.OnSelf,
		Permission: auth.Self, Fresh: true, Cost: 1, Audit: identity.LeaveOrganization, Status: http.StatusNoContent, Tag: Tag, Summary: "Leave an organization",
		Description: "#leaveMyOrganization", Faults: []*fault.Error{errNoMembership, member.ErrLastOwner},
	},
	Handle: leaveMyOrganization,
}

var errNoMembership = fault.New(fault.NotFound, "membership_not_found", "You are not a member of an organization with this id.").
	Means("The person who calls is not a member of an organization with this id.")

type organizationPath struct {
	ID id.Org `path:"id" doc:"The organization's id." example:"org_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type membershipBody struct {
	OrganizationID id.Org    `json:"organization_id" doc:"The organization's id." example:"org_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Name           string    `json:"name" doc:"The organization's name." example:"Acme"`
	MemberID       id.Member `json:"member_id" doc:"As which member you belong to it." example:"mem_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type listOrganizationsOutput struct{ Body edge.List[membershipBody] }

func listMyOrganizations(c *edge.Call, _ *struct{}) (*listOrganizationsOutput, error) {
	all, err := identity.Memberships(c, c.DB, c.Caller.User)
	return &listOrganizationsOutput{edge.ListOf(all, len(all), func(m identity.Membership) membershipBody {
		return membershipBody{m.Org, m.Name, m.Member}
	}, nil)}, err
}

func leaveMyOrganization(c *edge.Call, in *organizationPath) (*struct{}, error) {
	err := deskOf(c).LeaveOrganization(c, c.Caller.User, in.ID, account.Visitor{Origin: c.Origin()})
	if errors.Is(err, member.ErrNotFound) {
		err = errNoMembership
	}
	return nil, err
}
