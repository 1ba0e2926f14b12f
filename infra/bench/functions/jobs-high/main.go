// Command jobs-high is the function jobs-high with the kinds of bench.
package main

import (
	"portico/infra/bench/kinds"
	"portico/shared/job"
	"portico/shared/lambdahost"
)

func main() { lambdahost.Jobs(job.High, kinds.All()...) }
