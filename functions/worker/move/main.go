// Command move moves an organization to another database; see shared/jobs/move.go.
package main

import "portico/shared/lambdahost/work"

func main() { work.Move() }
