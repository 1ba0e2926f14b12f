package sso

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/org"
	"portico/shared/role"
	"portico/shared/sso"
)

// Create is POST /v1/sso-connections.
var Create = edge.Write[createConnectionInput, createdOutput]{
	Op: edge.Op{
		ID: "createSSOConnection", Method: http.MethodPost, Path: "/v1/sso-connections", Function: function,
		Faults:     []*fault.Error{sso.ErrTooMany, role.ErrNotFound, role.ErrNotInModel, role.ErrGrantExceeded},
		Example:    `{"type":"oidc","name":"Okta","domains":["example.com"],"default_role":"viewer","issuer":"https://example.okta.com","client_id":"0oa1","client_secret":"s3cret"}`,
		Permission: auth.SSOConnectionsWrite, Fresh: true, Cost: 1, Audit: "sso_connection.create", Status: http.StatusCreated,
		Tag: Tag, Summary: "Create a connection", Description: "#createSSOConnection",
	},
	Handle: create,
}

// List is GET /v1/sso-connections.
var List = edge.Read[edge.Page, listOutput]{
	Op: edge.Op{
		ID: "listSSOConnections", Method: http.MethodGet, Path: "/v1/sso-connections", Function: function,
		Permission: auth.SSOConnectionsRead, Cost: 1, Access: "sso_connection.read", Tag: Tag, Summary: "List connections",
	},
	Handle: list,
}

// Get is GET /v1/sso-connections/{id}.
var Get = edge.Read[ConnectionPath, connectionOutput]{
	Op: edge.Op{
		ID: "getSSOConnection", Method: http.MethodGet, Path: "/v1/sso-connections/{id}", Function: function,
		Faults:     []*fault.Error{sso.ErrNotFound},
		Permission: auth.SSOConnectionsRead, Cost: 1, Access: "sso_connection.read", Tag: Tag, Summary: "Get a connection",
	},
	Handle: get,
}

// Update is PATCH /v1/sso-connections/{id}.
var Update = edge.Write[updateConnectionInput, connectionOutput]{
	Op: edge.Op{
		ID: "updateSSOConnection", Method: http.MethodPatch, Path: "/v1/sso-connections/{id}", Function: function,
		Faults:     append([]*fault.Error{sso.ErrNotFound, role.ErrNotFound, role.ErrNotInModel, role.ErrGrantExceeded}, unfit...),
		Example:    `{"name":"Okta","domains":["example.com"]}`,
		Permission: auth.SSOConnectionsWrite, Fresh: true, Cost: 1, Audit: "sso_connection.update",
		Tag: Tag, Summary: "Change a connection", Description: "#updateSSOConnection",
	},
	Handle: update,
}

// Delete is DELETE /v1/sso-connections/{id}.
var Delete = edge.Write[ConnectionPath, struct{}]{
	Op: edge.Op{
		ID: "deleteSSOConnection", Method: http.MethodDelete, Path: "/v1/sso-connections/{id}", Function: function,
		Faults:     []*fault.Error{sso.ErrNotFound},
		Permission: auth.SSOConnectionsWrite, Fresh: true, Cost: 1, Audit: "sso_connection.delete", Status: http.StatusNoContent,
		Tag: Tag, Summary: "Delete a connection", Description: "#deleteSSOConnection",
	},
	Handle: remove,
}

// Activate is POST /v1/sso-connections/{id}/activate.
var Activate = edge.Write[ConnectionPath, connectionOutput]{
	Op: edge.Op{
		ID: "activateSSOConnection", Method: http.MethodPost, Path: "/v1/sso-connections/{id}/activate", Function: function,
		Faults:     append([]*fault.Error{sso.ErrNotFound}, unfit...),
		Permission: auth.SSOConnectionsWrite, Fresh: true, Cost: 1, Audit: "sso_connection.activate",
		Tag: Tag, Summary: "Activate a connection", Description: "#activateSSOConnection",
	},
	Handle: activate,
}

// Disable is POST /v1/sso-connections/{id}/disable.
var Disable = edge.Write[ConnectionPath, connectionOutput]{
	Op: edge.Op{
		ID: "disableSSOConnection", Method: http.MethodPost, Path: "/v1/sso-connections/{id}/disable", Function: function,
		Faults:     []*fault.Error{sso.ErrNotFound},
		Permission: auth.SSOConnectionsWrite, Fresh: true, Cost: 1, Audit: "sso_connection.disable",
		Tag: Tag, Summary: "Disable a connection", Description: "#disableSSOConnection",
	},
	Handle: disable,
}

// unfit are the reasons why a connection may not be active.
var unfit = []*fault.Error{sso.ErrIncomplete, sso.ErrDomain, sso.ErrDomainInUse, sso.ErrBreakGlass}

func target(connection id.SSOConnection) audit.Target { return audit.Of("sso_connection", connection) }

// mayGive refuses a default role that the caller could not give.
func mayGive(c *edge.Call) func(role.Role) error {
	return func(r role.Role) error {
		caller, err := c.CallerNow()
		if err != nil {
			return err
		}
		return role.MayGrant(r.Permissions, caller.Rights.Gives())
	}
}

func create(c *edge.Call, in *createConnectionInput) (*createdOutput, error) {
	b, now := in.Body, c.Now()
	made := sso.Connection{ID: id.New[id.SSOConnection](now), Type: b.Type, Status: sso.Draft, Version: 1, CreatedAt: now, UpdatedAt: now, DefaultRole: role.Ref{Predefined: role.Viewer}}
	model, err := org.HoldRoleModel(c, c.Tx, c.Org)
	if err != nil {
		return nil, err
	}
	if everybodys, found := model.Fallback(); found && b.DefaultRole == nil {
		text := everybodys.String()
		in.Body.DefaultRole = &text
	}
	if err := in.apply(c, &made); err != nil {
		return nil, err
	}
	shown, err := show(c, made)
	if err != nil {
		return nil, err
	}
	c.Audit(nil, made.Fields(made.SealedClientSecret != nil), target(made.ID))
	if err := sso.Insert(c, c.Tx, c.Org, made); err != nil {
		return nil, err
	}
	return &createdOutput{Location: "/v1/sso-connections/" + made.ID.String(), Body: shown}, in.Body.read(c, made.ID)
}

func list(c *edge.Call, in *edge.Page) (*listOutput, error) {
	var after id.SSOConnection
	if err := c.Position("sso_connections", in.After, (*[16]byte)(&after.UUID)); err != nil {
		return nil, err
	}
	connections, err := sso.List(c, c.Tx, c.Org, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	shown := make(map[id.SSOConnection]SSOConnectionBody, len(connections))
	for _, one := range connections {
		if shown[one.ID], err = show(c, one); err != nil {
			return nil, err
		}
	}
	return &listOutput{Body: edge.ListOf(connections, in.Limit, func(one sso.Connection) SSOConnectionBody { return shown[one.ID] }, func(last sso.Connection) *string {
		return c.Cursor("sso_connections", last.ID.UUID)
	})}, nil
}

func get(c *edge.Call, in *ConnectionPath) (*connectionOutput, error) {
	found, err := sso.Get(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	shown, err := show(c, found)
	return &connectionOutput{Body: shown}, err
}

func update(c *edge.Call, in *updateConnectionInput) (*connectionOutput, error) {
	out, err := change(c, in.ID, func(one *sso.Connection) error { return in.apply(c, one) }, in.Body.ClientSecret != nil)
	if err != nil {
		return nil, err
	}
	return out, in.Body.read(c, in.ID)
}

func activate(c *edge.Call, in *ConnectionPath) (*connectionOutput, error) {
	return change(c, in.ID, func(one *sso.Connection) error {
		one.Status = sso.Active
		return nil
	}, false)
}

func disable(c *edge.Call, in *ConnectionPath) (*connectionOutput, error) {
	return change(c, in.ID, func(one *sso.Connection) error {
		one.Status = sso.Disabled
		return nil
	}, false)
}

// change changes a connection. secret says that its client secret changes.
func change(c *edge.Call, connection id.SSOConnection, apply func(*sso.Connection) error, secret bool) (*connectionOutput, error) {
	before, err := sso.Lock(c, c.Tx, c.Org, connection)
	if err != nil {
		return nil, err
	}
	after := before
	if err := apply(&after); err != nil {
		return nil, err
	}
	c.Audit(before.Fields(false), after.Fields(secret), target(connection))
	if err := sso.Save(c, c.Tx, c.Org, &after, c.Now()); err != nil {
		return nil, err
	}
	shown, err := show(c, after)
	return &connectionOutput{Body: shown}, err
}

func remove(c *edge.Call, in *ConnectionPath) (*struct{}, error) {
	gone, err := sso.Lock(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	c.Audit(gone.Fields(false), nil, target(gone.ID))
	return nil, sso.Delete(c, c.Tx, c.DB, c.Org, gone.ID)
}
