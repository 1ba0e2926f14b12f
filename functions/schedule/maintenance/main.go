// Command maintenance does the daily upkeep of the database; see shared/jobs/maintain.go.
package main

import "portico/shared/lambdahost/work"

func main() { work.Maintenance() }
