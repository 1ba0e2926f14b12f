package audit

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
)

// ListActions is GET /v1/audit-actions.
var ListActions = edge.Read[struct{}, listAuditActionsOutput]{
	Op: edge.Op{
		ID: "listAuditActions", Method: http.MethodGet, Path: "/v1/audit-actions", Function: "audit-log",
		Permission: auth.AuditLogRead, Cost: 1, Access: edge.NoRecords, Tag: Tag, Summary: "List what the audit log records",
		Description: "#listAuditActions",
	},
	Handle: func(*edge.Call, *struct{}) (*listAuditActionsOutput, error) {
		out := &listAuditActionsOutput{}
		for _, a := range audit.Actions() {
			out.Body.Data = append(out.Body.Data, auditActionBody{
				Action: a.Name, Category: a.Category, Description: a.Description,
				Targets: append([]string{}, a.Targets...), Fields: append([]string{}, a.Fields...),
			})
		}
		return out, nil
	},
}

type auditActionBody struct {
	Action      string         `json:"action" example:"webhook_endpoint.update" doc:"The kind of object and what is done to it."`
	Category    audit.Category `json:"category" enum:"security,configuration,access,data" doc:"#AuditAction.category" example:"configuration"`
	Description string         `json:"description" example:"A webhook endpoint was changed." doc:"What an entry with this action says."`
	Targets     []string       `json:"targets" nullable:"false" example:"[\"webhook_endpoint\"]" doc:"The kinds of objects that an entry names."`
	Fields      []string       `json:"fields" nullable:"false" example:"[\"url\",\"status\"]" doc:"The members that before and after may have."`
}

type listAuditActionsOutput struct {
	Body struct {
		Data []auditActionBody `json:"data" nullable:"false" doc:"All actions, by name."`
	}
}
