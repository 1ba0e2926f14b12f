package account

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/identity"
)

// ListMyOrganizations is GET /v1/me/organizations.
var ListMyOrganizations = edge.Self[struct{}, listOrganizationsOutput]{
	Op: edge.Op{
		ID: "listMyOrganizations", Method: http.MethodGet, Path: "/v1/me/organizations", Function: function, Acts: edge.OnSelf,
		Permission: auth.Self, Cost: 1, Tag: Tag, Summary: "List your organizations", Description: "#listMyOrganizations",
	},
	Handle: listMyOrganizations,
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
