// Command audit-log serves /v1/audit-log, /v1/audit-actions, /v1/audit-streams, /v1/audit-exports, /v1/audit-export-schedules and /v1/staff/audit-log; see shared/api/audit and shared/api/schedules.
package main

import (
	"portico/shared/api/audit"
	"portico/shared/api/schedules"
	"portico/shared/lambdahost/serve"
)

func main() {
	serve.AuditAPI(
		audit.List, audit.Get, audit.ListActions, audit.ListPlatform, audit.GetPlatform, audit.Verify, audit.VerifyPlatform, audit.Forget,
		audit.CreateStream, audit.ListStreams, audit.GetStream, audit.UpdateStream, audit.DeleteStream,
		audit.RotateStreamSecret, audit.TestStream, audit.ReplayStream,
		audit.CreateExport, audit.ListExports, audit.GetExport, audit.CancelExport,
		schedules.Create, schedules.List, schedules.Get, schedules.Update, schedules.Delete)
}
