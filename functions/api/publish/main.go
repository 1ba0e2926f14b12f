// Command publish serves POST /v1/events and POST /v1/events/batch, the hot
// path; see shared/api/events.go.
package main

import (
	"portico/shared/api"
	"portico/shared/lambdahost"
)

func main() { lambdahost.API(api.PublishEvent, api.PublishEventBatch) }
