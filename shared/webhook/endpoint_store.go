package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
)

const endpointColumns = `id, url, event_types, description, status, disabled_at, disabled_reason, created_at, updated_at, retry_policy, retry_schedule,
	timeout_seconds, header_names, metadata, signature_scheme, public_key, client_certificate,
	CASE WHEN old_key_expires_at > portico_now() THEN old_public_key END AS old_public_key,
	rate_limit, ordered, exhaustion_policy, filter`

// InsertEndpoint writes a new endpoint with its signing secret, sealed. It has
// the default options; UpdateEndpoint changes them.
func InsertEndpoint(ctx context.Context, tx pg.Tx, org id.Org, e Endpoint, plain string, box *secret.Box) error {
	made, err := pg.Affect(ctx, tx, "webhook.InsertEndpoint", `
		WITH made AS (
			INSERT INTO webhook_endpoint (org_id, id, url, event_types, description, created_at, updated_at)
			SELECT $1, $2, $3, $4, $5, $6, $6
			WHERE (SELECT count(*) FROM webhook_endpoint WHERE org_id = $1 AND deleted_at IS NULL) < $7
			RETURNING org_id, id
		)
		INSERT INTO webhook_lane (org_id, endpoint_id) SELECT org_id, id FROM made`,
		org, e.ID, e.URL, e.EventTypes, e.Description, e.CreatedAt, MaxEndpoints)
	if err != nil {
		return err
	}
	if made == 0 {
		return ErrTooManyEndpoints
	}
	return insertSecret(ctx, tx, org, e.ID, plain, e.CreatedAt, box)
}

// GetEndpoint returns the organization's endpoint or ErrEndpointNotFound.
func GetEndpoint(ctx context.Context, tx pg.Tx, org id.Org, endpoint id.WebhookEndpoint) (Endpoint, error) {
	return pg.One[Endpoint](ctx, tx, "webhook.GetEndpoint", ErrEndpointNotFound, `
		SELECT `+endpointColumns+` FROM webhook_endpoint
		WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL`, org, endpoint)
}

// EndpointFilter narrows a list. A zero field is ignored.
type EndpointFilter struct {
	Status  string
	Failing bool // only those whose tries have failed since the last success
	// Among are those that may be shown; nil: all.
	Among []id.WebhookEndpoint
	// After is the last endpoint of the previous page; zero starts with the newest.
	After id.WebhookEndpoint
}

// ListEndpoints returns up to limit endpoints, newest first.
func ListEndpoints(ctx context.Context, tx pg.Tx, org id.Org, f EndpointFilter, limit int) ([]Endpoint, error) {
	return pg.List[Endpoint](ctx, tx, "webhook.ListEndpoints", `
		SELECT `+endpointColumns+` FROM webhook_endpoint
		WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) AND deleted_at IS NULL AND ($3 = '' OR status = $3)
			AND (NOT $4 OR (SELECT l.failing_since IS NOT NULL FROM webhook_lane l WHERE l.org_id = $1 AND l.endpoint_id = webhook_endpoint.id))
			AND ($6::uuid[] IS NULL OR id = ANY ($6))
		ORDER BY id DESC LIMIT $5`, org, f.After, f.Status, f.Failing, limit, f.Among)
}

// UpdateEndpoint changes the organization's endpoint and returns it as it was
// and as it is. With an error the transaction must not be committed.
func UpdateEndpoint(ctx context.Context, tx pg.Tx, org id.Org, endpoint id.WebhookEndpoint, c EndpointChange, now time.Time, box *secret.Box) (before, after Endpoint, err error) {
	if c.Status != nil && *c.Status == Enabled {
		// Lock the lane before the endpoint's row, in the same order as the
		// dispatcher.
		if err := resetLane(ctx, tx, org, endpoint); err != nil {
			return before, after, err
		}
	}
	a := assignments{args: []any{org, endpoint}}
	a.add("updated_at = $%d", now)
	c.assign(&a)
	c.Options.assign(&a, box, org, endpoint)
	var batch pgx.Batch
	batch.Queue(`
		SELECT `+endpointColumns+` FROM webhook_endpoint
		WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL FOR NO KEY UPDATE`, org, endpoint).Query(pg.IntoOne(&before))
	batch.Queue(`
		UPDATE webhook_endpoint SET `+a.list()+`
		WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL
		RETURNING `+endpointColumns, a.args...).Query(pg.IntoOne(&after))
	err = tx.SendBatch(ctx, &batch).Close()
	if errors.Is(err, pgx.ErrNoRows) {
		return before, after, ErrEndpointNotFound
	}
	if err != nil {
		return before, after, fmt.Errorf("webhook.UpdateEndpoint: %w", err)
	}
	return before, after, c.checkOrigin(before)
}

// DeleteEndpoint takes the endpoint out of use and returns it. Its deliveries
// stay readable; the dispatcher gives up those still pending.
func DeleteEndpoint(ctx context.Context, tx pg.Tx, org id.Org, endpoint id.WebhookEndpoint, now time.Time) (Endpoint, error) {
	return pg.One[Endpoint](ctx, tx, "webhook.DeleteEndpoint", ErrEndpointNotFound, `
		UPDATE webhook_endpoint SET deleted_at = $3, updated_at = $3
		WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL
		RETURNING `+endpointColumns, org, endpoint, now)
}

// DeleteEndpoints takes all endpoints of an organization out of use.
func DeleteEndpoints(ctx context.Context, tx pg.Tx, org id.Org, now time.Time) error {
	return pg.Exec(ctx, tx, "webhook.DeleteEndpoints", `
		UPDATE webhook_endpoint SET deleted_at = $2, updated_at = $2 WHERE org_id = $1 AND deleted_at IS NULL`, org, now)
}
