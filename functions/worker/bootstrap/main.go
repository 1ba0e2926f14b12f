// Command bootstrap does what has no route in the API: it creates the first organization and staff keys, and erases organizations; see shared/jobs/bootstrap.go.
package main

import "portico/shared/lambdahost/work"

func main() { work.Bootstrap() }
