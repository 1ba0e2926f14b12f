// Command api-keys serves /v1/api-keys; see shared/api/keys.
package main

import (
	"portico/shared/api/keys"
	"portico/shared/lambdahost"
)

func main() {
	lambdahost.API(keys.Create, keys.List, keys.Get, keys.Update, keys.Rotate, keys.Revoke)
}
