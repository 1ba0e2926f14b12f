package organizations

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/org"
	"portico/shared/role"
)

// GetOwn is GET /v1/organization.
var GetOwn = edge.Read[struct{}, organizationOutput]{
	Op: edge.Op{
		ID: "getOrganization", Method: http.MethodGet, Path: "/v1/organization", Function: function,
		Permission: auth.OrganizationRead, Cost: 1, Access: "organization.read", Tag: Tag, Summary: "Get your organization",
	},
	Handle: getOwn,
}

// UpdateOwn is PATCH /v1/organization.
var UpdateOwn = edge.Write[updateOrganizationInput, organizationOutput]{
	Op: edge.Op{
		ID: "updateOrganization", Method: http.MethodPatch, Path: "/v1/organization", Function: function,
		Faults:     []*fault.Error{org.ErrVersion, role.ErrModelTooNarrow},
		Example:    `{"version":1,"name":"Acme","settings":{"timezone":"Europe/Berlin"},"branding":{"primary_color":"#0a7cff"}}`,
		Permission: auth.OrganizationWrite, Fresh: true, Cost: 1, Audit: "organization.update", Tag: Tag, Summary: "Change your organization",
		Description: "#updateOrganization\n\nSettings: " + org.DescribeSettings(),
	},
	Handle: updateOwn,
}

type organizationBody struct {
	ID        id.Org         `json:"id" doc:"The organization's id." example:"org_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Name      string         `json:"name" doc:"What it is called." example:"Acme"`
	Settings  map[string]any `json:"settings" nullable:"false" doc:"The value of every setting." example:"{\"event_retention_days\":null,\"locale\":\"en\",\"require_mfa\":false,\"session_hours\":12,\"timezone\":\"UTC\"}"`
	Branding  Branding       `json:"branding" doc:"How it appears to its people."`
	Version   int32          `json:"version" doc:"Counts changes." example:"1"`
	CreatedAt clock.Stamp    `json:"created_at" format:"date-time" doc:"When it was made."`
	UpdatedAt clock.Stamp    `json:"updated_at" format:"date-time" doc:"When it was last changed."`
}

type organizationOutput struct{ Body organizationBody }

type updateOrganizationInput struct {
	Body struct {
		Version  *int32         `json:"version,omitempty" minimum:"1" doc:"The version that you read. If the organization has changed since, the answer is 409 and nothing changes."`
		Name     *string        `json:"name,omitempty" minLength:"1" maxLength:"200" doc:"What it is called." example:"Acme"`
		Settings map[string]any `json:"settings,omitempty" nullable:"false" doc:"By name."`
		Branding BrandingChange `json:"branding,omitempty" doc:"An empty text removes a field."`
	}
}

func showOrganization(o org.Organization) *organizationOutput {
	return &organizationOutput{Body: organizationBody{
		ID: o.ID, Name: o.Name, Settings: o.Settings.All(), Branding: Branding(o.Branding), Version: o.Version,
		CreatedAt: clock.Stamp(o.CreatedAt), UpdatedAt: clock.Stamp(o.UpdatedAt),
	}}
}

func organizationFields(o org.Organization) audit.Fields {
	return audit.Fields{"name": o.Name, "settings": o.Settings.All(), "branding": o.Branding, "version": o.Version}
}

// Resolve hands the input to the frame.
func (in *updateOrganizationInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *updateOrganizationInput) Check(*edge.Call) error {
	b := in.Body
	return fault.Join(edge.CheckName("body.name", b.Name), edge.CheckName("body.branding.display_name", b.Branding.DisplayName),
		org.CheckSettings("body.settings", b.Settings), org.BrandingChange(b.Branding).Check("body.branding"))
}

func getOwn(c *edge.Call, _ *struct{}) (*organizationOutput, error) {
	o, err := org.Get(c, c.Tx, c.Org)
	if err != nil {
		return nil, err
	}
	return showOrganization(o), nil
}

func updateOwn(c *edge.Call, in *updateOrganizationInput) (*organizationOutput, error) {
	b := in.Body
	before, after, err := org.Update(c, c.Tx, c.Org, org.Change{
		Version: b.Version, Name: b.Name, Settings: b.Settings, Branding: org.BrandingChange(b.Branding),
	}, c.Now())
	if err != nil {
		return nil, err
	}
	c.Audit(organizationFields(before), organizationFields(after), audit.Of("organization", c.Org))
	return showOrganization(after), nil
}
