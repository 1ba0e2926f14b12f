// Command jobs-billing does background jobs that read the secrets of payment processors, when SQS nudges it; see shared/jobs/run_jobs.go.
package main

import (
	"portico/shared/job"
	"portico/shared/lambdahost/work"
)

func main() { work.Jobs(job.Billing) }
