package webhook

import (
	"context"
	"time"

	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/pg"
)

const day = 24 * time.Hour

// toldBefore is how much time before a client certificate expires its owner is
// told: when less than 31 days are left, so 30 whole days, and so on.
var toldBefore = []time.Duration{31 * day, 15 * day, 8 * day, 4 * day, 2 * day, day}

// toldNow is true for an endpoint when one of the times of toldBefore, $1, has
// passed since its owner was last told. A new certificate needs no reset: its
// times are later.
const toldNow = `EXISTS (
	SELECT FROM unnest($1::interval[]) before
	WHERE certificate_expires_at - before < portico_now()
		AND certificate_expires_at - before >= coalesce(certificate_told_at, '-infinity'))`

// livesHere is true if the organization lives in this database and is not moving
// to another one.
const livesHere = `NOT EXISTS (SELECT FROM placement p WHERE p.org_id = webhook_endpoint.org_id AND p.until > portico_now())`

// ExpiringCertificate is a client certificate that expires soon or has expired.
type ExpiringCertificate struct {
	Org       id.Org
	Endpoint  id.WebhookEndpoint
	ExpiresAt time.Time
	Untold    bool // TellOfCertificates will return a notice for it
}

// ExpiringCertificates returns the client certificates of enabled endpoints
// that expire within a time from now, the first to expire first.
func ExpiringCertificates(ctx context.Context, db pg.Querier, within time.Duration) ([]ExpiringCertificate, error) {
	return pg.List[ExpiringCertificate](ctx, db, "webhook.ExpiringCertificates", `
		SELECT org_id AS org, id AS endpoint, certificate_expires_at AS expires_at, `+toldNow+` AS untold FROM webhook_endpoint
		WHERE certificate_expires_at < portico_now() + $2 AND status = 'enabled' AND deleted_at IS NULL AND `+livesHere+`
		ORDER BY certificate_expires_at`, toldBefore, within)
}

// expiringNotice is the data of webhook_endpoint.certificate_expiring.
type expiringNotice struct {
	EndpointID id.WebhookEndpoint `json:"endpoint_id"`
	Subject    string             `json:"subject"`
	ExpiresAt  clock.Stamp        `json:"expires_at"`
}

// TellOfCertificates returns the notices about an organization's client
// certificates, and records in the transaction that they were given: one for each
// time of toldBefore, and one only if several have passed since the last notice.
// Notice.About is zero, so the endpoint with the certificate may get the notice
// too: it still works, and it may be the organization's only endpoint.
func TellOfCertificates(ctx context.Context, tx pg.Tx, org id.Org) ([]Notice, error) {
	list, err := pg.List[told](ctx, tx, "webhook.TellOfCertificates", `
		UPDATE webhook_endpoint SET certificate_told_at = portico_now()
		WHERE `+toldNow+` AND org_id = $2 AND certificate_expires_at IS NOT NULL AND status = 'enabled' AND deleted_at IS NULL AND `+livesHere+`
		RETURNING id, certificate_expires_at, client_certificate`, toldBefore, org)
	var notices []Notice
	for _, t := range list {
		n := expiringNotice{EndpointID: t.ID, ExpiresAt: clock.Stamp(t.CertificateExpiresAt)}
		if leaf := (Options{ClientCertificate: t.ClientCertificate}).Leaf(); leaf != nil {
			n.Subject = leaf.Subject.String()
		}
		notices = append(notices, NewNotice(org, id.WebhookEndpoint{}, n))
	}
	return notices, err
}

// told is an endpoint of whose certificate its owner is told.
type told struct {
	ID                   id.WebhookEndpoint
	CertificateExpiresAt time.Time
	ClientCertificate    []byte
}
