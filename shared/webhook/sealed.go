package webhook

import (
	"context"
	"fmt"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
)

// unopenedWait is how long deliveries wait whose endpoint's secrets cannot be
// opened, because a key version is missing or a row is damaged. Only an operator
// can mend that, so there is no hurry; they use up no try.
const unopenedWait = 5 * time.Minute

// openTargets opens what is sealed of endpoints, of which rows has one for each
// secret, the newest first. What cannot be opened is its own endpoint's trouble.
func openTargets(box *secret.Box, rows []targetRow) (targets map[endpointKey]*Target, unopened map[endpointKey]error) {
	targets, unopened = map[endpointKey]*Target{}, map[endpointKey]error{}
	for _, row := range rows {
		k := endpointKey{row.OrgID, row.ID}
		if unopened[k] != nil {
			continue
		}
		target, err := row.openInto(targets[k], box)
		if err != nil {
			unopened[k] = fmt.Errorf("%s of %s: %w", k.endpoint, k.org, err)
			target = &Target{DroppedBefore: row.DroppedBefore}
		}
		targets[k] = target
	}
	return targets, unopened
}

// openInto adds the row's secret to its endpoint's target, which the first row makes.
func (r targetRow) openInto(target *Target, box *secret.Box) (*Target, error) {
	if target == nil {
		var err error
		if target, err = r.target(box); err != nil {
			return nil, err
		}
	}
	plain, err := box.Open(r.SealedSecret, secretContext(r.OrgID, r.SecretID))
	if err != nil {
		return nil, fmt.Errorf("signing secret %s: %w", r.SecretID, err)
	}
	target.Secrets = append(target.Secrets, string(plain))
	return target, nil
}

// holdUnopened opens the breaker of endpoints that could not be opened, so that
// a backlog is not claimed again and again: a probe tries them one delivery at a
// time. A lane that somebody has locked is not awaited; it is held the next time.
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

// sealingFaults returns how many of a batch could not be tried because something
// sealed could not be opened, and warns of the first one's cause.
func (r *run) sealingFaults(ctx context.Context, batch []Result) (n float64) {
	for _, result := range batch {
		if result.Unopened == nil {
			continue
		}
		if n++; n == 1 {
			r.warn(ctx, "deliveries wait because something sealed of their endpoint cannot be opened; they use up no try", result.Unopened)
		}
	}
	return n
}
