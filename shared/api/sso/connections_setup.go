package sso

import (
	"net/http"
	"net/url"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/sso"
)

const setupPath = "/v1/sso-connections/{id}/setup-link"

// CreateSetupLink is POST /v1/sso-connections/{id}/setup-link.
var CreateSetupLink = edge.Write[ConnectionPath, setupOutput]{
	Op: edge.Op{
		ID: "createSSOSetupLink", Method: http.MethodPost, Path: setupPath, Function: function,
		Faults:     []*fault.Error{sso.ErrNotFound, sso.ErrActive},
		Permission: auth.SSOConnectionsWrite, Fresh: true, Cost: 1, Audit: "sso_connection.create_setup_link", Status: http.StatusCreated,
		Tag: Tag, Summary: "Create a set-up link", Description: "#createSSOSetupLink",
	},
	Handle: createSetupLink,
}

// DeleteSetupLink is DELETE /v1/sso-connections/{id}/setup-link.
var DeleteSetupLink = edge.Write[ConnectionPath, struct{}]{
	Op: edge.Op{
		ID: "deleteSSOSetupLink", Method: http.MethodDelete, Path: setupPath, Function: function,
		Faults:     []*fault.Error{sso.ErrNotFound},
		Permission: auth.SSOConnectionsWrite, Fresh: true, Cost: 1, Audit: "sso_connection.delete_setup_link", Status: http.StatusNoContent,
		Tag: Tag, Summary: "Delete the set-up link", Description: "The link, and the page that it has opened, work no more.",
	},
	Handle: deleteSetupLink,
}

type setupOutput struct {
	Body struct {
		URL    string      `json:"url" doc:"The link. It is not shown again." example:"https://portico.example.com/sso-setup?token=…"`
		EndsAt clock.Stamp `json:"ends_at" format:"date-time" doc:"When it stops working."`
	}
}

func createSetupLink(c *edge.Call, in *ConnectionPath) (*setupOutput, error) {
	one, err := sso.Lock(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	token, ends, err := sso.NewSetup(c, c.Tx, c.Org, one, c.Now())
	if err != nil {
		return nil, err
	}
	c.Audit(nil, audit.Fields{"setup_link_ends_at": clock.Stamp(ends)}, target(one.ID))
	out := &setupOutput{}
	out.Body.URL, out.Body.EndsAt = c.Apps.Resource+sso.SetupPath+"?"+url.Values{"token": {token}}.Encode(), clock.Stamp(ends)
	return out, nil
}

func deleteSetupLink(c *edge.Call, in *ConnectionPath) (*struct{}, error) {
	one, err := sso.Lock(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	c.Audit(nil, nil, target(one.ID))
	return nil, sso.EndSetup(c, c.Tx, c.Org, one.ID)
}
