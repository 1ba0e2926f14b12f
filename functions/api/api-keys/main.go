// Command api-keys serves /v1/api-keys and the limits of keys and organizations; see
// shared/api/keys and shared/api/limits.
package main

import (
	"portico/shared/api/keys"
	"portico/shared/api/limits"
	"portico/shared/lambdahost"
)

func main() {
	lambdahost.API(
		keys.Create, keys.List, keys.Get, keys.Update, keys.Rotate, keys.Revoke,
		limits.List, limits.ListOfKey, limits.SetOfKey, limits.ResetOfKey, limits.SetOfOrganization, limits.ResetOfOrganization,
	)
}
