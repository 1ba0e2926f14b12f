// Command bootstrap creates an organization and its first API key; see shared/jobs/bootstrap.go.
package main

import "portico/shared/lambdahost"

func main() { lambdahost.Bootstrap() }
