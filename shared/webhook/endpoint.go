// Package webhook has what customers see of the sending of events: endpoints and
// their options, deliveries and their tries, ordering keys, operational events.
// The packages in it decide who gets an event (fanout, filter), make the requests
// (signing, sending), and claim deliveries, send them and record what became of
// them (dispatching).
package webhook

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
)

// Endpoint is a customer's URL that receives events.
type Endpoint struct {
	ID          id.WebhookEndpoint
	URL         string
	EventTypes  []string
	Description string
	Status      string
	// DisabledAt and DisabledReason are nil while the endpoint is enabled.
	DisabledAt     *time.Time
	DisabledReason *string
	CreatedAt      time.Time
	UpdatedAt      time.Time
	Options
}

// NewEndpoint returns a new endpoint for InsertEndpoint.
func NewEndpoint(url string, types []string, now time.Time) Endpoint {
	return Endpoint{ID: id.New[id.WebhookEndpoint](now), URL: url, EventTypes: types, Status: Enabled, CreatedAt: now, UpdatedAt: now}
}

// Endpoint states. While an endpoint is disabled its deliveries are held.
const (
	Enabled  = "enabled"
	Disabled = "disabled"
)

// Why an endpoint is disabled.
const (
	DisabledRequested = "requested" // by the customer
	DisabledGone      = "gone"      // it answered 410
	DisabledFailing   = "failing"   // for longer and more often than Disabling allows
)

// MaxEndpoints bounds how many endpoints an organization may have, and so how
// many deliveries one event may make.
const MaxEndpoints = 1000

// ErrEndpointNotFound is returned when the endpoint does not exist, is deleted, or
// belongs to another organization.
var ErrEndpointNotFound = fault.New(fault.NotFound, "webhook_endpoint_not_found",
	"There is no webhook endpoint with this id.").
	Means("Your organization has no webhook endpoint with this id.")

// ErrTooManyEndpoints is returned when the organization already has MaxEndpoints
// endpoints.
var ErrTooManyEndpoints = fault.New(fault.Conflict, "too_many_webhook_endpoints",
	fmt.Sprintf("An organization has at most %d webhook endpoints. Delete one that is no longer needed.", MaxEndpoints)).
	Means("The organization has reached the limit of webhook endpoints.")

// TypePattern is the form of an event type: words of letters, digits and _,
// joined by dots (Standard Webhooks, «event types»).
const TypePattern = `^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$`

// SubscriptionPattern is the form of an entry of event_types.
const SubscriptionPattern = `^(\*|(group:)?[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*|[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*\.\*)$`

// groupPrefix begins an entry of event_types that names a group of the event catalog.
const groupPrefix = "group:"

// Wants reports whether an endpoint subscribed to these types receives eventType,
// which is in a group of the catalog unless group is "": by its exact name, by `*`,
// by a prefix such as `invoice.*`, or by its group, such as `group:billing`. `*`
// does not include operational events.
func Wants(eventTypes []string, eventType, group string) bool {
	return Names(eventTypes, eventType) || slices.ContainsFunc(eventTypes, func(t string) bool {
		if t == "*" {
			return !IsOperational(eventType)
		}
		name, ok := strings.CutPrefix(t, groupPrefix)
		return ok && group != "" && name == group
	})
}

// Names reports whether one of these types is eventType or a prefix of it.
func Names(eventTypes []string, eventType string) bool {
	return slices.ContainsFunc(eventTypes, func(t string) bool {
		if prefix, ok := strings.CutSuffix(t, "*"); ok {
			return prefix != "" && strings.HasPrefix(eventType, prefix)
		}
		return t == eventType
	})
}
