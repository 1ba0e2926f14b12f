// Command sweeper looks every minute for due deliveries for which no dispatcher was woken; see shared/claim/sweep.go.
package main

import "portico/shared/lambdahost/work"

func main() { work.Sweeper() }
