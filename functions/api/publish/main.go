// Command publish serves POST /v1/events and POST /v1/events/batch, the hot
// path; see shared/api/events.
package main

import (
	"portico/shared/api/events"
	"portico/shared/lambdahost/serve"
)

func main() { serve.API(events.Publish, events.PublishBatch) }
