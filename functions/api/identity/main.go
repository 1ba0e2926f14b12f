// Command identity serves /v1/me; see shared/api/account.
package main

import (
	"portico/shared/api/account"
	"portico/shared/lambdahost"
)

func main() {
	lambdahost.IdentityAPI(
		account.GetMe, account.UpdateMe, account.ListMyEvents, account.ListMyOrganizations,
		account.ListMySessions, account.RevokeMySession, account.RevokeMySessions,
		account.ListMyApps, account.RevokeMyApp,
	)
}
