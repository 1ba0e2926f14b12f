package api

import (
	"net/http"

	"portico/shared/auth"
)

// ListPermissions is GET /v1/permissions.
var ListPermissions = Read[struct{}, listPermissionsOutput]{
	Op: Op{
		ID: "listPermissions", Method: http.MethodGet, Path: "/v1/permissions", Function: organizationFunction,
		Permission: auth.RolesRead, Cost: 1, Tag: peopleTag, Summary: "List all permissions and what they allow",
	},
	Handle: listPermissions,
}

type permissionBody struct {
	ID          auth.Permission `json:"id" doc:"The permission." example:"events:read"`
	Description string          `json:"description" doc:"What it allows to do." example:"Read events and their payloads."`
}

type listPermissionsOutput struct {
	Body struct {
		Data []permissionBody `json:"data" nullable:"false" doc:"Every permission."`
	}
}

func listPermissions(*Call, *struct{}) (*listPermissionsOutput, error) {
	out := &listPermissionsOutput{}
	for _, p := range auth.All() {
		out.Body.Data = append(out.Body.Data, permissionBody{ID: p, Description: auth.Description[p]})
	}
	return out, nil
}
