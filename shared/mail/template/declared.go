package template

import "time"

// all is in the order in which previews show them.
var all = []*Template{
	MemberAdded.Template, Invitation.Template, APIKeyExpiring.Template,
	EndpointDisabled.Template, DeadDeliveries.Template, CertificateExpiring.Template, AuditStreamPaused.Template,
	AuditExportReady.Template, AuditExportFailing.Template,
	SSOCertificateExpiring.Template, BreakGlassUsed.Template,
	VerifyAddress.Template, SignUpKnownAddress.Template, SignInLink.Template, ResetPassword.Template, PasswordChanged.Template, FactorChanged.Template, FactorsReset.Template, ConfirmFactor.Template, AccountLinked.Template, NewDevice.Template,
	ChangeAddress.Template, ChangeAddressTaken.Template, AddressChangeRequested.Template, AddressChanged.Template,
}

// categoryWebhooks is about webhook endpoints and their deliveries, categoryKeys
// about API keys.
const (
	categoryWebhooks = "webhooks"
	categoryKeys     = "api_keys"
)

// In all of these types Organization is a display name, and URL is the page on
// which to act, or "" if there is none.

// MemberAddedData tells a person of a new membership.
type MemberAddedData struct {
	Organization string `json:"organization"`
	Role         string `json:"role"`
	AddedBy      string `json:"added_by"` // a display name, or ""
	URL          string `json:"url"`
}

// MemberAdded is sent to a person who was added to an organization.
var MemberAdded = declare(Template{Name: "member_added", Stream: Product},
	named[MemberAddedData]{"by a person", MemberAddedData{"Acme", "Developer", "Ada Lovelace", "https://portico.example.com/acme"}},
	named[MemberAddedData]{"by a program", MemberAddedData{"Straßenbau Müller & Söhne GmbH", "Owner", "", ""}},
)

// InvitationData asks a person to become a member.
type InvitationData struct {
	Organization string    `json:"organization"`
	Role         string    `json:"role"`
	InvitedBy    string    `json:"invited_by"` // a display name, or ""
	URL          string    `json:"url"`
	ExpiresAt    time.Time `json:"expires_at"`
}

// Invitation is sent to a person whom an organization invites.
var Invitation = declare(Template{Name: "invitation", Stream: Product},
	named[InvitationData]{"by a person", InvitationData{"Acme", "Developer", "Ada Lovelace", "https://portico.example.com/sign-in/invitation?token=" + sampleToken, sampleTime.AddDate(0, 0, 7)}},
	named[InvitationData]{"by a program", InvitationData{"Straßenbau Müller & Söhne GmbH", "Owner", "", "https://portico.example.com/sign-in/invitation?token=" + sampleToken, sampleTime.AddDate(0, 0, 7)}},
)

// APIKeyExpiringData is about one API key.
type APIKeyExpiringData struct {
	Organization string    `json:"organization"`
	Name         string    `json:"name"`
	Prefix       string    `json:"prefix"` // the part of the key that may be shown
	ExpiresAt    time.Time `json:"expires_at"`
	Days         int       `json:"days"` // whole days until then; 0: less than one
	URL          string    `json:"url"`
}

// APIKeyExpiring is sent before an API key expires.
var APIKeyExpiring = declare(Template{Name: "api_key_expiring", Stream: Product, Category: categoryKeys},
	named[APIKeyExpiringData]{"in a week", APIKeyExpiringData{"Acme", "billing", "ptc_4kzm", sampleTime.AddDate(0, 0, 7), 7, "https://portico.example.com/acme/api-keys"}},
	named[APIKeyExpiringData]{"tomorrow", APIKeyExpiringData{"Acme", "nightly export of all invoices to the data warehouse of the finance department", "ptc_9qwe", sampleTime.AddDate(0, 0, 1), 1, ""}},
	named[APIKeyExpiringData]{"today", APIKeyExpiringData{"Acme", "billing", "ptc_4kzm", sampleTime.Add(5 * time.Hour), 0, "https://portico.example.com/acme/api-keys"}},
)

// EndpointDisabledData is about one webhook endpoint.
type EndpointDisabledData struct {
	Organization string    `json:"organization"`
	Endpoint     string    `json:"endpoint"`      // its URL
	Gone         bool      `json:"gone"`          // it answered 410
	FailingSince time.Time `json:"failing_since"` // zero if it was not failing
	Failures     int       `json:"failures"`      // failed tries in a row
	LastError    string    `json:"last_error"`
	URL          string    `json:"url"`
}

// EndpointDisabled is sent when Portico has disabled a webhook endpoint.
var EndpointDisabled = declare(Template{Name: "endpoint_disabled", Stream: Product, Category: categoryWebhooks},
	named[EndpointDisabledData]{"failing", EndpointDisabledData{"Acme", "https://hooks.acme.example/portico", false, sampleTime.AddDate(0, 0, -5), 214, "The server answered 503 Service Unavailable.", "https://portico.example.com/acme/webhook-endpoints/whe_01"}},
	named[EndpointDisabledData]{"gone", EndpointDisabledData{"Acme", "https://hooks.acme.example/a/very/long/path/which/does/not/fit/into/one/line/of/a/phone?with=a&query=too", true, time.Time{}, 1, "", ""}},
)

// DeadDeliveriesData is about the deliveries of one webhook endpoint whose last try
// has failed.
type DeadDeliveriesData struct {
	Organization string    `json:"organization"`
	Endpoint     string    `json:"endpoint"` // its URL
	Count        int       `json:"count"`
	Since        time.Time `json:"since"`       // when the first of them ended
	EventTypes   []string  `json:"event_types"` // the most frequent ones
	LastError    string    `json:"last_error"`
	URL          string    `json:"url"`
}

// DeadDeliveries is sent when deliveries have failed for good.
var DeadDeliveries = declare(Template{Name: "dead_deliveries", Stream: Product, Category: categoryWebhooks},
	named[DeadDeliveriesData]{"one", DeadDeliveriesData{"Acme", "https://hooks.acme.example/portico", 1, sampleTime, []string{"invoice.paid"}, "The connection was refused.", "https://portico.example.com/acme/deliveries"}},
	named[DeadDeliveriesData]{"many", DeadDeliveriesData{"Acme", "https://hooks.acme.example/portico", 1204, sampleTime.AddDate(0, 0, -2), []string{"invoice.paid", "invoice.voided", "customer.created"}, "", ""}},
)

// CertificateExpiringData is about the client certificate of one webhook endpoint.
type CertificateExpiringData struct {
	Organization string    `json:"organization"`
	Endpoint     string    `json:"endpoint"` // its URL
	Subject      string    `json:"subject"`  // of the certificate, or ""
	ExpiresAt    time.Time `json:"expires_at"`
	Days         int       `json:"days"` // whole days until then; 0: less than one
	URL          string    `json:"url"`
}

// CertificateExpiring is sent before a client certificate expires.
var CertificateExpiring = declare(Template{Name: "certificate_expiring", Stream: Product, Category: categoryWebhooks},
	named[CertificateExpiringData]{"in two weeks", CertificateExpiringData{"Acme", "https://hooks.acme.example/portico", "CN=portico,O=Acme", sampleTime.AddDate(0, 0, 14), 14, "https://portico.example.com/acme/webhook-endpoints/whe_01"}},
	named[CertificateExpiringData]{"today", CertificateExpiringData{"Acme", "https://hooks.acme.example/portico", "", sampleTime.Add(3 * time.Hour), 0, ""}},
)

var sampleTime = time.Date(2026, time.March, 5, 14, 3, 0, 0, time.UTC)

// AuditStreamPausedData is about one stream of the audit log.
type AuditStreamPausedData struct {
	Organization string    `json:"organization"`
	Stream       string    `json:"stream"` // its name
	PausedAt     time.Time `json:"paused_at"`
	LastError    string    `json:"last_error"`
	URL          string    `json:"url"`
}

// AuditStreamPaused is sent when a stream was paused, because the other side has denied
// access. It has no category, so nobody can unsubscribe from it.
var AuditStreamPaused = declare(Template{Name: "audit_stream_paused", Stream: Product},
	named[AuditStreamPausedData]{"denied", AuditStreamPausedData{"Acme", "SIEM", sampleTime, "answered 401: access was denied", "https://portico.example.com/acme/audit-streams/ast_01"}},
	named[AuditStreamPausedData]{"long", AuditStreamPausedData{"Straßenbau Müller & Söhne GmbH", "the security operations centre of the group, second line, Frankfurt am Main", sampleTime, "answered 403: access was denied", ""}},
)

// AuditExportReadyData is about the file that a schedule has made of a day or week.
type AuditExportReadyData struct {
	Organization string    `json:"organization"`
	Export       string    `json:"export"` // its id
	Period       string    `json:"period"` // such as 2026-11-22 or 2026-W47
	Format       string    `json:"format"`
	Entries      int       `json:"entries"`
	Head         string    `json:"head"` // number and hash of the last entry, or ""
	FileUntil    time.Time `json:"file_until"`
	URL          string    `json:"url"` // where a program downloads it, with a key
}

// AuditExportReady tells a member of an export that a schedule has made. It has no
// category, because the member was chosen for it.
var AuditExportReady = declare(Template{Name: "audit_export_ready", Stream: Product},
	named[AuditExportReadyData]{"a day", AuditExportReadyData{"Acme", "aex_01jdf3z9k2e4nv6xq8r0s1t2v3", "2026-03-04", "ndjson", 1204, "1842:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef", sampleTime.AddDate(0, 0, 2), "https://portico.example.com/v1/audit-exports/aex_01jdf3z9k2e4nv6xq8r0s1t2v3"}},
	named[AuditExportReadyData]{"a quiet week", AuditExportReadyData{"Straßenbau Müller & Söhne GmbH", "aex_01jdf3z9k2e4nv6xq8r0s1t2v3", "2026-W09", "csv", 0, "", sampleTime.AddDate(0, 0, 2), ""}},
)

// AuditExportFailingData is about a schedule of exports whose files cannot be sent.
type AuditExportFailingData struct {
	Organization string    `json:"organization"`
	Schedule     string    `json:"schedule"` // its id
	Period       string    `json:"period"`   // of the file, such as 2026-11-22 or 2026-W47
	FailingSince time.Time `json:"failing_since"`
	LastError    string    `json:"last_error"`
	URL          string    `json:"url"`
}

// AuditExportFailing is sent when a file could not be sent for more than half an hour.
var AuditExportFailing = declare(Template{Name: "audit_export_failing", Stream: Product},
	named[AuditExportFailingData]{"denied", AuditExportFailingData{"Acme", "aes_01jdf3z9k2e4nv6xq8r0s1t2v3", "2026-03-04", sampleTime, "the role cannot be assumed: access was denied", "https://portico.example.com/acme/audit-export-schedules/aes_01"}},
	named[AuditExportFailingData]{"long", AuditExportFailingData{"Straßenbau Müller & Söhne GmbH", "aes_01jdf3z9k2e4nv6xq8r0s1t2v3", "2026-W09", sampleTime, "the role can be assumed without the external id: ask for it in the role's trust policy, or others could use the role", ""}},
)
