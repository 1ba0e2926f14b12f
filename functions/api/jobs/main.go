// Command jobs serves /v1/jobs; see shared/api/jobs.
package main

import (
	"portico/shared/api/jobs"
	"portico/shared/lambdahost"
)

func main() { lambdahost.JobsAPI(jobs.List, jobs.Get, jobs.Cancel) }
