// Command jobs-bulk does background jobs that are many and nobody waits for, when SQS nudges it; see shared/jobs/run_jobs.go.
package main

import (
	"portico/shared/job"
	"portico/shared/lambdahost/work"
)

func main() { work.Jobs(job.Bulk) }
