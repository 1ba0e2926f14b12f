package webhook

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
)

// ExpiredError is the last error of a delivery that was held for too long.
const ExpiredError = "expired: it was held for longer than deliveries are kept"

// TooLateError is the last error of a delivery that was not made before it expired.
const TooLateError = "expired: it was not delivered before its expires_at"

// keyWait is how long FailHeld waits for a lock, such as an ordering key that a
// publish has locked.
const keyWait = 250 * time.Millisecond

// Holding is an endpoint at which deliveries may be held: it is disabled, or an
// ordering key is paused there.
type Holding struct {
	Org      id.Org
	Endpoint id.WebhookEndpoint
}

// notClosed is true unless the organization is closed and waits to be erased.
const notClosed = `webhook_endpoint.org_id NOT IN (SELECT id FROM organization WHERE deleted_at IS NOT NULL)`

// ListHolding returns all endpoints at which deliveries may be held, by
// organization.
func ListHolding(ctx context.Context, db *pg.Worker) ([]Holding, error) {
	return pg.List[Holding](ctx, db, "webhook.ListHolding", `
		SELECT org_id AS org, id AS endpoint FROM webhook_endpoint
		WHERE deleted_at IS NULL AND `+livesHere+` AND `+notClosed+` AND (status = 'disabled' OR EXISTS (
			SELECT FROM webhook_paused_key k WHERE k.org_id = webhook_endpoint.org_id AND k.endpoint_id = webhook_endpoint.id))
		ORDER BY org_id, id`)
}

// heldSQL selects an endpoint's deliveries that are held and have expired, or are older
// than deliveries are kept. A delivery that is being sent is not held, and neither is
// one that waits behind a head that is still tried.
const heldSQL = `
	FROM webhook_endpoint JOIN webhook_delivery d ON d.org_id = webhook_endpoint.org_id AND d.endpoint_id = webhook_endpoint.id
	WHERE webhook_endpoint.org_id = $1 AND webhook_endpoint.id = $2 AND webhook_endpoint.deleted_at IS NULL AND ` + livesHere + `
		AND d.status = 'pending' AND (d.leased_until IS NULL OR d.leased_until <= (SELECT portico_now()))
		AND (d.event_id < uuid_floor((SELECT portico_now()) - greatest($3::interval, interval '1 day')) OR d.expires_at <= (SELECT portico_now()))
		AND (webhook_endpoint.status = 'disabled' OR (d.next_retry_at = 'infinity' AND EXISTS (
			SELECT FROM webhook_paused_key k
			WHERE k.org_id = d.org_id AND k.endpoint_id = d.endpoint_id AND k.ordering_key = d.ordering_key)))`

// FailHeld marks as failed up to limit deliveries that are held at an endpoint
// and whose events are older than keep, and returns how many. It does not count
// as a failure of the endpoint and sends no notice: the owner knows that the
// endpoint is disabled or the key is paused. The caller must have lowered the due
// time.
func FailHeld(ctx context.Context, db *pg.Worker, h Holding, keep time.Duration, limit int) (failed int, err error) {
	begin := pgx.TxOptions{BeginQuery: "begin; set local lock_timeout = " + pg.LockTimeout(keyWait)}
	err = pgx.BeginTxFunc(ctx, db, begin, func(tx pgx.Tx) error {
		keys, err := heldKeys(ctx, tx, h, keep, limit)
		if err != nil {
			return err
		}
		// These locks prevent that a key is resumed or the endpoint enabled
		// before the commit.
		if err := LockKeys(ctx, tx, keys, LockEverything); err != nil {
			return err
		}
		if err := pg.Exec(ctx, tx, "webhook.FailHeld", `SELECT FROM webhook_endpoint WHERE org_id = $1 AND id = $2 FOR SHARE`, h.Org, h.Endpoint); err != nil {
			return err
		}
		_, _, texts := orderedColumns(keys)
		n, err := pg.Affect(ctx, tx, "webhook.FailHeld", `
			WITH held AS MATERIALIZED (
				SELECT d.org_id, d.event_id, d.endpoint_id, greatest(d.event_id, uuid_floor(d.redelivered_at)) < webhook_endpoint.dropped_before IS TRUE AS dropped `+heldSQL+`
					AND (d.ordering_key IS NULL OR d.ordering_key = ANY ($5::text[]))
				ORDER BY d.next_retry_at LIMIT $4 FOR UPDATE OF d SKIP LOCKED
			)
			UPDATE webhook_delivery d
			SET status = 'failed', lease = NULL, leased_until = NULL, next_retry_at = NULL, completed_at = (SELECT portico_now()), expired = NOT held.dropped
			FROM held WHERE d.org_id = ANY (ARRAY[held.org_id]) AND d.event_id = held.event_id AND d.endpoint_id = held.endpoint_id`,
			h.Org, h.Endpoint, keep, limit, texts)
		if failed = int(n); err != nil || len(keys) == 0 {
			return err
		}
		_, err = Advance(ctx, tx, keys)
		return err
	})
	return failed, err
}

// heldKeys returns the ordering keys of the first limit held deliveries, sorted.
func heldKeys(ctx context.Context, tx pg.Tx, h Holding, keep time.Duration, limit int) ([]OrderedKey, error) {
	texts, err := pg.List[string](ctx, tx, "webhook.heldKeys", `
		SELECT DISTINCT ordering_key COLLATE "C" FROM (SELECT d.ordering_key `+heldSQL+` ORDER BY d.next_retry_at LIMIT $4) held
		WHERE ordering_key IS NOT NULL ORDER BY 1`, h.Org, h.Endpoint, keep, limit)
	keys := make([]OrderedKey, len(texts))
	for i, text := range texts {
		keys[i] = OrderedKey{Lane{h.Org, h.Endpoint}, text}
	}
	return keys, err
}
