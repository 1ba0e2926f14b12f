// Command identity serves /v1/me and what an organization does with the sessions and second
// factors of its members; see shared/api/account and shared/api/people/members_sessions.go.
package main

import (
	"portico/shared/api/account"
	"portico/shared/api/people"
	"portico/shared/lambdahost"
)

func main() {
	lambdahost.IdentityAPI(
		account.GetMe, account.UpdateMe, account.ListMyEvents, account.ListMyOrganizations,
		account.ListMySessions, account.RevokeMySession, account.RevokeMySessions,
		account.ListMyApps, account.RevokeMyApp,
		people.ListMemberSessions, people.RevokeMemberSessions, people.ResetMemberFactors,
	)
}
