// Command jobs-bulk is the function jobs-bulk with the kinds of bench.
package main

import (
	"portico/infra/bench/kinds"
	"portico/shared/job"
	"portico/shared/lambdahost/work"
)

func main() { work.Jobs(job.Bulk, kinds.All()...) }
