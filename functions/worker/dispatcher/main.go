// Command dispatcher delivers webhooks when SQS nudges it; see shared/jobs/dispatch.go.
package main

import "portico/shared/lambdahost/work"

func main() { work.Dispatcher() }
