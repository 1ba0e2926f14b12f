package webhook

import (
	"context"
	"fmt"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
)

// DefaultOverlap is how long the old secret or key pair of a rotation signs
// too, unless the customer says otherwise.
const DefaultOverlap = 24 * time.Hour

// RotateSecret gives the organization's endpoint a new signing secret, sealed.
// The one before signs too for the overlap; any older one ends at once, so that
// never more than two sign. Rotations of one endpoint happen one after another.
// Of an endpoint that signs with a key pair it rotates that, in the same way,
// and leaves the secret, which does not sign.
func RotateSecret(ctx context.Context, tx pg.Tx, org id.Org, endpoint id.WebhookEndpoint, plain string, overlap time.Duration, now time.Time, box *secret.Box) (Endpoint, error) {
	// The changed row stays locked until the transaction ends.
	rows, err := tx.Query(ctx, `
		UPDATE webhook_endpoint SET updated_at = $3
		WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL
		RETURNING `+endpointColumns, org, endpoint, now)
	e, err := oneEndpoint("RotateSecret", rows, err)
	if err != nil {
		return Endpoint{}, err
	}
	if e.SignatureScheme == SchemeStandardAsymmetric {
		return rotateKeyPair(ctx, tx, org, endpoint, overlap, box)
	}
	// By the database's clock, which is the one that the dispatcher's reads go by.
	_, err = tx.Exec(ctx, `
		UPDATE webhook_secret
		SET expires_at = CASE WHEN expires_at IS NULL THEN portico_now() + $3::interval ELSE portico_now() END
		WHERE org_id = $1 AND endpoint_id = $2 AND (expires_at IS NULL OR expires_at > portico_now())`,
		org, endpoint, overlap)
	if err != nil {
		return Endpoint{}, fmt.Errorf("webhook.RotateSecret: old secrets: %w", err)
	}
	return e, insertSecret(ctx, tx, org, endpoint, plain, now, box)
}

// rotateKeyPair gives the endpoint a new key pair and lets the one before sign
// too for the overlap, in place of any older one.
func rotateKeyPair(ctx context.Context, tx pg.Tx, org id.Org, endpoint id.WebhookEndpoint, overlap time.Duration, box *secret.Box) (Endpoint, error) {
	public, sealed := newSigningKey(box, org, endpoint)
	rows, err := tx.Query(ctx, `
		UPDATE webhook_endpoint SET public_key = $3, sealed_key = $4,
			old_public_key = public_key, old_sealed_key = sealed_key, old_key_expires_at = portico_now() + $5::interval
		WHERE org_id = $1 AND id = $2
		RETURNING `+endpointColumns, org, endpoint, public, sealed, overlap)
	return oneEndpoint("rotateKeyPair", rows, err)
}

// insertSecret writes a secret, sealed, that signs until a rotation ends it.
func insertSecret(ctx context.Context, tx pg.Tx, org id.Org, endpoint id.WebhookEndpoint, plain string, now time.Time, box *secret.Box) error {
	row := id.New[id.WebhookSecret](now)
	_, err := tx.Exec(ctx, `
		INSERT INTO webhook_secret (org_id, id, endpoint_id, sealed, created_at) VALUES ($1, $2, $3, $4, $5)`,
		org, row, endpoint, box.Seal([]byte(plain), secretContext(org, row)), now)
	if err != nil {
		return fmt.Errorf("webhook.insertSecret: %w", err)
	}
	return nil
}
