package webhook

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/pg"
)

const day = 24 * time.Hour

// toldBefore is how long before the end of a client certificate its owner is
// told: once less is left, which is when it has 30, 14, 7, 3, 1 and 0 whole days.
var toldBefore = []time.Duration{31 * day, 15 * day, 8 * day, 4 * day, 2 * day, day}

// toldNow holds for an endpoint when one of toldBefore, $1, has passed since its
// owner was last told. A certificate that replaces it starts anew by itself: its
// times lie later.
const toldNow = `EXISTS (
	SELECT FROM unnest($1::interval[]) before
	WHERE certificate_expires_at - before < portico_now()
		AND certificate_expires_at - before >= coalesce(certificate_told_at, '-infinity'))`

// livesHere holds for what no other database has, or is about to have.
const livesHere = `NOT EXISTS (SELECT FROM placement p WHERE p.org_id = webhook_endpoint.org_id AND p.until > portico_now())`

// ExpiringCertificate is a client certificate that soon ends, or has ended.
type ExpiringCertificate struct {
	Org       id.Org
	Endpoint  id.WebhookEndpoint
	ExpiresAt time.Time
	Untold    bool // TellOfCertificates has something to tell
}

// ExpiringCertificates returns the client certificates of enabled endpoints
// that expire within a time from now, the first to expire first.
func ExpiringCertificates(ctx context.Context, db *pg.Worker, within time.Duration) ([]ExpiringCertificate, error) {
	return pg.List[ExpiringCertificate](ctx, db, "webhook.ExpiringCertificates", `
		SELECT org_id AS org, id AS endpoint, certificate_expires_at AS expires_at, `+toldNow+` AS untold FROM webhook_endpoint
		WHERE certificate_expires_at < portico_now() + $2 AND status = 'enabled' AND deleted_at IS NULL AND `+livesHere+`
		ORDER BY certificate_expires_at`, toldBefore, within)
}

// expiringNotice is the data of webhook_endpoint.certificate_expiring.
type expiringNotice struct {
	EndpointID id.WebhookEndpoint `json:"endpoint_id" doc:"The webhook endpoint whose certificate it is." example:"we_01jdf3z9k2e4nv6xq8r0s1t2u3"`
	Subject    string             `json:"subject" doc:"Whose name stands in the certificate." example:"CN=portico,O=Acme"`
	ExpiresAt  clock.Stamp        `json:"expires_at" format:"date-time" doc:"From when on servers refuse it." example:"2026-12-21T09:30:00.000000Z"`
}

// TellOfCertificates returns what an organization is to be told of its client
// certificates, and notes with the commit that it was: once for each of
// toldBefore, and once for several that passed together.
//
// The notices are about no endpoint, so the one whose certificate it is may get
// its own: it still works, and an organization with a single endpoint would
// not hear of it otherwise.
func TellOfCertificates(ctx context.Context, tx pgx.Tx, org id.Org) ([]Notice, error) {
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
		notices = append(notices, newNotice(org, id.WebhookEndpoint{}, n))
	}
	return notices, err
}

// told is an endpoint of whose certificate its owner is told.
type told struct {
	ID                   id.WebhookEndpoint
	CertificateExpiresAt time.Time
	ClientCertificate    []byte
}
