// Command events serves GET /v1/events and GET /v1/events/{id}; see shared/api/events.
package main

import (
	"portico/shared/api/events"
	"portico/shared/lambdahost"
)

func main() { lambdahost.API(events.List, events.Get) }
