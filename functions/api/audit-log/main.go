// Command audit-log serves /v1/audit-log; see shared/api/audit_log.go.
package main

import (
	"portico/shared/api"
	"portico/shared/lambdahost"
)

func main() { lambdahost.API(api.ListAuditLog) }
