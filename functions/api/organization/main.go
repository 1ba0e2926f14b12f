// Command organization serves /v1/organization, domains, members, invitations, roles,
// permissions, single sign-on and the directories of identity providers (SCIM); see shared/api/organizations, shared/api/people,
// shared/api/invitations, shared/api/sso and shared/pages/scim.
package main

import (
	"portico/shared/api/invitations"
	"portico/shared/api/organizations"
	"portico/shared/api/people"
	"portico/shared/api/sso"
	"portico/shared/api/staff"
	"portico/shared/lambdahost/serve"
)

func main() {
	serve.Organization(
		organizations.GetOwn, organizations.UpdateOwn,
		organizations.Create, organizations.List, organizations.Get, organizations.Update, organizations.Delete,
		people.CreateMember, people.ListMembers, people.GetMember, people.UpdateMember, people.DeleteMember, people.GetMemberPermissions,
		invitations.Create, invitations.List, invitations.Resend, invitations.Delete,
		people.ListPermissions, people.CreateRole, people.ListRoles, people.GetRole, people.UpdateRole, people.DeleteRole,
		people.CreateResourceGrant, people.ListResourceGrants, people.DeleteResourceGrant,
		organizations.CreateDomain, organizations.ListDomains, organizations.GetDomain, organizations.VerifyDomain, organizations.DeleteDomain,
		staff.OpenAccess, staff.ListAccess, staff.EndAccess, staff.List, staff.Set, staff.Disable,
		sso.CreateDirectory, sso.GetDirectory, sso.UpdateDirectory, sso.RotateDirectoryToken, sso.DeleteDirectory,
		sso.Create, sso.List, sso.Get, sso.Update, sso.Delete, sso.Activate, sso.Disable, sso.ListTraces, sso.CreateSetupLink, sso.DeleteSetupLink,
	)
}
