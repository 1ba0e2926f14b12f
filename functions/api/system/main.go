// Command system serves GET /healthz, /openapi.json and /docs, and answers every
// route that does not exist: 405 where another method does, 404 elsewhere. See
// shared/api/system.go.
package main

import (
	"portico/shared/api"
	"portico/shared/api/reference"
	"portico/shared/lambdahost"
)

func main() { lambdahost.Default(api.All(), api.System(reference.New)...) }
