// Command jobs-high is the function jobs-high with the kinds of bench.
package main

import (
	"portico/infra/bench/kinds"
	"portico/shared/job"
	"portico/shared/lambdahost/work"
)

func main() { work.Jobs(job.High, kinds.All()...) }
