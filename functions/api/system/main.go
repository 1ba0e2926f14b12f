// Command system serves GET /healthz, /openapi.json and /docs, and answers every
// request without a route: 405 if the path has another method, 404 otherwise. See
// shared/api/system.
package main

import (
	"portico/shared/api/reference"
	"portico/shared/api/system"
	"portico/shared/lambdahost/serve"
)

func main() { serve.Default(system.Elsewhere, system.Operations(reference.New)...) }
