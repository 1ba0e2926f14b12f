// Command api-keys serves /v1/api-keys; see shared/api/api_keys.go.
package main

import (
	"portico/shared/api"
	"portico/shared/lambdahost"
)

func main() {
	lambdahost.API(api.CreateAPIKey, api.ListAPIKeys, api.GetAPIKey, api.UpdateAPIKey, api.RotateAPIKey, api.RevokeAPIKey)
}
