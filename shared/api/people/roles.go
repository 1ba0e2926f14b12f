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
	"portico/shared/org"
	"portico/shared/role"
)

// CreateRole is POST /v1/roles.
var CreateRole = edge.Write[createRoleInput, createdRoleOutput]{
	Op: edge.Op{
		ID: "createRole", Method: http.MethodPost, Path: "/v1/roles", Function: function,
		Faults:     []*fault.Error{role.ErrNotInModel, role.ErrGrantExceeded, role.ErrNameTaken, role.ErrTooMany},
		Example:    `{"name":"Support","description":"Looks, and changes nothing.","permissions":["events:read","deliveries:read"]}`,
		Permission: auth.RolesWrite, Fresh: true, Cost: 1, Audit: "role.create", Status: http.StatusCreated, Tag: Tag, Summary: "Create a role",
		Description: "#createRole",
	},
	Handle: createRole,
}

// ListRoles is GET /v1/roles.
var ListRoles = edge.Read[edge.Page, listRolesOutput]{
	Op: edge.Op{
		ID: "listRoles", Method: http.MethodGet, Path: "/v1/roles", Function: function,
		Permission: auth.RolesRead, Cost: 1, Access: "role.read", Tag: Tag, Summary: "List roles",
		Description: "Your own roles, newest first. The last page ends with the predefined roles that your organization's `role_model` has.",
	},
	Handle: listRoles,
}

// GetRole is GET /v1/roles/{id}.
var GetRole = edge.Read[RolePath, roleOutput]{
	Op: edge.Op{
		ID: "getRole", Method: http.MethodGet, Path: "/v1/roles/{id}", Function: function,
		Faults:     []*fault.Error{role.ErrNotFound},
		Permission: auth.RolesRead, Cost: 1, Access: "role.read", Tag: Tag, Summary: "Get a role",
	},
	Handle: getRole,
}

// UpdateRole is PATCH /v1/roles/{id}.
var UpdateRole = edge.Write[updateRoleInput, roleOutput]{
	Op: edge.Op{
		ID: "updateRole", Method: http.MethodPatch, Path: "/v1/roles/{id}", Function: function,
		Faults:     []*fault.Error{role.ErrNotFound, role.ErrGrantExceeded, member.ErrOwnRole, role.ErrPredefined, role.ErrNameTaken},
		Example:    `{"permissions":["events:read"]}`,
		Permission: auth.RolesWrite, Fresh: true, Cost: 1, Audit: "role.update", Tag: Tag, Summary: "Change a role",
		Description: "The change applies at once to every member with the role. Your API key must have all of its permissions, old and new.",
	},
	Handle: updateRole,
}

// DeleteRole is DELETE /v1/roles/{id}.
var DeleteRole = edge.Write[RolePath, struct{}]{
	Op: edge.Op{
		ID: "deleteRole", Method: http.MethodDelete, Path: "/v1/roles/{id}", Function: function,
		Faults:     []*fault.Error{role.ErrNotFound, role.ErrGrantExceeded, role.ErrPredefined, role.ErrInUse},
		Permission: auth.RolesWrite, Fresh: true, Cost: 1, Audit: "role.delete", Status: http.StatusNoContent, Tag: Tag, Summary: "Delete a role that no member has",
	},
	Handle: deleteRole,
}

// RolePath names a role.
type RolePath struct {
	ID role.Ref `path:"id" doc:"owner, admin, member, developer, viewer or the id of your own role." example:"role_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type roleBody struct {
	ID          string            `json:"id" example:"role_01jdf3z9k2e4nv6xq8r0s1t2v3" doc:"owner, admin, member, developer, viewer or the id of your own role."`
	Name        string            `json:"name" doc:"The role's name." example:"Support"`
	Description string            `json:"description" doc:"A note for people." example:"Looks, and changes nothing."`
	Permissions []auth.Permission `json:"permissions" nullable:"false" doc:"The permissions of members with this role." example:"[\"events:read\"]"`
	Condition   string            `json:"condition" doc:"The condition under which the role gives its permissions; empty if there is none." example:"context.ip.isInRange(ip(\"10.0.0.0/8\"))"`
	Predefined  bool              `json:"predefined" doc:"Whether the role is predefined: every organization has it and cannot change it."`
	CreatedAt   *clock.Stamp      `json:"created_at" format:"date-time" doc:"When the role was created; null for a predefined role."`
	UpdatedAt   *clock.Stamp      `json:"updated_at" format:"date-time" doc:"When the role was last changed; null for a predefined role."`
}

type roleOutput struct{ Body roleBody }

type listRolesOutput struct{ Body edge.List[roleBody] }

type createRoleInput struct {
	Body struct {
		Name        string            `json:"name" minLength:"1" maxLength:"100" example:"Support" doc:"The role's name."`
		Description string            `json:"description,omitempty" maxLength:"500" doc:"A note for people."`
		Permissions []auth.Permission `json:"permissions" maxItems:"100" nullable:"false" doc:"The role's permissions. GET /v1/permissions lists all that exist." example:"[\"events:read\"]"`
		Condition   string            `json:"condition,omitempty" maxLength:"1000" doc:"#CreateRole.condition" example:"context.ip.isInRange(ip(\"10.0.0.0/8\"))"`
	}
}

type createdRoleOutput struct {
	Location string `header:"Location"`
	Body     roleBody
}

type updateRoleInput struct {
	RolePath
	Body struct {
		Name        *string           `json:"name,omitempty" minLength:"1" maxLength:"100" doc:"The role's name."`
		Description *string           `json:"description,omitempty" maxLength:"500" doc:"A note for people."`
		Permissions []auth.Permission `json:"permissions,omitempty" maxItems:"100" nullable:"false" doc:"All permissions of the role: they replace the old ones."`
		Condition   *string           `json:"condition,omitempty" maxLength:"1000" doc:"An empty text removes the condition."`
	}
}

func showRole(r role.Role) roleBody {
	b := roleBody{
		ID: r.Ref.String(), Name: r.Name, Description: r.Description, Permissions: r.Permissions,
		Condition: r.Condition, Predefined: r.Ref.Predefined != "",
	}
	if !b.Predefined {
		b.CreatedAt, b.UpdatedAt = clock.StampOf(&r.CreatedAt), clock.StampOf(&r.UpdatedAt)
	}
	return b
}

func roleFields(r role.Role) audit.Fields {
	return audit.Fields{"name": r.Name, "description": r.Description, "permissions": r.Permissions, "condition": r.Condition}
}

// Resolve hands the input to the frame.
func (in *createRoleInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *createRoleInput) Check(c *edge.Call) error {
	b := in.Body
	return checkRole(c, &b.Name, &b.Description, b.Permissions, &b.Condition)
}

// Resolve hands the input to the frame.
func (in *updateRoleInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *updateRoleInput) Check(c *edge.Call) error {
	b := in.Body
	return checkRole(c, b.Name, b.Description, b.Permissions, b.Condition)
}

func checkRole(c *edge.Call, name, description *string, permissions []auth.Permission, condition *string) error {
	var wrong error
	if condition != nil {
		if err := role.CheckCondition(*condition); err != nil {
			wrong = fault.InvalidField("body.condition", err.Error())
		}
	}
	return fault.Join(edge.CheckName("body.name", name), edge.CheckText("body.description", description), wrong,
		edge.Hint(role.CheckPermissions("permissions", permissions, c.Caller.Rights.Gives()), "List them with GET /v1/permissions"))
}

func createRole(c *edge.Call, in *createRoleInput) (*createdRoleOutput, error) {
	b := in.Body
	now := c.Now()
	r := role.Role{
		Ref: role.Ref{Custom: id.New[id.Role](now)}, Name: b.Name, Description: b.Description,
		Permissions: b.Permissions, Condition: b.Condition, CreatedAt: now, UpdatedAt: now,
	}
	model, err := org.HoldRoleModel(c, c.Tx, c.Org)
	if err != nil {
		return nil, err
	}
	if err := model.Check(r.Ref); err != nil {
		return nil, err
	}
	if err := mayGive(c)(r); err != nil {
		return nil, err
	}
	if err := role.Insert(c, c.Tx, c.Org, r); err != nil {
		return nil, err
	}
	c.Audit(nil, roleFields(r), audit.Of("role", r.Ref))
	return &createdRoleOutput{Location: "/v1/roles/" + r.Ref.String(), Body: showRole(r)}, nil
}

func listRoles(c *edge.Call, in *edge.Page) (*listRolesOutput, error) {
	var after id.Role
	if err := c.Position("roles", in.After, (*[16]byte)(&after.UUID)); err != nil {
		return nil, err
	}
	roles, err := role.Own(c, c.Tx, c.Org, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	list := edge.ListOf(roles, in.Limit, showRole, func(last role.Role) *string { return c.Cursor("roles", last.Ref.Custom.UUID) })
	if list.Next != nil {
		return &listRolesOutput{Body: list}, nil
	}
	o, err := org.Get(c, c.Tx, c.Org)
	if err != nil {
		return nil, err
	}
	for _, name := range o.Settings.RoleModel().Predefined() {
		r, _ := role.Predefined(name)
		list.Data = append(list.Data, showRole(r))
	}
	return &listRolesOutput{Body: list}, nil
}

func getRole(c *edge.Call, in *RolePath) (*roleOutput, error) {
	r, err := role.Get(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	return &roleOutput{Body: showRole(r)}, nil
}

func updateRole(c *edge.Call, in *updateRoleInput) (*roleOutput, error) {
	if err := notOwn(c, in.ID); err != nil {
		return nil, err
	}
	b := in.Body
	before, after, err := role.Update(c, c.Tx, c.Org, in.ID, role.Change{
		Name: b.Name, Description: b.Description, Permissions: b.Permissions, Condition: b.Condition,
	}, c.Now(), mayGive(c))
	if err != nil {
		return nil, err
	}
	c.Audit(roleFields(before), roleFields(after), audit.Of("role", in.ID))
	return &roleOutput{Body: showRole(after)}, nil
}

// notOwn refuses to change a role that the caller has: its condition could be removed,
// or permissions added that the caller has by a resource grant only.
func notOwn(c *edge.Call, ref role.Ref) error {
	m := c.Caller.Member()
	if m.IsZero() {
		return nil
	}
	caller, err := member.Get(c, c.Tx, c.Org, m)
	if err == nil && caller.Role == ref {
		err = member.ErrOwnRole
	}
	return err
}

func deleteRole(c *edge.Call, in *RolePath) (*struct{}, error) {
	r, err := role.Delete(c, c.Tx, c.Org, in.ID, mayGive(c))
	if err != nil {
		return nil, err
	}
	c.Audit(roleFields(r), nil, audit.Of("role", in.ID))
	return nil, nil
}
