// Package auth says who calls and what they may do.
package auth

import (
	"maps"
	"slices"
)

// Permission allows a group of operations: `<resource>:<read|write|delete|create>`.
type Permission string

// The permissions. An operation names one of them or Public.
const (
	EventsRead            Permission = "events:read"
	EventsWrite           Permission = "events:write"
	EventsDelete          Permission = "events:delete"
	EventTypesRead        Permission = "event_types:read"
	EventTypesWrite       Permission = "event_types:write"
	EventConsumersRead    Permission = "event_consumers:read"
	EventConsumersWrite   Permission = "event_consumers:write"
	EventStreamWrite      Permission = "event_stream:write"
	WebhookEndpointsRead  Permission = "webhook_endpoints:read"
	WebhookEndpointsWrite Permission = "webhook_endpoints:write"
	DeliveriesRead        Permission = "deliveries:read"
	DeliveriesWrite       Permission = "deliveries:write"
	AuditLogRead          Permission = "audit_log:read"
	AuditLogDelete        Permission = "audit_log:delete"
	AuditStreamsRead      Permission = "audit_streams:read"
	AuditStreamsWrite     Permission = "audit_streams:write"
	OrganizationRead      Permission = "organization:read"
	OrganizationWrite     Permission = "organization:write"
	OrganizationDelete    Permission = "organization:delete"
	OrganizationsCreate   Permission = "organizations:create"
	MembersRead           Permission = "members:read"
	MembersWrite          Permission = "members:write"
	RolesRead             Permission = "roles:read"
	RolesWrite            Permission = "roles:write"
	APIKeysRead           Permission = "api_keys:read"
	APIKeysWrite          Permission = "api_keys:write"
	OAuthClientsRead      Permission = "oauth_clients:read"
	OAuthClientsWrite     Permission = "oauth_clients:write"
	SSOConnectionsRead    Permission = "sso_connections:read"
	SSOConnectionsWrite   Permission = "sso_connections:write"
	DomainsRead           Permission = "domains:read"
	DomainsWrite          Permission = "domains:write"
	JobsRead              Permission = "jobs:read"
	JobsWrite             Permission = "jobs:write"
	LimitsRead            Permission = "limits:read"
	LimitsWrite           Permission = "limits:write"
	MailRead              Permission = "mail:read"
	MailWrite             Permission = "mail:write"
	StaffRead             Permission = "staff:read"
	StaffWrite            Permission = "staff:write"
	UsersRead             Permission = "users:read"
	UsersWrite            Permission = "users:write"
	StaffAccessRead       Permission = "staff_access:read"
	StaffAccessWrite      Permission = "staff_access:write"
	// Public marks an operation that needs no caller at all. Nobody holds it.
	Public Permission = "public"
	// Self marks an operation of a person on their own account. No key, role or grant
	// holds it: the person does, and apps to which the person has given it.
	Self Permission = "self"
)

// Description says what each permission allows; it is the registry of all.
var Description = map[Permission]string{
	EventsRead:            "Read events and their payloads.",
	EventsWrite:           "Publish events.",
	EventsDelete:          "Expunge events: remove their data for good.",
	EventTypesRead:        "Read the event catalog: types and their schemas.",
	EventTypesWrite:       "Create, change, import and delete event types.",
	EventConsumersRead:    "Read event consumers and their dead letters, without their secrets.",
	EventConsumersWrite:   "Create, change and delete event consumers, and resend their dead letters.",
	EventStreamWrite:      "Read events with their payloads through the event stream, and acknowledge them.",
	WebhookEndpointsRead:  "Read webhook endpoints, without their secrets.",
	WebhookEndpointsWrite: "Create, change and delete webhook endpoints.",
	DeliveriesRead:        "Read deliveries and their attempts.",
	DeliveriesWrite:       "Send deliveries again, and past events to a webhook endpoint.",
	AuditLogRead:          "Read the audit log: who changed what.",
	AuditLogDelete:        "Erase who an actor was from the audit log: name, address and program. No entry is deleted.",
	AuditStreamsRead:      "Read streams and scheduled exports of the audit log, without secrets.",
	AuditStreamsWrite:     "Create, change, test and delete streams and scheduled exports of the audit log. So its holder may send the whole log to any address.",
	OrganizationRead:      "Read the organization's name, settings and branding.",
	OrganizationWrite:     "Change the organization's name, settings and branding.",
	OrganizationDelete:    "Delete the organization with all that it owns.",
	OrganizationsCreate:   "Create organizations. For staff.",
	MembersRead:           "Read members, their resource grants and what they may do.",
	MembersWrite:          "Add, change and remove members and their resource grants.",
	RolesRead:             "Read roles.",
	RolesWrite:            "Create, change and delete roles.",
	APIKeysRead:           "Read API keys: what they may do and when they were last used.",
	APIKeysWrite:          "Create, change, rotate and revoke API keys, none of which may do more than the one that does it.",
	OAuthClientsRead:      "Read OAuth clients, without their secrets, and which of them members have let in.",
	OAuthClientsWrite:     "Register, change and delete OAuth clients, none of which may be granted more than the one that does it, and revoke their grants.",
	SSOConnectionsRead:    "Read single sign-on connections, without their secrets, and the traces of logins that have failed.",
	SSOConnectionsWrite:   "Create, change, activate and delete single sign-on connections. So its holder may enter as any member whose address is in a domain of the organization.",
	DomainsRead:           "Read the organization's domains and the DNS records that prove them.",
	DomainsWrite:          "Add, verify and delete domains.",
	JobsRead:              "Read jobs: what Portico does for the organization in the background.",
	JobsWrite:             "Cancel jobs, and try dead ones again.",
	LimitsRead:            "Read the limits of the API key that calls and of its organization.",
	LimitsWrite:           "Set limits of organizations. For staff.",
	MailRead:              "Read the log of mails, the mail templates and which addresses get none. For staff.",
	MailWrite:             "Change mail templates and which addresses get no mail. For staff.",
	StaffRead:             "Read who is staff. For staff.",
	StaffWrite:            "Decide who is staff. For staff.",
	UsersRead:             "Find people by their address. For staff.",
	UsersWrite:            "Suspend people, and let them in again. For staff.",
	StaffAccessRead:       "Read who of staff may enter the organization, or could, and why.",
	StaffAccessWrite:      "End the access of staff to the organization. Staff also open it.",
}

// Scopes says what each permission allows that a person can give to an app: all that can
// be held, and Self.
func Scopes() map[Permission]string {
	all := maps.Clone(Description)
	for _, p := range ofStaff {
		delete(all, p)
	}
	all[Self] = "Read your account, change your name, see and end your sessions, and see the apps that you have let in and take their access away, in all your organizations."
	return all
}

// ofStaff are the permissions that no organization's key, role or app can hold.
var ofStaff = []Permission{StaffRead, StaffWrite, UsersRead, UsersWrite}

// All returns every permission that an organization's key or role can hold, sorted.
func All() []Permission {
	return slices.DeleteFunc(AllOfStaff(), func(p Permission) bool { return slices.Contains(ofStaff, p) })
}

// AllOfStaff returns every permission that staff can hold, sorted.
func AllOfStaff() []Permission { return slices.Sorted(maps.Keys(Description)) }
