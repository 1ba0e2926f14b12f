// Command sweeper is the function sweeper with the kinds of bench.
package main

import (
	"portico/infra/bench/kinds"
	"portico/shared/lambdahost/work"
)

func main() { work.Sweeper(kinds.All()...) }
