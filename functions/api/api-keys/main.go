// Command api-keys serves /v1/api-keys, the limits of keys and organizations, and the apps
// that call with access tokens; see shared/api/keys, shared/api/limits and
// shared/api/oauth.
package main

import (
	"portico/shared/api/keys"
	"portico/shared/api/limits"
	"portico/shared/api/oauth"
	"portico/shared/lambdahost/serve"
)

func main() {
	serve.API(
		keys.Create, keys.List, keys.Get, keys.Update, keys.Rotate, keys.Revoke,
		limits.List, limits.ListOfKey, limits.SetOfKey, limits.ResetOfKey, limits.SetOfOrganization, limits.ResetOfOrganization,
		oauth.Create, oauth.List, oauth.Get, oauth.Update, oauth.Delete, oauth.RotateSecret, oauth.ListGrants, oauth.DeleteGrant,
	)
}
