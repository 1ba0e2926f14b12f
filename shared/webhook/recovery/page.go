package recovery

import (
	"context"
	"errors"
	"time"

	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
	"portico/shared/webhook"
)

const (
	// pageSize is how many deliveries a page makes due at most.
	pageSize = 500
	// readAtOnce bounds how many deliveries or events a page looks at.
	readAtOnce = 5000
	// backlogAtMost is how many deliveries may be due at the endpoint before the next
	// page: it bounds for how many a new event waits, because the oldest due one is
	// sent first.
	backlogAtMost = 1000
	// backlogWait is how long a page waits until there are fewer.
	backlogWait = 5 * time.Second
	// stragglersFor is how long after its id was made an event can still be committed:
	// see claim.quietFor.
	stragglersFor = 2 * time.Minute
	// pageAtMost bounds how long a page takes.
	pageAtMost = 25 * time.Second
)

// Args are the arguments of a recovery's job.
type Args struct {
	Recovery id.Recovery `json:"recovery"`
}

// Kind is the job of a recovery. Each step is a page: what it makes due and the place
// that it has reached commit together, so a killed one continues without a gap, and
// repeats nothing.
var Kind = job.Kind[Args]{
	Name: "webhook_endpoint.recover", Queue: job.Bulk, Timeout: pageAtMost, PerOrg: 4,
	Work: job.Steps(step),
}

// step does the next page. The place is in the recovery's row, where customers see it.
func step(ctx context.Context, tx pg.Tx, j job.Job, args Args, _ struct{}) (none struct{}, more bool, err error) {
	r, now, err := lock(ctx, tx, j.Org, args.Recovery)
	if errors.Is(err, ErrNotFound) || err == nil && r.Status != Running {
		return none, false, nil
	}
	if err != nil {
		return none, false, err
	}
	endpoint, err := webhook.GetEndpoint(ctx, tx, j.Org, r.EndpointID)
	if errors.Is(err, webhook.ErrEndpointNotFound) {
		r.Status = Cancelled
		return none, false, r.save(ctx, tx, j.Org)
	}
	if err != nil {
		return none, false, err
	}
	// At a disabled endpoint they are held, so no new event waits for them.
	if endpoint.Status == webhook.Enabled {
		if err := hasRoom(ctx, tx, j.Org, r.EndpointID); err != nil {
			return none, false, err
		}
	}
	p := page{tx: tx, org: j.Org, r: &r, now: now}
	do := p.recover
	if r.Kind == Replay {
		do = p.replay
	}
	before := r.Deliveries
	if err := do(ctx); err != nil {
		return none, false, err
	}
	if r.Deliveries > before {
		webhook.RaiseDue(tx, j.Org, r.EndpointID)
	}
	j.Progress(r.Deliveries, 0, "")
	return none, r.Status == Running, r.save(ctx, tx, j.Org)
}

// hasRoom returns job.Snooze while the endpoint has enough to do.
func hasRoom(ctx context.Context, tx pg.Tx, org id.Org, endpoint id.WebhookEndpoint) error {
	waiting, err := pg.Value[int](ctx, tx, "recovery.hasRoom", `
		SELECT (SELECT count(*) FROM (SELECT FROM webhook_delivery
				WHERE org_id = $1 AND endpoint_id = $2 AND status = 'pending' AND next_retry_at <= (SELECT portico_now()) LIMIT $3) due)
			+ (SELECT count(*) FROM (SELECT FROM webhook_delivery
				WHERE org_id = $1 AND endpoint_id = $2 AND status = 'pending' AND next_retry_at = 'infinity' LIMIT $3) ordered)`, org, endpoint, backlogAtMost)
	if err == nil && waiting >= backlogAtMost {
		err = job.Snooze(backlogWait)
	}
	return err
}

// page is one step of a recovery.
type page struct {
	tx  pg.Tx
	org id.Org
	r   *Recovery
	now time.Time // of the database
}

// finished is a delivery that a recovery looks at.
type finished struct {
	EventID id.Event
	Matches bool
}

// recover redelivers the next deliveries, in the order of their events' ids. It needs
// not wait for events that commit late: their deliveries had not finished when the
// recovery was asked for.
func (p page) recover(ctx context.Context) error {
	found, err := pg.List[finished](ctx, p.tx, "recovery.recover", `
		SELECT d.event_id, CASE WHEN d.status = 'pending' THEN `+isLapsed+` AND 'failed' = ANY ($6::text[]) ELSE d.status = ANY ($6::text[]) END AS matches
		FROM webhook_delivery d JOIN webhook_endpoint e ON e.org_id = d.org_id AND e.id = d.endpoint_id
		WHERE d.org_id = $1 AND d.endpoint_id = $2 AND d.event_id > $3 AND d.event_id < uuid_floor($4)
		ORDER BY d.event_id LIMIT $5`, p.org, p.r.EndpointID, p.r.LastEventID, p.r.Until, readAtOnce, p.r.Statuses)
	if err != nil {
		return err
	}
	var chosen []id.Event
	for _, f := range found {
		if len(chosen) == pageSize {
			break
		}
		p.r.LastEventID, p.r.Examined = f.EventID, p.r.Examined+1
		if f.Matches {
			chosen = append(chosen, f.EventID)
		}
	}
	if len(chosen) < pageSize && len(found) < readAtOnce {
		p.r.Status = Succeeded
	}
	made, err := RedeliverAll(ctx, p.tx, webhook.Lane{OrgID: p.org, EndpointID: p.r.EndpointID}, chosen, p.r.Statuses)
	p.r.Deliveries += int64(made)
	return err
}
