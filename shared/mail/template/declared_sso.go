package template

import "time"

// SSOCertificateExpiringData is about the last certificate of a single sign-on connection.
type SSOCertificateExpiringData struct {
	Organization string    `json:"organization"`
	Connection   string    `json:"connection"` // its name
	ExpiresAt    time.Time `json:"expires_at"`
	Days         int       `json:"days"` // whole days until then; 0: less than one
	URL          string    `json:"url"`
}

// SSOCertificateExpiring is sent before nobody can sign in by a connection any more, because
// its certificates end. It has no category, so nobody can unsubscribe from it.
var SSOCertificateExpiring = declare(Template{Name: "sso_certificate_expiring", Stream: Product},
	named[SSOCertificateExpiringData]{"in a month", SSOCertificateExpiringData{"Acme", "Okta", sampleTime.AddDate(0, 0, 30), 30, "https://portico.example.com/acme/sso"}},
	named[SSOCertificateExpiringData]{"tomorrow", SSOCertificateExpiringData{"Straßenbau Müller & Söhne GmbH", "the identity provider of the group, Frankfurt am Main", sampleTime.AddDate(0, 0, 1), 1, ""}},
)

// BreakGlassUsedData is about an owner who has entered without the connection that is enforced.
type BreakGlassUsedData struct {
	Organization string    `json:"organization"`
	Member       string    `json:"member"` // whose account was used: the address
	At           time.Time `json:"at"`
	URL          string    `json:"url"`
}

// BreakGlassUsed is sent when an owner has entered without single sign-on although it is
// enforced. Nobody can unsubscribe from it.
var BreakGlassUsed = declare(Template{Name: "break_glass_used", Stream: Product},
	named[BreakGlassUsedData]{"an owner", BreakGlassUsedData{"Acme", "ada@acme.example", sampleTime, "https://portico.example.com/acme/audit-log"}},
	named[BreakGlassUsedData]{"long", BreakGlassUsedData{"Straßenbau Müller & Söhne GmbH", "the.owner.with.a.very.long.address@strassenbau-mueller-und-soehne.example", sampleTime, ""}},
)
