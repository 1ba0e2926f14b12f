// Command sweeper looks every minute for deliveries nobody was nudged for; see shared/webhook/sweep.go.
package main

import "portico/shared/lambdahost"

func main() { lambdahost.Sweeper() }
