package webhook

import (
	"context"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/webhook/signing"
)

// DefaultOverlap is how long the old secret or key pair still signs after a
// rotation, unless the customer sets another time.
const DefaultOverlap = 24 * time.Hour

// RotateSecret gives the organization's endpoint a new signing secret, sealed.
// The previous secret still signs for the overlap. Any older secret ends at once,
// so that never more than two sign. Rotations of one endpoint run one after
// another. If the endpoint signs with a key pair, the key pair is rotated in the
// same way instead, and the secret is left as it is.
func RotateSecret(ctx context.Context, tx pg.Tx, org id.Org, endpoint id.WebhookEndpoint, plain string, overlap time.Duration, now time.Time, box *secret.Box) (Endpoint, error) {
	// The changed row stays locked until the transaction ends.
	e, err := pg.One[Endpoint](ctx, tx, "webhook.RotateSecret", ErrEndpointNotFound, `
		UPDATE webhook_endpoint SET updated_at = $3
		WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL
		RETURNING `+endpointColumns, org, endpoint, now)
	if err != nil {
		return Endpoint{}, err
	}
	if e.SignatureScheme == signing.SchemeStandardAsymmetric {
		return rotateKeyPair(ctx, tx, org, endpoint, overlap, box)
	}
	// The database's clock decides, because the dispatcher's queries use it too.
	err = pg.Exec(ctx, tx, "webhook.RotateSecret: old secrets", `
		UPDATE webhook_secret
		SET expires_at = CASE WHEN expires_at IS NULL THEN portico_now() + $3::interval ELSE portico_now() END
		WHERE org_id = $1 AND endpoint_id = $2 AND (expires_at IS NULL OR expires_at > portico_now())`,
		org, endpoint, overlap)
	if err != nil {
		return Endpoint{}, err
	}
	return e, insertSecret(ctx, tx, org, endpoint, plain, now, box)
}

// rotateKeyPair gives the endpoint a new key pair. The previous pair still signs
// for the overlap; any older pair ends at once.
func rotateKeyPair(ctx context.Context, tx pg.Tx, org id.Org, endpoint id.WebhookEndpoint, overlap time.Duration, box *secret.Box) (Endpoint, error) {
	public, sealed := signing.NewKeyPair(box, org, endpoint)
	return pg.One[Endpoint](ctx, tx, "webhook.rotateKeyPair", ErrEndpointNotFound, `
		UPDATE webhook_endpoint SET public_key = $3, sealed_key = $4,
			old_public_key = public_key, old_sealed_key = sealed_key, old_key_expires_at = portico_now() + $5::interval
		WHERE org_id = $1 AND id = $2
		RETURNING `+endpointColumns, org, endpoint, public, sealed, overlap)
}

// insertSecret writes a secret, sealed. It signs until a rotation ends it.
func insertSecret(ctx context.Context, tx pg.Tx, org id.Org, endpoint id.WebhookEndpoint, plain string, now time.Time, box *secret.Box) error {
	row := id.New[id.WebhookSecret](now)
	return pg.Exec(ctx, tx, "webhook.insertSecret", `
		INSERT INTO webhook_secret (org_id, id, endpoint_id, sealed, created_at) VALUES ($1, $2, $3, $4, $5)`,
		org, row, endpoint, signing.SealSecret(box, org, row, plain), now)
}
