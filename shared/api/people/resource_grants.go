package people

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/member"
	"portico/shared/role"
)

// CreateResourceGrant is POST /v1/resource-grants.
var CreateResourceGrant = edge.Write[createGrantInput, grantOutput]{
	Op: edge.Op{
		ID: "createResourceGrant", Method: http.MethodPost, Path: "/v1/resource-grants", Function: function,
		Faults:     []*fault.Error{member.ErrNotFound, role.ErrNoResource, role.ErrGrantExceeded, role.ErrGrantExists, role.ErrTooManyGrants},
		Example:    `{"member_id":"mem_01jdf3z9k2e4nv6xq8r0s1t2v3","permission":"webhook_endpoints:write","resource_id":"we_01jdf3z9k2e4nv6xq8r0s1t2v3"}`,
		Permission: auth.MembersWrite, Fresh: true, Cost: 1, Audit: "resource_grant.create", Status: http.StatusCreated, Tag: Tag,
		Summary: "Give a member a permission on one resource", Description: "Your API key must have the permission itself.",
	},
	Handle: createResourceGrant,
}

// ListResourceGrants is GET /v1/resource-grants.
var ListResourceGrants = edge.Read[listGrantsInput, listGrantsOutput]{
	Op: edge.Op{
		ID: "listResourceGrants", Method: http.MethodGet, Path: "/v1/resource-grants", Function: function,
		Permission: auth.MembersRead, Cost: 1, Access: "resource_grant.read", Tag: Tag, Summary: "List resource grants",
	},
	Handle: listResourceGrants,
}

// DeleteResourceGrant is DELETE /v1/resource-grants/{id}.
var DeleteResourceGrant = edge.Write[grantPath, struct{}]{
	Op: edge.Op{
		ID: "deleteResourceGrant", Method: http.MethodDelete, Path: "/v1/resource-grants/{id}", Function: function,
		Faults:     []*fault.Error{role.ErrGrantNotFound, role.ErrGrantExceeded},
		Permission: auth.MembersWrite, Fresh: true, Cost: 1, Audit: "resource_grant.delete", Status: http.StatusNoContent, Tag: Tag, Summary: "Delete a resource grant",
		Description: "Your API key must have the permission itself.",
	},
	Handle: deleteResourceGrant,
}

type grantPath struct {
	ID id.ResourceGrant `path:"id" doc:"The resource grant's id." example:"grant_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type grantBody struct {
	ID           id.ResourceGrant `json:"id" doc:"The resource grant's id." example:"grant_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	MemberID     id.Member        `json:"member_id" doc:"The member who has the permission." example:"mem_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Permission   auth.Permission  `json:"permission" doc:"The permission on the resource." example:"webhook_endpoints:read"`
	ResourceType string           `json:"resource_type" example:"webhook_endpoint" doc:"The kind of the resource."`
	ResourceID   string           `json:"resource_id" example:"we_01jdf3z9k2e4nv6xq8r0s1t2v3" doc:"The resource's id."`
	CreatedAt    clock.Stamp      `json:"created_at" format:"date-time" doc:"When the resource grant was created."`
}

type grantOutput struct{ Body grantBody }

type listGrantsInput struct {
	edge.Page
	MemberID id.Member `query:"member_id" doc:"Only resource grants of this member." example:"mem_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type listGrantsOutput struct{ Body edge.List[grantBody] }

type createGrantInput struct {
	Body struct {
		MemberID   string          `json:"member_id" maxLength:"40" example:"mem_01jdf3z9k2e4nv6xq8r0s1t2v3" doc:"The member who gets the permission."`
		Permission auth.Permission `json:"permission" maxLength:"100" example:"webhook_endpoints:write" doc:"The permission on the resource."`
		ResourceID string          `json:"resource_id" maxLength:"40" doc:"A webhook endpoint (we_…) or an event (evt_…)." example:"we_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	}
}

func showGrant(g role.Grant) grantBody {
	return grantBody{
		ID: g.ID, MemberID: g.MemberID, Permission: g.Permission,
		ResourceType: g.ResourceType, ResourceID: g.ResourceID, CreatedAt: clock.Stamp(g.CreatedAt),
	}
}

// changedGrant records a change in the audit log, with the grant, its member and
// its resource as targets.
func changedGrant(c *edge.Call, before, after audit.Fields, g role.Grant) {
	c.Audit(before, after, audit.Of("resource_grant", g.ID), audit.Of("member", g.MemberID),
		audit.Target{Type: g.ResourceType, ID: g.ResourceID})
}

func createResourceGrant(c *edge.Call, in *createGrantInput) (*grantOutput, error) {
	b := in.Body
	memberID, err := id.Parse[id.Member](b.MemberID)
	if err != nil {
		err = fault.InvalidField("body.member_id", err.Error())
	}
	resource, errResource := role.Load(c, c.Tx, c.Org, "body.resource_id", b.ResourceID)
	if err := fault.Join(err, errResource); err != nil {
		return nil, err
	}
	if err := fault.Join(role.CheckGrant(b.Permission, resource), mayGiveThese(c, b.Permission)); err != nil {
		return nil, err
	}
	if _, err := member.Get(c, c.Tx, c.Org, memberID); err != nil {
		return nil, err
	}
	now := c.Now()
	g := role.Grant{
		ID: id.New[id.ResourceGrant](now), MemberID: memberID, Permission: b.Permission,
		ResourceType: resource.Type, ResourceID: resource.ID, CreatedAt: now,
	}
	if err := role.InsertGrant(c, c.Tx, c.Org, g); err != nil {
		return nil, err
	}
	changedGrant(c, nil, audit.Fields{"permission": g.Permission}, g)
	return &grantOutput{Body: showGrant(g)}, nil
}

func listResourceGrants(c *edge.Call, in *listGrantsInput) (*listGrantsOutput, error) {
	var after id.ResourceGrant
	if err := c.Position("resource_grants", in.After, (*[16]byte)(&after.UUID)); err != nil {
		return nil, err
	}
	grants, err := role.Grants(c, c.Tx, c.Org, in.MemberID, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return &listGrantsOutput{Body: edge.ListOf(grants, in.Limit, showGrant, func(last role.Grant) *string {
		return c.Cursor("resource_grants", last.ID.UUID)
	})}, nil
}

func deleteResourceGrant(c *edge.Call, in *grantPath) (*struct{}, error) {
	g, err := role.DeleteGrant(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	if err := mayGiveThese(c, g.Permission); err != nil {
		return nil, err
	}
	changedGrant(c, audit.Fields{"permission": g.Permission}, nil, g)
	return nil, nil
}
