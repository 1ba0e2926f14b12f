// Command maintenance keeps the database in shape once a day; see shared/jobs/maintain.go.
package main

import "portico/shared/lambdahost"

func main() { lambdahost.Maintenance() }
