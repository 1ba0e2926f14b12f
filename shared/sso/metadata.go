package sso

import (
	"context"
	"encoding/pem"
	"slices"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/saml"
)

// The bounds of what is kept of a SAML provider.
const (
	maxIssuer       = 255
	maxURL          = 2000
	maxCertificates = 10
)

// Take makes a connection one to the provider that metadata describes, and reports whether
// that can be kept.
func (c *Connection) Take(p saml.IdentityProvider) bool {
	if len(p.Issuer) > maxIssuer || len(p.URL) > maxURL || len(p.Certificates) > maxCertificates {
		return false
	}
	c.Issuer, c.SSOURL, c.Certificates, c.CertificatesEndAt = p.Issuer, p.URL, nil, nil
	for _, one := range p.Certificates {
		c.Certificates = append(c.Certificates, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: one.Raw})))
		if end := one.NotAfter.UTC(); c.CertificatesEndAt == nil || end.After(*c.CertificatesEndAt) {
			c.CertificatesEndAt = &end
		}
	}
	return true
}

// Follow does the same with what the provider publishes now, or says why not: the code of a
// trace, and the same for people. Another entity id is never taken: the accounts of people are
// known by it.
func (c *Connection) Follow(p saml.IdentityProvider, now time.Time) (code, detail string) {
	before := *c
	switch {
	case before.Issuer != "" && p.Issuer != before.Issuer:
		return "metadata_issuer", "The metadata is of another entity id than the connection's issuer. If that is right, empty the issuer."
	case !c.Take(p):
		return "metadata_too_large", "The metadata has more than can be kept: an entity id of 255 characters, an address of 2,000 characters, ten certificates."
	case !now.Before(*c.CertificatesEndAt):
		*c = before
		return "metadata_certificate", "All certificates of the metadata have ended."
	}
	return "", ""
}

// SameProvider reports whether the two reach the same provider with the same keys.
func (c Connection) SameProvider(other Connection) bool {
	return c.Issuer == other.Issuer && c.SSOURL == other.SSOURL && slices.Equal(c.Certificates, other.Certificates)
}

// SaveProvider writes what Follow has changed, with the next version. Unlike Save it does not
// look at the domains: that one is no longer verified keeps no certificate from coming.
func SaveProvider(ctx context.Context, tx pg.Tx, org id.Org, c Connection, now time.Time) error {
	return pg.Exec(ctx, tx, "sso.SaveProvider", `
		UPDATE sso_connection SET issuer = $3, sso_url = $4, certificates = $5, certificates_end_at = $6, version = version + 1, updated_at = $7
		WHERE org_id = $1 AND id = $2`, org, c.ID, c.Issuer, c.SSOURL, list(c.Certificates), c.CertificatesEndAt, now)
}

// NoteMetadata notes that the metadata of a connection was read, or why that has changed
// nothing.
func NoteMetadata(ctx context.Context, tx pg.Tx, org id.Org, connection id.SSOConnection, problem string, now time.Time) error {
	return pg.Exec(ctx, tx, "sso.NoteMetadata", `
		UPDATE sso_connection SET metadata_error = $3, metadata_read_at = CASE WHEN $3 = '' THEN $4 ELSE metadata_read_at END
		WHERE org_id = $1 AND id = $2`, org, connection, clip(problem, maxDetail), now)
}
