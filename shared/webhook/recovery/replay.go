package recovery

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"portico/shared/event"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
	"portico/shared/webhook"
	"portico/shared/webhook/fanout"
)

// matchAtOnce bounds the events whose data one page reads, each of at most
// event.MaxData.
const matchAtOnce = 100

// undelivered is a past event that a replay looks at.
type undelivered struct {
	ID          id.Event
	Type        string
	OrderingKey *string
	Seq         *int64
	Delivered   bool   // the endpoint has a delivery of it
	group       string // of its type
}

// replay makes deliveries for the next events, in the order of their ids.
//
// An event gets its id before it commits, so ids do not follow the order of commits. A
// page therefore reads no events that are younger than stragglersFor: all that are older
// have committed, and those that were published while the endpoint was changed are
// not passed over.
func (p page) replay(ctx context.Context) error {
	s, catalog, err := fanout.LoadOne(ctx, p.tx, p.org, p.r.EndpointID)
	if err != nil {
		return err
	}
	settled := p.now.Add(-stragglersFor)
	isLast := !settled.Before(p.r.Until)
	if isLast {
		settled = p.r.Until
	}
	found, err := pg.List[undelivered](ctx, p.tx, "recovery.replay", `
		SELECT v.id, v.type, v.ordering_key, v.seq, EXISTS (SELECT FROM webhook_delivery d
			WHERE d.org_id = $1 AND d.event_id = v.id AND d.endpoint_id = $2) AS delivered
		FROM event v WHERE v.org_id = $1 AND v.id > $3 AND v.id < uuid_floor($4) AND v.test_endpoint_id IS NULL AND v.expunged_at IS NULL ORDER BY v.id LIMIT $5`,
		p.org, p.r.EndpointID, p.r.LastEventID, settled, readAtOnce)
	if err != nil {
		return err
	}
	if len(found) == 0 && !isLast {
		return job.Snooze(p.r.Until.Add(stragglersFor).Sub(p.now))
	}
	for i := range found {
		found[i].group, _ = catalog.GroupOf(found[i].Type)
	}
	chosen, read := p.candidates(found, s)
	if len(read) > 0 {
		p.r.LastEventID = read[len(read)-1].ID
	}
	p.r.Examined += int64(len(read))
	if isLast && len(read) < readAtOnce && len(read) == len(found) {
		p.r.Status = Succeeded
	}
	if chosen, err = p.matching(ctx, chosen, s); err != nil {
		return err
	}
	if chosen, err = p.kept(ctx, chosen); err != nil {
		return err
	}
	p.r.Deliveries += int64(len(chosen))
	return p.enqueue(ctx, chosen, s.Ordered)
}

// candidates returns the events that the endpoint may get, by their types, as many as
// one page takes; read are those that are then done.
func (p page) candidates(found []undelivered, s fanout.Subscription) (chosen, read []undelivered) {
	room := pageSize
	if s.Filter != "" {
		room, s.Filter = matchAtOnce, ""
	}
	for i, u := range found {
		if len(chosen) == room {
			return chosen, found[:i]
		}
		if !u.Delivered && p.wants(u) && s.Skips(fanout.Past(u.Type, u.group, nil)) == "" {
			chosen = append(chosen, u)
		}
	}
	return chosen, found
}

// wants reports whether the event's type was asked for.
func (p page) wants(u undelivered) bool {
	return len(p.r.EventTypes) == 0 || webhook.Wants(p.r.EventTypes, u.Type, u.group)
}

// matching returns those that the endpoint gets.
func (p page) matching(ctx context.Context, candidates []undelivered, s fanout.Subscription) ([]undelivered, error) {
	isPlain := func(u undelivered) bool { return s.Filter == "" && !webhook.IsOperational(u.Type) }
	var ids []id.Event
	for _, u := range candidates {
		if !isPlain(u) {
			ids = append(ids, u.ID)
		}
	}
	payloads := map[id.Event]event.Event{}
	for part := range slices.Chunk(ids, matchAtOnce) {
		list, err := event.ListPayloads(ctx, p.tx, p.org, part)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			payloads[e.ID] = e
		}
	}
	return slices.DeleteFunc(candidates, func(u undelivered) bool {
		return !isPlain(u) && s.Skips(fanout.Past(u.Type, u.group, payloads[u.ID].Data())) != ""
	}), ctx.Err()
}

// kept returns those that are still stored, and locks them until the commit: the
// upkeep may be deleting them.
func (p page) kept(ctx context.Context, chosen []undelivered) ([]undelivered, error) {
	ids := make([]id.Event, len(chosen))
	for i, u := range chosen {
		ids[i] = u.ID
	}
	stored, err := pg.List[id.Event](ctx, p.tx, "recovery.kept", `
		SELECT id FROM event WHERE org_id = $1 AND id = ANY ($2) ORDER BY id FOR KEY SHARE`, p.org, ids)
	return slices.DeleteFunc(chosen, func(u undelivered) bool {
		return !slices.Contains(stored, u.ID)
	}), err
}

// enqueue makes the deliveries. Those of an ordered endpoint are sent in their order,
// and before younger ones of their key that wait. They do not count as dropped, even if
// deliveries of that time were.
func (p page) enqueue(ctx context.Context, chosen []undelivered, ordered bool) error {
	if len(chosen) == 0 {
		return nil
	}
	lane := webhook.Lane{OrgID: p.org, EndpointID: p.r.EndpointID}
	deliveries, events := make([]webhook.NewDelivery, len(chosen)), make([]id.Event, len(chosen))
	var keys []webhook.OrderedKey
	for i, u := range chosen {
		deliveries[i], events[i] = webhook.NewDelivery{EventID: u.ID, EndpointID: p.r.EndpointID}, u.ID
		if ordered && u.OrderingKey != nil {
			deliveries[i].OrderingKey, deliveries[i].Seq = u.OrderingKey, u.Seq
			keys = append(keys, webhook.OrderedKey{Lane: lane, Key: *u.OrderingKey})
		}
	}
	slices.SortFunc(keys, webhook.OrderedKey.Compare)
	if err := webhook.LockKeys(ctx, p.tx, slices.Compact(keys), webhook.LockEverything); err != nil {
		return err
	}
	var batch pgx.Batch
	webhook.Enqueue(&batch, p.org, deliveries)
	batch.Queue(`UPDATE webhook_delivery SET redelivered_at = portico_now() WHERE org_id = $1 AND event_id = ANY ($2) AND endpoint_id = $3`,
		p.org, events, p.r.EndpointID)
	return p.tx.SendBatch(ctx, &batch).Close()
}
