package webhooks

import (
	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/webhook"
)

func endpointTarget(endpoint id.WebhookEndpoint) audit.Target {
	return audit.Of("webhook_endpoint", endpoint)
}

// endpointFields returns the fields of an endpoint for audit entries. As in
// replies, the values of headers and the certificate's key are left out.
func endpointFields(e webhook.Endpoint) audit.Fields {
	return audit.Fields{
		"url": e.URL, "event_types": e.EventTypes, "description": e.Description,
		"status": e.Status, "disabled_reason": e.DisabledReason,
		"retry_policy": e.RetryPolicy, "retry_schedule": e.RetrySchedule, "timeout_seconds": e.TimeoutSeconds,
		"custom_headers": e.HeaderNames, "metadata": e.Metadata, "filter": e.Filter,
		"rate_limit": e.RateLimit, "ordered": e.Ordered, "exhaustion_policy": e.ExhaustionPolicy,
		"signature_scheme": e.SignatureScheme, "client_certificate": showCertificate(e.Options),
	}
}

// changedFields returns the fields after a change, and says which secrets it set.
func changedFields(e webhook.Endpoint, c webhook.OptionsChange) audit.Fields {
	fields := endpointFields(e)
	if len(c.CustomHeaders) > 0 {
		fields["custom_header_values"] = audit.Changed
	}
	if c.ClientCertificate != nil && e.ClientCertificate != nil {
		fields["client_certificate_key"] = audit.Changed
	}
	return fields
}
