package sso

import (
	"fmt"
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/directory"
	"portico/shared/fault"
	"portico/shared/member"
	"portico/shared/role"
	"portico/shared/secret"
	"portico/shared/sso"
)

const directoryPath = "/v1/sso-connections/{id}/directory"

// CreateDirectory is POST /v1/sso-connections/{id}/directory.
var CreateDirectory = edge.Write[createDirectoryInput, directoryTokenOutput]{
	Op: edge.Op{
		ID: "createDirectory", Method: http.MethodPost, Path: directoryPath, Function: function,
		Faults:     []*fault.Error{sso.ErrNotFound, directory.ErrExists, role.ErrNotFound, role.ErrNotInModel, role.ErrGrantExceeded},
		Example:    `{"group_roles":[{"group":"Engineering","role":"developer"}]}`,
		Permission: auth.SSOConnectionsWrite, Fresh: true, Cost: 1, Audit: "directory.create", Status: http.StatusCreated,
		Tag: Tag, Summary: "Create a directory", Description: "#createDirectory",
	},
	Handle: createDirectory,
}

// GetDirectory is GET /v1/sso-connections/{id}/directory.
var GetDirectory = edge.Read[ConnectionPath, directoryOutput]{
	Op: edge.Op{
		ID: "getDirectory", Method: http.MethodGet, Path: directoryPath, Function: function,
		Faults:     []*fault.Error{sso.ErrNotFound, directory.ErrNotFound},
		Permission: auth.SSOConnectionsRead, Cost: 1, Access: "sso_connection.read", Tag: Tag, Summary: "Get a directory",
	},
	Handle: getDirectory,
}

// UpdateDirectory is PATCH /v1/sso-connections/{id}/directory.
var UpdateDirectory = edge.Write[updateDirectoryInput, directoryOutput]{
	Op: edge.Op{
		ID: "updateDirectory", Method: http.MethodPatch, Path: directoryPath, Function: function,
		Faults:     []*fault.Error{sso.ErrNotFound, directory.ErrNotFound, role.ErrNotFound, role.ErrNotInModel, role.ErrGrantExceeded},
		Example:    `{"group_roles":[{"group":"Engineering","role":"developer"}]}`,
		Permission: auth.SSOConnectionsWrite, Fresh: true, Cost: 1, Audit: "directory.update", AddsJobs: true,
		Tag: Tag, Summary: "Change a directory", Description: "#updateDirectory",
	},
	Handle: updateDirectory,
}

// RotateDirectoryToken is POST /v1/sso-connections/{id}/directory/rotate-token.
var RotateDirectoryToken = edge.Write[ConnectionPath, directoryTokenOutput]{
	Op: edge.Op{
		ID: "rotateDirectoryToken", Method: http.MethodPost, Path: directoryPath + "/rotate-token", Function: function,
		Faults:     []*fault.Error{sso.ErrNotFound, directory.ErrNotFound},
		Permission: auth.SSOConnectionsWrite, Fresh: true, Cost: 1, Audit: "directory.rotate_token",
		Tag: Tag, Summary: "Rotate a directory's token", Description: "The reply has the new token, which is not shown again. The one before works no more.",
	},
	Handle: rotateDirectoryToken,
}

// DeleteDirectory is DELETE /v1/sso-connections/{id}/directory.
var DeleteDirectory = edge.Write[ConnectionPath, struct{}]{
	Op: edge.Op{
		ID: "deleteDirectory", Method: http.MethodDelete, Path: directoryPath, Function: function,
		Faults:     []*fault.Error{sso.ErrNotFound, directory.ErrNotFound},
		Permission: auth.SSOConnectionsWrite, Fresh: true, Cost: 1, Audit: "directory.delete", Status: http.StatusNoContent,
		Tag: Tag, Summary: "Delete a directory", Description: "The members stay, with the roles that they have.",
	},
	Handle: deleteDirectory,
}

// GroupRole is the role that a group of a directory gives.
type GroupRole struct {
	Group string `json:"group" minLength:"1" maxLength:"254" doc:"The group's name at the identity provider." example:"Engineering"`
	Role  string `json:"role" maxLength:"40" doc:"owner, admin, member, developer, viewer or the id of your own role." example:"developer"`
}

// DirectoryBody is a directory.
type DirectoryBody struct {
	BaseURL    *string     `json:"base_url" doc:"The address to set at the provider; null: PublicUrl is not set." example:"https://portico.example.com/scim/v2/sso_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	GroupRoles []GroupRole `json:"group_roles" nullable:"false" doc:"#Directory.group_roles"`
	CreatedAt  clock.Stamp `json:"created_at" format:"date-time" doc:"When it was made."`
	UpdatedAt  clock.Stamp `json:"updated_at" format:"date-time" doc:"When it was last changed."`
}

type directoryOutput struct{ Body DirectoryBody }

type directoryTokenOutput struct {
	Body struct {
		DirectoryBody
		Token string `json:"token" doc:"The token to set at the provider. It is not shown again." example:"pds_ZWtp…"`
	}
}

// GroupRoleRequest is the role that a group is to give.
type GroupRoleRequest GroupRole

// DirectoryRequest has what can be changed of a directory.
type DirectoryRequest struct {
	GroupRoles []GroupRoleRequest `json:"group_roles,omitempty" maxItems:"100" nullable:"false" doc:"#Directory.group_roles"`
}

type createDirectoryInput struct {
	ConnectionPath
	Body DirectoryRequest
}

type updateDirectoryInput struct {
	ConnectionPath
	Body DirectoryRequest
}

// rolesOf reads the roles of groups, all of which the caller must be able to give.
func (in DirectoryRequest) rolesOf(c *edge.Call) (list []directory.GroupRole, err error) {
	var faults []error
	for i, g := range in.GroupRoles {
		field := fmt.Sprintf("body.group_roles[%d]", i)
		ref, err := role.ParseRef(g.Role)
		if err != nil {
			err = fault.InvalidField(field+".role", err.Error())
		}
		faults = append(faults, err, edge.CheckName(field+".group", &g.Group))
		list = append(list, directory.GroupRole{Group: g.Group, Role: ref})
	}
	if err := fault.Join(faults...); err != nil {
		return nil, err
	}
	for _, g := range list {
		if err := member.CheckRole(c, c.Tx, c.Org, g.Role, mayGive(c)); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// maker is who answers for a directory: for an app or staff in a member's name, the member.
func maker(c auth.Caller) auth.Actor {
	if c.For.Type == auth.Member {
		return c.For
	}
	return c.Actor
}

func showDirectory(c *edge.Call, d directory.Directory) DirectoryBody {
	b := DirectoryBody{GroupRoles: []GroupRole{}, CreatedAt: clock.Stamp(d.CreatedAt), UpdatedAt: clock.Stamp(d.UpdatedAt)}
	if c.Apps.Resource != "" {
		b.BaseURL = text(directory.BaseURL(c.Apps.Resource, d.Connection))
	}
	for _, g := range d.GroupRoles {
		b.GroupRoles = append(b.GroupRoles, GroupRole{g.Group, g.Role.String()})
	}
	return b
}

func directoryFields(d directory.Directory) audit.Fields {
	return audit.Fields{"group_roles": d.GroupRoles}
}

func createDirectory(c *edge.Call, in *createDirectoryInput) (*directoryTokenOutput, error) {
	if _, err := sso.Lock(c, c.Tx, c.Org, in.ID); err != nil {
		return nil, err
	}
	roles, err := in.Body.rolesOf(c)
	if err != nil {
		return nil, err
	}
	now, token := c.Now(), secret.NewToken()
	d := directory.Directory{Connection: in.ID, GroupRoles: roles, Maker: maker(c.Caller), CreatedAt: now, UpdatedAt: now}
	if err := directory.Insert(c, c.Tx, c.Org, d, token); err != nil {
		return nil, err
	}
	c.Audit(nil, directoryFields(d), target(in.ID))
	out := &directoryTokenOutput{}
	out.Body.DirectoryBody, out.Body.Token = showDirectory(c, d), directory.TokenText(token)
	return out, nil
}

func getDirectory(c *edge.Call, in *ConnectionPath) (*directoryOutput, error) {
	if _, err := sso.Get(c, c.Tx, c.Org, in.ID); err != nil {
		return nil, err
	}
	d, err := directory.Get(c, c.Tx, c.Org, in.ID)
	return &directoryOutput{Body: showDirectory(c, d)}, err
}

// lockDirectory returns a directory, which stays as it is until the end.
func lockDirectory(c *edge.Call, in ConnectionPath) (directory.Directory, error) {
	if _, err := sso.Get(c, c.Tx, c.Org, in.ID); err != nil {
		return directory.Directory{}, err
	}
	return directory.Lock(c, c.Tx, c.Org, in.ID)
}

// updateDirectory makes whoever changes it the one who answers for it: the one before may
// have left.
func updateDirectory(c *edge.Call, in *updateDirectoryInput) (*directoryOutput, error) {
	before, err := lockDirectory(c, in.ConnectionPath)
	if err != nil {
		return nil, err
	}
	after := before
	if in.Body.GroupRoles == nil { // the roles that there are must be the caller's to give, too
		for _, g := range showDirectory(c, before).GroupRoles {
			in.Body.GroupRoles = append(in.Body.GroupRoles, GroupRoleRequest(g))
		}
	}
	if after.GroupRoles, err = in.Body.rolesOf(c); err != nil {
		return nil, err
	}
	after.Maker, after.UpdatedAt = maker(c.Caller), c.Now()
	if err := directory.Save(c, c.Tx, c.Org, after, after.UpdatedAt); err != nil {
		return nil, err
	}
	if err := after.Follow(c, c.Tx, c.Org, before); err != nil {
		return nil, err
	}
	c.Audit(directoryFields(before), directoryFields(after), target(in.ID))
	return &directoryOutput{Body: showDirectory(c, after)}, nil
}

func rotateDirectoryToken(c *edge.Call, in *ConnectionPath) (*directoryTokenOutput, error) {
	d, err := lockDirectory(c, *in)
	if err != nil {
		return nil, err
	}
	token := secret.NewToken()
	d.UpdatedAt = c.Now()
	if err := directory.Rotate(c, c.Tx, c.Org, in.ID, token, d.UpdatedAt); err != nil {
		return nil, err
	}
	after := directoryFields(d)
	after["token"] = audit.Changed
	c.Audit(directoryFields(d), after, target(in.ID))
	out := &directoryTokenOutput{}
	out.Body.DirectoryBody, out.Body.Token = showDirectory(c, d), directory.TokenText(token)
	return out, nil
}

func deleteDirectory(c *edge.Call, in *ConnectionPath) (*struct{}, error) {
	d, err := lockDirectory(c, *in)
	if err != nil {
		return nil, err
	}
	c.Audit(directoryFields(d), nil, target(in.ID))
	return nil, directory.Delete(c, c.Tx, c.Org, in.ID)
}
