// Command jobs serves /v1/jobs, /v1/job-redrives and /v1/staff; see shared/api/jobs.
package main

import (
	"portico/shared/api/jobs"
	"portico/shared/lambdahost/serve"
)

func main() {
	serve.JobsAPI(
		jobs.List, jobs.Get, jobs.Cancel,
		jobs.CreateRedrive, jobs.ListRedrives, jobs.GetRedrive, jobs.CancelRedrive,
		jobs.ListAll, jobs.GetAny, jobs.ListDead, jobs.Redrive, jobs.Drop, jobs.CancelAny,
		jobs.CreateRedriveOfAll, jobs.ListRedrivesOfAll, jobs.GetRedriveOfAll, jobs.CancelRedriveOfAll,
		jobs.ListSchedules, jobs.GetSchedule, jobs.UpdateSchedule, jobs.RunSchedule, jobs.ResetSchedule,
		jobs.ListKinds, jobs.GetKind, jobs.PauseKind, jobs.ResumeKind, jobs.UpdateKind,
	)
}
