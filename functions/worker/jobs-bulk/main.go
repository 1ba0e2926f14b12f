// Command jobs-bulk does background jobs that are many and nobody waits for, when SQS nudges it; see shared/jobs/run_jobs.go.
package main

import (
	"portico/shared/job"
	"portico/shared/lambdahost"
)

func main() { lambdahost.Jobs(job.Bulk) }
