package webhook

import (
	"fmt"
	"strings"

	"portico/shared/id"
	"portico/shared/secret"
	"portico/shared/webhook/sending"
	"portico/shared/webhook/signing"
)

// EndpointChange names the fields to change; nil leaves one as it is.
type EndpointChange struct {
	URL         *string
	EventTypes  []string
	Description *string
	// Status enables or disables. Enabling sends what was held, or drops it.
	Status   *string
	DropHeld bool
	Options  OptionsChange
}

// OptionsChange names the options to change; nil leaves one as it is, and an
// empty value removes what it held.
type OptionsChange struct {
	// ClientCertificate is made by sending.ParseClientCertificate; the zero one
	// removes it.
	ClientCertificate *sending.ClientCertificate
	RetryPolicy       *string
	RetrySchedule     []int32
	TimeoutSeconds    *int16
	CustomHeaders     map[string]string
	Metadata          map[string]string
	SignatureScheme   *string
	RateLimit         *int32 // 0 removes it
	Ordered           *bool
	ExhaustionPolicy  *string
	Filter            *string
}

// assignments collects what an UPDATE sets: the columns that a change names.
type assignments struct {
	columns []string
	args    []any
}

// add appends an assignment such as "url = $%d" and its argument.
func (a *assignments) add(assignment string, value any) {
	a.args = append(a.args, value)
	a.columns = append(a.columns, fmt.Sprintf(assignment, len(a.args)))
}

// set appends an assignment without argument.
func (a *assignments) set(assignment string) { a.columns = append(a.columns, assignment) }

func (a *assignments) list() string { return strings.Join(a.columns, ", ") }

func (c EndpointChange) assign(a *assignments) {
	if c.URL != nil {
		a.add("url = $%d", *c.URL)
	}
	if c.EventTypes != nil {
		a.add("event_types = $%d", c.EventTypes)
	}
	if c.Description != nil {
		a.add("description = $%d", *c.Description)
	}
	if c.Status != nil {
		c.assignStatus(a)
	}
}

// assignStatus keeps the time and the reason of an endpoint that is disabled
// already. SQL expressions see the row before the update.
func (c EndpointChange) assignStatus(a *assignments) {
	if *c.Status == Disabled {
		a.set("disabled_at = coalesce(disabled_at, portico_now())")
		a.set("disabled_reason = coalesce(disabled_reason, 'requested')")
	} else {
		a.set("disabled_at = NULL")
		a.set("disabled_reason = NULL")
		if c.DropHeld {
			a.set("dropped_before = CASE WHEN status = 'disabled' THEN uuid_floor(portico_now()) ELSE dropped_before END")
		}
	}
	a.add("status = $%d", *c.Status)
}

func (c OptionsChange) assign(a *assignments, box *secret.Box, org id.Org, endpoint id.WebhookEndpoint) {
	if c.RetryPolicy != nil {
		a.add("retry_policy = $%d", *c.RetryPolicy)
		a.add("retry_schedule = coalesce($%d::integer[], '{}')", c.RetrySchedule)
	}
	if c.TimeoutSeconds != nil {
		a.add("timeout_seconds = $%d", *c.TimeoutSeconds)
	}
	if c.CustomHeaders != nil {
		names, sealed := sending.SealHeaders(box, org, endpoint, c.CustomHeaders)
		a.add("header_names = $%d", names)
		a.add("sealed_headers = $%d", sealed)
	}
	if c.Metadata != nil {
		a.add("metadata = $%d", c.Metadata)
	}
	if c.RateLimit != nil {
		a.add("rate_limit = nullif($%d::integer, 0)", *c.RateLimit)
	}
	if c.Ordered != nil {
		a.add("ordered = $%d", *c.Ordered)
	}
	if c.ExhaustionPolicy != nil {
		a.add("exhaustion_policy = $%d", *c.ExhaustionPolicy)
	}
	if c.Filter != nil {
		a.add("filter = $%d", *c.Filter)
	}
	if c.SignatureScheme != nil {
		c.assignScheme(a, box, org, endpoint)
	}
	if c.ClientCertificate != nil {
		chain, sealed, expiresAt := c.ClientCertificate.Seal(box, org, endpoint)
		a.add("client_certificate = $%d", chain)
		a.add("sealed_client_key = $%d", sealed)
		a.add("certificate_expires_at = $%d", expiresAt)
	}
}

// assignScheme makes the key pair when the scheme is asymmetric for the first
// time, and keeps it later.
func (c OptionsChange) assignScheme(a *assignments, box *secret.Box, org id.Org, endpoint id.WebhookEndpoint) {
	a.add("signature_scheme = $%d", *c.SignatureScheme)
	if *c.SignatureScheme == signing.SchemeStandardAsymmetric {
		public, sealed := signing.NewKeyPair(box, org, endpoint)
		a.add("public_key = coalesce(public_key, $%d)", public)
		a.add("sealed_key = coalesce(sealed_key, $%d)", sealed)
	}
}
