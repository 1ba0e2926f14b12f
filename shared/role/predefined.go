package role

import (
	"slices"
	"strings"

	"portico/shared/auth"
)

// The predefined roles, the most powerful first.
const (
	Owner     = "owner"
	Admin     = "admin"
	Member    = "member" // below admin where there are two tiers
	Developer = "developer"
	Viewer    = "viewer"
)

func names() []string { return []string{Owner, Admin, Member, Developer, Viewer} }

// writes are the permissions to change things that a developer has.
var writes = []auth.Permission{auth.EventsWrite, auth.WebhookEndpointsWrite, auth.DeliveriesWrite, auth.EventConsumersWrite, auth.EventStreamWrite}

// ownersOnly are the permissions that an admin does not have.
var ownersOnly = []auth.Permission{auth.OrganizationWrite, auth.OrganizationDelete, auth.OrganizationsCreate, auth.AuditLogDelete, auth.SSOConnectionsWrite}

// confidential are the read permissions that only owners and admins have.
var confidential = []auth.Permission{auth.AuditLogRead, auth.AuditStreamsRead, auth.SSOConnectionsRead, auth.StaffAccessRead}

// Predefined returns a role that every organization has and none can change.
func Predefined(name string) (Role, bool) {
	r := Role{Ref: Ref{Predefined: name}, Name: name}
	switch name {
	case Owner:
		r.Description = "May do everything. An organization that has an owner always keeps one."
		r.Permissions = auth.All()
	case Admin:
		r.Description = "May do everything except change or delete the organization itself, set up single sign-on, and erase actors from the audit log."
		r.Permissions = those(func(p auth.Permission) bool { return !slices.Contains(ownersOnly, p) })
	case Member:
		r.Description = "The tier below admin where role_model is two_tier. May do what a developer may."
		r.Permissions = those(readsAndWorks)
	case Developer:
		r.Description = "May read everything except the audit log, publish and consume events, and work on webhook endpoints."
		r.Permissions = those(readsAndWorks)
	case Viewer:
		r.Description = "May read everything except the audit log."
		r.Permissions = those(readable)
	default:
		return Role{}, false
	}
	return r, true
}

// AllPredefined returns them, the most powerful first.
func AllPredefined() []Role {
	var list []Role
	for _, name := range names() {
		r, _ := Predefined(name)
		list = append(list, r)
	}
	return list
}

func readable(p auth.Permission) bool {
	return strings.HasSuffix(string(p), ":read") && !slices.Contains(confidential, p)
}

func readsAndWorks(p auth.Permission) bool { return readable(p) || slices.Contains(writes, p) }

// those returns the permissions that may is true for, sorted.
func those(may func(auth.Permission) bool) []auth.Permission {
	return slices.DeleteFunc(auth.All(), func(p auth.Permission) bool { return !may(p) })
}
