// Command migrate applies infra/migrations at deployment; see shared/jobs/migrate.go.
package main

import "portico/shared/lambdahost/work"

func main() { work.Migrate() }
