// Command organization serves /v1/organization, members, roles and permissions; see shared/api/organization.go.
package main

import (
	"portico/shared/api"
	"portico/shared/lambdahost"
)

func main() {
	lambdahost.API(
		api.GetOrganization, api.UpdateOrganization,
		api.CreateOrganization, api.ListOrganizations, api.GetNamedOrganization, api.UpdateNamedOrganization, api.DeleteOrganization,
		api.CreateMember, api.ListMembers, api.GetMember, api.UpdateMember, api.DeleteMember, api.GetMemberPermissions,
		api.ListPermissions, api.CreateRole, api.ListRoles, api.GetRole, api.UpdateRole, api.DeleteRole,
		api.CreateResourceGrant, api.ListResourceGrants, api.DeleteResourceGrant,
		api.CreateDomain, api.ListDomains, api.GetDomain, api.VerifyDomain, api.DeleteDomain,
	)
}
