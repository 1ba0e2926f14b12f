// Command events serves GET /v1/events and GET /v1/events/{id}; see shared/api/events.go.
package main

import (
	"portico/shared/api"
	"portico/shared/lambdahost"
)

func main() { lambdahost.API(api.ListEvents, api.GetEvent) }
