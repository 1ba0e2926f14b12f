package webhook

import (
	"portico/shared/egress"
	"portico/shared/fault"
)

// checkOrigin refuses to send the secret settings of one receiver to another one:
// otherwise a person who may change the URL, but may not read those settings,
// could read them at a server of their own.
func (c EndpointChange) checkOrigin(before Endpoint) error {
	if c.URL == nil || egress.Origin(*c.URL) == egress.Origin(before.URL) {
		return nil
	}
	var faults []error
	for _, secret := range []struct {
		field   string
		set     bool
		renewed bool
	}{
		{"custom_headers", len(before.HeaderNames) > 0, c.Options.CustomHeaders != nil},
		{"client_certificate", before.ClientCertificate != nil, c.Options.ClientCertificate != nil},
	} {
		if secret.set && !secret.renewed {
			faults = append(faults, fault.InvalidField(secret.field,
				"must be sent again, or {} to remove what is set: url has another scheme, host or port, and what was set for the old one is not sent to the new one"))
		}
	}
	return fault.Join(faults...)
}
