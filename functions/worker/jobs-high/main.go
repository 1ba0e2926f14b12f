// Command jobs-high does background jobs that somebody waits for, when SQS nudges it; see shared/jobs/run_jobs.go.
package main

import (
	"portico/shared/job"
	"portico/shared/lambdahost/work"
)

func main() { work.Jobs(job.High) }
