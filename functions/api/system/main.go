// Command system serves GET /healthz, /openapi.json and /docs, and answers every
// route that does not exist; see shared/api/system.go.
package main

import (
	"portico/shared/api"
	"portico/shared/api/reference"
	"portico/shared/lambdahost"
)

func main() { lambdahost.API(api.System(reference.New)...) }
