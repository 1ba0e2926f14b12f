package people

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/auth"
)

// ListPermissions is GET /v1/permissions.
var ListPermissions = edge.Read[struct{}, listPermissionsOutput]{
	Op: edge.Op{
		ID: "listPermissions", Method: http.MethodGet, Path: "/v1/permissions", Function: function,
		Permission: auth.RolesRead, Cost: 1, Access: edge.NoRecords, Tag: Tag, Summary: "List all permissions and what they allow",
	},
	Handle: listPermissions,
}

type permissionBody struct {
	ID          auth.Permission `json:"id" doc:"The permission." example:"events:read"`
	Description string          `json:"description" doc:"What the permission allows." example:"Read events and their payloads."`
}

type listPermissionsOutput struct {
	Body struct {
		Data []permissionBody `json:"data" nullable:"false" doc:"All permissions."`
	}
}

func listPermissions(*edge.Call, *struct{}) (*listPermissionsOutput, error) {
	out := &listPermissionsOutput{}
	for _, p := range auth.All() {
		out.Body.Data = append(out.Body.Data, permissionBody{ID: p, Description: auth.Description[p]})
	}
	return out, nil
}
