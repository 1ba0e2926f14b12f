// Package auth knows who calls and what they may do.
package auth

import (
	"context"
	"slices"

	"portico/shared/id"
)

// Permission allows a group of operations: `<resource>:<read|write>`.
type Permission string

// The permissions. An operation names one of them or Public.
const (
	EventsRead            Permission = "events:read"
	EventsWrite           Permission = "events:write"
	WebhookEndpointsRead  Permission = "webhook_endpoints:read"
	WebhookEndpointsWrite Permission = "webhook_endpoints:write"
	DeliveriesRead        Permission = "deliveries:read"
	// Public marks an operation that needs no caller at all. Nobody holds it.
	Public Permission = "public"
)

// Description says what each permission allows; it is the registry of all.
var Description = map[Permission]string{
	EventsRead:            "Read events and their payloads.",
	EventsWrite:           "Publish events.",
	WebhookEndpointsRead:  "Read webhook endpoints, without their secrets.",
	WebhookEndpointsWrite: "Create, change and delete webhook endpoints.",
	DeliveriesRead:        "Read deliveries and their attempts.",
}

// All returns every permission that can be held, sorted.
func All() []Permission {
	all := make([]Permission, 0, len(Description))
	for p := range Description {
		all = append(all, p)
	}
	slices.Sort(all)
	return all
}

// Caller is an authenticated program.
type Caller struct {
	Org         id.Org
	APIKey      id.APIKey
	Permissions []Permission
}

// May reports whether the caller holds p.
func (c Caller) May(p Permission) bool { return slices.Contains(c.Permissions, p) }

type callerKey struct{}

// With returns a context that carries the caller.
func With(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// From returns the caller that the edge put there. Only edges call it: from a
// handler's first line on, the organization is an explicit parameter.
func From(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}
