package audit_test

import (
	"testing"

	"portico/shared/api/apitest"
	"portico/shared/auth"
)

// The list of actions describes each with its category, targets and fields; only callers
// who may read the audit log see it.
func TestAuditActions(t *testing.T) {
	t.Parallel()
	acme := apitest.New(t).Organization("Acme")
	apitest.Want(t, acme.Do("GET", "/v1/audit-actions", ""),
		`200 "action":"api_key.create","category":"security","description":"An API key was created.","targets":["api_key"],"fields":["name","permissions"`)
	apitest.Want(t, acme.With(auth.EventsRead).Do("GET", "/v1/audit-actions", ""), "403 audit_log:read")
}
