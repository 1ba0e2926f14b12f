// Command identity serves /v1/me, what an organization does with the sessions and second
// factors of its members, and staff with people; see shared/api/account,
// shared/api/people/members_sessions.go and shared/api/users.
package main

import (
	"portico/shared/api/account"
	"portico/shared/api/people"
	"portico/shared/api/users"
	"portico/shared/lambdahost/serve"
)

func main() {
	serve.IdentityAPI(
		account.GetMe, account.UpdateMe, account.ListMyEvents, account.ListMyOrganizations, account.LeaveMyOrganization,
		account.ListMySessions, account.RevokeMySession, account.RevokeMySessions,
		account.ListMyApps, account.RevokeMyApp,
		people.ListMemberSessions, people.RevokeMemberSessions, people.ResetMemberFactors,
		users.List, users.Suspend, users.Unsuspend,
	)
}
