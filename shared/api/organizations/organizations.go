// Package organizations has the operations on organizations and on the domains
// that identify them.
package organizations

import (
	"embed"
	"encoding/binary"
	"net/http"
	"time"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/org"
	"portico/shared/role"
)

// Tag groups the operations in the documentation.
const Tag = "Organizations"

// Texts are descriptions, each below the heading that stands for it in Go.
//
//go:embed *.md
var Texts embed.FS

const function = "organization"

const organizationsPath = "/v1/organizations"

// Create is POST /v1/organizations.
var Create = edge.Write[createOrganizationInput, createdOrganizationOutput]{
	Op: edge.Op{
		ID: "createOrganization", Method: http.MethodPost, Path: organizationsPath, Function: function, Acts: edge.OnNew,
		Faults:     []*fault.Error{org.ErrExists},
		Example:    `{"name":"Acme"}`,
		Permission: auth.OrganizationsCreate, Cost: 1, Audit: "organization.create", Status: http.StatusCreated,
		Tag: Tag, Summary: "Create an organization",
		Description: "#createOrganization",
	},
	Handle: create,
}

// List is GET /v1/organizations.
var List = edge.Global[listOrganizationsInput, listOrganizationsOutput]{
	Op: edge.Op{
		ID: "listOrganizations", Method: http.MethodGet, Path: organizationsPath, Function: function, Acts: edge.OnAll,
		Permission: auth.OrganizationRead, Cost: 1, Access: "organization.read", Tag: Tag, Summary: "List organizations",
		Description: "Deleted ones are not among them.",
	},
	Handle: list,
}

// Get is GET /v1/organizations/{id}.
var Get = edge.Read[OrganizationPath, organizationOutput]{
	Op: edge.Op{
		ID: "getNamedOrganization", Method: http.MethodGet, Path: organizationsPath + "/{id}", Function: function, Acts: edge.OnPath,
		Permission: auth.OrganizationRead, Cost: 1, Access: "organization.read", Tag: Tag, Summary: "Get an organization",
		Description: "An API key may name its own organization only.",
	},
	Handle: func(c *edge.Call, _ *OrganizationPath) (*organizationOutput, error) { return getOwn(c, nil) },
}

// Update is PATCH /v1/organizations/{id}.
var Update = edge.Write[updateNamedOrganizationInput, organizationOutput]{
	Op: edge.Op{
		ID: "updateNamedOrganization", Method: http.MethodPatch, Path: organizationsPath + "/{id}", Function: function, Acts: edge.OnPath,
		Faults:     []*fault.Error{org.ErrVersion, role.ErrModelTooNarrow},
		Example:    `{"version":1,"name":"Acme"}`,
		Permission: auth.OrganizationWrite, Fresh: true, Cost: 1, Audit: "organization.update", Tag: Tag, Summary: "Change an organization",
		Description: "As `PATCH /v1/organization` does. An API key may name its own organization only.",
	},
	Handle: func(c *edge.Call, in *updateNamedOrganizationInput) (*organizationOutput, error) {
		return updateOwn(c, &in.updateOrganizationInput)
	},
}

// Delete is DELETE /v1/organizations/{id}.
var Delete = edge.Write[OrganizationPath, deletedOrganizationOutput]{
	Op: edge.Op{
		ID: "deleteOrganization", Method: http.MethodDelete, Path: organizationsPath + "/{id}", Function: function, Acts: edge.OnPath,
		Permission: auth.OrganizationDelete, Fresh: true, Cost: 20, Audit: "organization.delete", Status: http.StatusAccepted,
		Tag: Tag, Summary: "Delete an organization",
		Description: "#deleteOrganization",
	},
	Handle: remove,
}

// OrganizationPath names an organization.
type OrganizationPath struct {
	ID id.Org `path:"id" doc:"The organization's id." example:"org_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type createOrganizationInput struct {
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"200" example:"Acme" doc:"What it is called."`
	}
}

type createdOrganizationOutput struct {
	Location string `header:"Location"`
	Body     organizationBody
}

type updateNamedOrganizationInput struct {
	OrganizationPath
	updateOrganizationInput
}

type listOrganizationsInput struct {
	edge.Page
	Name string `query:"name" maxLength:"200" doc:"Only those whose name starts like this, in capitals or not." example:"acme"`
}

type listOrganizationsOutput struct{ Body edge.List[organizationBody] }

type deletedOrganizationOutput struct {
	Body struct {
		ID        id.Org      `json:"id" doc:"The organization's id." example:"org_01jdf3z9k2e4nv6xq8r0s1t2v3"`
		DeletedAt clock.Stamp `json:"deleted_at" format:"date-time" doc:"When it was deleted. From then on the API answers as if it did not exist."`
	}
}

// Resolve hands the input to the frame.
func (in *createOrganizationInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *createOrganizationInput) Check(*edge.Call) error {
	return edge.CheckName("body.name", &in.Body.Name)
}

func create(c *edge.Call, in *createOrganizationInput) (*createdOrganizationOutput, error) {
	if err := org.Insert(c, c.Tx, org.Organization{ID: c.Org, Name: in.Body.Name, CreatedAt: c.Now()}); err != nil {
		return nil, err
	}
	made, err := org.Get(c, c.Tx, c.Org)
	if err != nil {
		return nil, err
	}
	c.Audit(nil, organizationFields(made), audit.Of("organization", c.Org))
	return &createdOrganizationOutput{Location: organizationsPath + "/" + c.Org.String(), Body: showOrganization(made).Body}, nil
}

func list(c *edge.Call, in *listOrganizationsInput) (*listOrganizationsOutput, error) {
	f := org.Filter{NameStarts: in.Name}
	plain, err := c.TextPosition("organizations", in.After)
	if err != nil {
		return nil, err
	}
	if err := edge.CheckText("query.name", &in.Name); err != nil {
		return nil, err
	}
	if plain != "" {
		f.CreatedAt = time.UnixMicro(int64(binary.BigEndian.Uint64([]byte(plain))))
		copy(f.ID.UUID[:], plain[8:])
	}
	list, err := org.List(c, c.DB, f, in.Limit+1)
	if err != nil {
		return nil, err
	}
	show := func(o org.Organization) organizationBody { return showOrganization(o).Body }
	return &listOrganizationsOutput{Body: edge.ListOf(list, in.Limit, show, func(last org.Organization) *string {
		at := binary.BigEndian.AppendUint64(nil, uint64(last.CreatedAt.UnixMicro())) // Postgres keeps no more
		return c.TextCursor("organizations", append(at, last.ID.UUID[:]...))
	})}, nil
}

// remove closes the organization and lets go of its domains;
// jobs.Deleter erases the rest.
func remove(c *edge.Call, _ *OrganizationPath) (*deletedOrganizationOutput, error) {
	before, err := org.Lock(c, c.Tx, c.Org)
	if err != nil {
		return nil, err
	}
	closed, err := org.Close(c, c.Tx, c.Keys, c.Org, c.Now())
	if err != nil {
		return nil, err
	}
	out := &deletedOrganizationOutput{}
	out.Body.ID, out.Body.DeletedAt = c.Org, clock.Stamp(closed)
	if err := c.Hosts.DeleteAll(c, c.Tx, c.Org); err != nil {
		return nil, err
	}
	c.Audit(organizationFields(before), nil, audit.Of("organization", c.Org))
	return out, nil
}
