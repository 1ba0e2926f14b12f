package dispatching

import (
	"context"
	"fmt"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/webhook"
	"portico/shared/webhook/signing"
)

// unopenedWait is how long deliveries wait if their endpoint's sealed values
// cannot be opened, because a key version is missing or a row is damaged. Only an
// operator can repair that, so the wait may be long. It does not count as a try.
const unopenedWait = 5 * time.Minute

// openTargets opens the sealed values of endpoints. An endpoint has one row for
// each signing secret, the newest first. An endpoint whose values cannot be
// opened is in unopened and does not affect the others.
func openTargets(box *secret.Box, rows []targetRow) (targets map[webhook.Lane]*Target, unopened map[webhook.Lane]error) {
	targets, unopened = map[webhook.Lane]*Target{}, map[webhook.Lane]error{}
	for _, row := range rows {
		k := row.lane()
		if unopened[k] != nil {
			continue
		}
		target, err := row.openInto(targets[k], box)
		if err != nil {
			unopened[k] = fmt.Errorf("%s of %s: %w", k.EndpointID, k.OrgID, err)
			target = &Target{DroppedBefore: row.DroppedBefore}
		}
		targets[k] = target
	}
	return targets, unopened
}

// openInto adds the row's signing secret to its endpoint's target. The first row
// of an endpoint makes the target.
func (r targetRow) openInto(target *Target, box *secret.Box) (*Target, error) {
	if target == nil {
		var err error
		if target, err = r.target(box); err != nil {
			return nil, err
		}
	}
	plain, err := signing.OpenSecret(box, r.OrgID, r.SecretID, r.SealedSecret)
	if err != nil {
		return nil, err
	}
	target.Secrets = append(target.Secrets, plain)
	return target, nil
}

// holdUnopened opens the breaker of endpoints whose sealed values could not be
// opened, so that their backlog is not claimed again and again: only one delivery
// at a time is claimed as a probe. A locked lane is skipped until the next claim.
func holdUnopened(ctx context.Context, db *pg.Worker, claims []Claim) error {
	var orgs []id.Org
	var endpoints []id.WebhookEndpoint
	for _, c := range claims {
		if c.Unopened != nil {
			orgs, endpoints = append(orgs, c.Org), append(endpoints, c.EndpointID)
		}
	}
	if len(orgs) == 0 {
		return nil
	}
	return pg.Exec(ctx, db, "webhook.holdUnopened", `
		WITH held AS (
			SELECT l.org_id, l.endpoint_id
			FROM (SELECT DISTINCT * FROM unnest($1::uuid[], $2::uuid[])) AS k (org_id, endpoint_id)
			JOIN webhook_lane l ON l.org_id = k.org_id AND l.endpoint_id = k.endpoint_id
			FOR UPDATE OF l SKIP LOCKED
		)
		UPDATE webhook_lane l SET open_until = portico_now() + $3
		FROM held WHERE l.org_id = held.org_id AND l.endpoint_id = held.endpoint_id`, orgs, endpoints, unopenedWait)
}

// sealingFaults counts the deliveries of a batch that were not tried because a
// sealed value could not be opened, and logs the cause of the first one as a
// warning.
func (d *Dispatcher) sealingFaults(ctx context.Context, batch []Result) (n float64) {
	for _, result := range batch {
		if result.Unopened == nil {
			continue
		}
		if n++; n == 1 {
			d.warn(ctx, "deliveries wait because a sealed value of their endpoint cannot be opened; this does not count as a try", result.Unopened)
		}
	}
	return n
}
