package api

// All returns every operation. Functions name the ones they serve, so that the
// linker drops the rest; this list is for the documentation, the template's
// routes and the tests.
func All() []Operation {
	return append([]Operation{
		CreateWebhookEndpoint, ListWebhookEndpoints, GetWebhookEndpoint, UpdateWebhookEndpoint, DeleteWebhookEndpoint,
		RotateWebhookEndpointSecret, GetWebhookEndpointKeys, ListWebhookSourceIPs,
		ListOrderingKeys, ResumeOrderingKey,
		PublishEvent, PublishEventBatch, ListEvents, GetEvent,
		ListDeliveries, GetDelivery,
		GetOrganization, UpdateOrganization,
		CreateOrganization, ListOrganizations, GetNamedOrganization, UpdateNamedOrganization, DeleteOrganization,
		CreateMember, ListMembers, GetMember, UpdateMember, DeleteMember, GetMemberPermissions,
		ListPermissions, CreateRole, ListRoles, GetRole, UpdateRole, DeleteRole,
		CreateResourceGrant, ListResourceGrants, DeleteResourceGrant,
		CreateAPIKey, ListAPIKeys, GetAPIKey, UpdateAPIKey, RotateAPIKey, RevokeAPIKey,
		ListAuditLog,
		CreateDomain, ListDomains, GetDomain, VerifyDomain, DeleteDomain,
	}, System(nil)...)
}
