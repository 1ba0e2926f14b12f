package event

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
)

// Retentions say how long organizations keep their events: as long as the stage, or
// for a shorter time that they have set.
type Retentions struct {
	stage   time.Duration
	shorter map[id.Org]time.Duration
}

// Of returns how long an organization keeps its events.
func (r Retentions) Of(org id.Org) time.Duration {
	if own, ok := r.shorter[org]; ok {
		return own
	}
	return r.stage
}

// Expiries returns an Expiry for each organization that keeps events for a shorter time
// than the stage.
func (r Retentions) Expiries() []*Expiry {
	var list []*Expiry
	for org, keep := range r.shorter {
		list = append(list, &Expiry{Org: org, keep: keep, after: id.Floor[id.Event](time.UnixMilli(1))})
	}
	return list
}

// retention is what an organization has set.
type retention struct {
	OrgID id.Org
	Days  int
}

// ListRetentions returns how long the organizations of a database keep their events,
// of which the stage keeps all for a time.
func ListRetentions(ctx context.Context, db *pg.Worker, stage time.Duration) (Retentions, error) {
	list, err := pg.List[retention](ctx, db, "event.ListRetentions", `SELECT org_id, days FROM event_retentions()`)
	r := Retentions{stage, map[id.Org]time.Duration{}}
	for _, set := range list {
		if own := time.Duration(set.Days) * 24 * time.Hour; own < stage {
			r.shorter[set.OrgID] = own
		}
	}
	return r, err
}

// How much one batch of an Expiry deletes: up to expireEvents events, and those of the
// first expireDeliveries deliveries.
const (
	expireEvents     = 500
	expireDeliveries = 1000
)

// expireWait is how long a batch waits for a lock. It takes its locks without waiting,
// so this is not expected.
const expireWait = 250 * time.Millisecond

// Expiry deletes the events of an organization that are older than it keeps them, with
// their deliveries, attempts and external ids, in batches. Each batch is a transaction that continues
// behind the one before.
//
// An event stays as long as a delivery of it is unfinished, or is locked: somebody may
// be making it due again. While a batch has a delivery locked, a redelivery of it
// waits, and then finds it deleted. Nothing that is due is locked, so nothing that is
// sent waits for a batch.
type Expiry struct {
	Org   id.Org
	keep  time.Duration
	after id.Event // the place that was reached; never zero, which would be NULL
}

// Name is the organization, for the log.
func (e *Expiry) Name() id.Org { return e.Org }

// batch is a range of events: behind After, up to Last.
type batch struct {
	Last   id.Event
	IsLast bool // there are no more events that have expired
}

var errMoving = errors.New("the organization is moving")

// Next deletes the next batch. It returns how many events are gone, and whether there
// may be more. An organization that is moving, or has moved, keeps its rows.
func (e *Expiry) Next(ctx context.Context, db *pg.Worker) (deleted int64, more bool, err error) {
	var b batch
	begin := pgx.TxOptions{BeginQuery: "begin; set local lock_timeout = " + pg.LockTimeout(expireWait)}
	err = pgx.BeginTxFunc(ctx, db, begin, func(tx pgx.Tx) error {
		// A move waits for transactions that began before it was announced.
		b, err = pg.One[batch](ctx, tx, "event.Expiry", errMoving, `
			SELECT coalesce(last, cutoff) AS last, last IS NULL AS is_last FROM (
				SELECT cutoff, least(
					(SELECT id FROM event WHERE org_id = $1 AND id > $2 AND id < cutoff ORDER BY id OFFSET $4 LIMIT 1),
					(SELECT event_id FROM webhook_delivery WHERE org_id = $1 AND event_id > $2 AND event_id < cutoff ORDER BY event_id, endpoint_id OFFSET $5 LIMIT 1)) AS last
				FROM (SELECT uuid_floor(portico_now() - greatest($3::interval, interval '1 day')) AS cutoff) AS old
			) AS range
			WHERE NOT EXISTS (SELECT FROM placement p WHERE p.org_id = $1 AND p.until > portico_now())`,
			e.Org, e.after, e.keep, expireEvents-1, expireDeliveries-1)
		if err != nil {
			return err
		}
		kept, err := e.lock(ctx, tx, b.Last)
		if err != nil {
			return err
		}
		deleted, err = e.delete(ctx, tx, b.Last, kept)
		return err
	})
	if errors.Is(err, errMoving) {
		return 0, false, nil
	}
	if err == nil {
		e.after = b.Last
	}
	return deleted, !b.IsLast, err
}

// counted is how many finished deliveries of an event are locked.
type counted struct {
	EventID id.Event
	N       int64
}

// lock locks the events of a batch and their finished deliveries, without waiting, and
// returns the events that must stay.
func (e *Expiry) lock(ctx context.Context, tx pgx.Tx, last id.Event) (kept []id.Event, err error) {
	locked, err := pg.List[id.Event](ctx, tx, "event.Expiry", `
		SELECT id FROM event WHERE org_id = $1 AND id > $2 AND id <= $3 ORDER BY id FOR UPDATE SKIP LOCKED`, e.Org, e.after, last)
	if err != nil {
		return nil, err
	}
	finished, err := pg.List[counted](ctx, tx, "event.Expiry", `
		SELECT event_id, count(*) AS n FROM (
			SELECT event_id FROM webhook_delivery
			WHERE org_id = $1 AND event_id > $2 AND event_id <= $3 AND status <> 'pending' ORDER BY event_id, endpoint_id FOR UPDATE SKIP LOCKED
		) AS locked GROUP BY event_id`, e.Org, e.after, last)
	if err != nil {
		return nil, err
	}
	events, counts := make([]id.Event, len(finished)), make([]int64, len(finished))
	for i, c := range finished {
		events[i], counts[i] = c.EventID, c.N
	}
	// Another statement, because it has to see what others have committed since. From
	// here on no delivery of a locked event can be added.
	return pg.List[id.Event](ctx, tx, "event.Expiry", `
		SELECT id FROM event WHERE org_id = $1 AND id > $2 AND id <= $3 AND id <> ALL ($4::uuid[])
		UNION
		SELECT d.event_id FROM (
			SELECT event_id, count(*) AS n FROM webhook_delivery WHERE org_id = $1 AND event_id > $2 AND event_id <= $3 GROUP BY event_id
		) AS d LEFT JOIN unnest($5::uuid[], $6::bigint[]) AS f (event_id, n) ON f.event_id = d.event_id
		WHERE d.n <> coalesce(f.n, 0)`, e.Org, e.after, last, locked, events, counts)
}

// delete deletes all events of a batch except those that must stay. Deliveries and
// attempts may have outlived their event, so they are deleted by the range of ids.
func (e *Expiry) delete(ctx context.Context, tx pgx.Tx, last id.Event, kept []id.Event) (deleted int64, err error) {
	for _, table := range []string{"webhook_attempt", "webhook_delivery"} {
		if err := pg.Exec(ctx, tx, "event.Expiry", `
			DELETE FROM `+table+` WHERE org_id = $1 AND event_id > $2 AND event_id <= $3 AND event_id <> ALL ($4::uuid[])`, e.Org, e.after, last, kept); err != nil {
			return 0, err
		}
	}
	gone, err := pg.List[id.Event](ctx, tx, "event.Expiry", `
		DELETE FROM event WHERE org_id = $1 AND id > $2 AND id <= $3 AND id <> ALL ($4::uuid[]) RETURNING id`, e.Org, e.after, last, kept)
	if err != nil || len(gone) == 0 {
		return 0, err
	}
	return int64(len(gone)), pg.Exec(ctx, tx, "event.Expiry", `
		DELETE FROM event_external_id WHERE org_id = $1 AND event_id = ANY ($2)`, e.Org, gone)
}
