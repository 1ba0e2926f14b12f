package audit

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/fault"
)

// ListPlatform is GET /v1/staff/audit-log.
var ListPlatform = edge.Read[listAuditLogInput, listAuditLogOutput]{
	Op: edge.Op{
		ID: "listPlatformAuditLog", Method: http.MethodGet, Path: "/v1/staff/audit-log", Function: "audit-log", Acts: edge.OnPlatform,
		Permission: auth.AuditLogRead, Cost: 1, Access: "audit_log.read", Tag: Tag, Summary: "List what staff changed of the platform",
		Description: "#listPlatformAuditLog",
	},
	Handle: list,
}

// GetPlatform is GET /v1/staff/audit-log/{id}.
var GetPlatform = edge.Read[auditEntryPath, auditEntryOutput]{
	Op: edge.Op{
		ID: "getPlatformAuditLogEntry", Method: http.MethodGet, Path: "/v1/staff/audit-log/{id}", Function: "audit-log", Acts: edge.OnPlatform,
		Faults:     []*fault.Error{audit.ErrNotFound},
		Permission: auth.AuditLogRead, Cost: 1, Access: "audit_log.read", Tag: Tag, Summary: "Get an entry of the platform's audit log with its place in the chain",
	},
	Handle: get,
}

// VerifyPlatform is GET /v1/staff/audit-log/verify.
var VerifyPlatform = edge.Read[verifyAuditLogInput, verifyAuditLogOutput]{
	Op: edge.Op{
		ID: "verifyPlatformAuditLog", Method: http.MethodGet, Path: "/v1/staff/audit-log/verify", Function: "audit-log", Acts: edge.OnPlatform,
		Permission: auth.AuditLogRead, Cost: 20, Access: edge.NoRecords, Tag: Tag, Summary: "Verify that the platform's audit log was not forged",
		Description: "#verifyPlatformAuditLog",
	},
	Handle: verify,
}
