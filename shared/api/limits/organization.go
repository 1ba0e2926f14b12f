package limits

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/limit"
	"portico/shared/limit/override"
	"portico/shared/org"
)

// SetOfOrganization is PUT /v1/organization/limits/{policy}.
var SetOfOrganization = edge.Write[setOfOrganizationInput, limitOutput]{
	Op: edge.Op{
		ID: "setOrganizationLimit", Method: http.MethodPut, Path: "/v1/organization/limits/{policy}", Function: function, Acts: edge.OnChosen,
		Faults:     []*fault.Error{override.ErrNotFound},
		Example:    `{"limit":50}`,
		Permission: auth.LimitsWrite, Cost: 1, Audit: "limit.override", Tag: Tag, Summary: "Set a limit of an organization",
		Description: "#setOrganizationLimit",
	},
	Handle: func(c *edge.Call, in *setOfOrganizationInput) (*limitOutput, error) {
		return changeOfOrganization(c, in.Policy, &in.Body.Limit)
	},
}

// ResetOfOrganization is DELETE /v1/organization/limits/{policy}.
var ResetOfOrganization = edge.Write[OrganizationLimitPath, limitOutput]{
	Op: edge.Op{
		ID: "resetOrganizationLimit", Method: http.MethodDelete, Path: "/v1/organization/limits/{policy}", Function: function, Acts: edge.OnChosen,
		Faults:     []*fault.Error{override.ErrNotFound},
		Permission: auth.LimitsWrite, Cost: 1, Audit: "limit.reset", Tag: Tag, Summary: "Reset a limit of an organization",
		Description: "The default applies again. Resetting a limit that is not set changes nothing.",
	},
	Handle: func(c *edge.Call, in *OrganizationLimitPath) (*limitOutput, error) {
		return changeOfOrganization(c, in.Policy, nil)
	},
}

// OrganizationLimitPath names a limit of the organization.
type OrganizationLimitPath struct {
	Policy string `path:"policy" maxLength:"100" doc:"The limit's name; its scope must be organization." example:"organization_requests"`
}

type setOfOrganizationInput struct {
	OrganizationLimitPath
	Body struct{ LimitChange }
}

// changeOfOrganization sets a limit of the organization, or removes it if to is nil.
func changeOfOrganization(c *edge.Call, policy string, to *int64) (*limitOutput, error) {
	p, err := policyOf(c, limit.ByOrganization, policy)
	if err != nil {
		return nil, err
	}
	if _, err := org.Lock(c, c.Tx, c.Org); err != nil {
		return nil, err
	}
	list, err := override.List(c, c.Tx, c.Org, c.Org.UUID)
	if err != nil {
		return nil, err
	}
	before := override.Of(list, c.Org.UUID, p.Name)
	after := before
	after.Staff = to
	if err := override.Save(c, c.Tx, c.Org, id.APIKey{}, after); err != nil {
		return nil, err
	}
	c.Audit(limitFields(before), limitFields(after), audit.Of("organization", c.Org), audit.Of("limit", limitName(p.Name)))
	return &limitOutput{Body: showLimit(p, after)}, c.Keys.Overrides.Project(c, c.Tx, c.Org)
}
