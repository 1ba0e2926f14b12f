// Command bootstrap creates organizations and staff keys, which nobody may through the API yet; see shared/jobs/bootstrap.go.
package main

import "portico/shared/lambdahost"

func main() { lambdahost.Bootstrap() }
