package event

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/consumer"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook"
	"portico/shared/webhook/fanout"
	"portico/shared/webhook/filter"
)

// Publish writes events, and one delivery for each endpoint that gets them, in
// the caller's transaction: so every committed event will be delivered. The
// events of a batch keep their order: each is a microsecond later than the one
// before. It returns the events, and each endpoint once that gets a due delivery.
func Publish(ctx context.Context, tx pg.Tx, org id.Org, drafts []Draft, now time.Time) ([]Event, []id.WebhookEndpoint, error) {
	return PublishCached(ctx, tx, org, nil, drafts, now)
}

// PublishCached takes the subscriptions from a cache. If they are in it, and no
// draft has an ordering key, the whole publish is in the round trip of the commit,
// which also checks that they have not changed. If no endpoint gets any of the events
// and all of them are IfWanted, none is written. External ids cost two round trips.
func PublishCached(
	ctx context.Context, tx pg.Tx, org id.Org, cache *fanout.Cache, drafts []Draft, now time.Time,
) ([]Event, []id.WebhookEndpoint, error) {
	if slices.ContainsFunc(drafts, Draft.isExternal) {
		return publishExternal(ctx, tx, org, cache, drafts, now)
	}
	return publishCached(ctx, tx, org, cache, drafts, now)
}

func publishCached(
	ctx context.Context, tx pg.Tx, org id.Org, cache *fanout.Cache, drafts []Draft, now time.Time,
) ([]Event, []id.WebhookEndpoint, error) {
	if len(drafts) == 0 {
		return nil, nil, nil
	}
	var batch pgx.Batch
	subscriptions, isCached := cache.Get(org)
	isCached = isCached && !pg.IsAgain(tx)
	if !isCached {
		var err error
		if subscriptions, err = fanout.Load(ctx, tx, org); err != nil {
			return nil, nil, err
		}
		cache.Put(org, subscriptions)
	}
	events := eventsOf(drafts, now)
	if err := admit(ctx, tx, org, subscriptions, isCached, drafts, events); err != nil {
		return nil, nil, err
	}
	deliveries, due, err := match(ctx, subscriptions, drafts, events)
	if err != nil {
		return nil, nil, err
	}
	items, err := matchConsumers(ctx, subscriptions, drafts, events)
	if err != nil {
		return nil, nil, err
	}
	if len(deliveries)+len(items) == 0 && !slices.ContainsFunc(drafts, func(d Draft) bool { return !d.IfWanted }) {
		if isCached {
			subscriptions.Expect(&batch)
		}
		return nil, nil, pg.AtCommit(ctx, tx, &batch)
	}
	// As late as possible, because it locks the ordering keys until the commit.
	seqs, err := takeSeqs(ctx, tx, org, drafts)
	if err != nil {
		return nil, nil, err
	}
	number(deliveries, events, seqs)
	insert(&batch, org, events, seqs)
	if len(deliveries) > 0 {
		webhook.Enqueue(&batch, org, deliveries)
	}
	consumer.Enqueue(&batch, org, items)
	if isCached {
		subscriptions.Expect(&batch)
	}
	if err := pg.AtCommit(ctx, tx, &batch); err != nil {
		return nil, nil, fmt.Errorf("event.Publish: %w", err)
	}
	return events, due, nil
}

// eventsOf returns the events of drafts, a microsecond apart.
func eventsOf(drafts []Draft, now time.Time) []Event {
	events := make([]Event, len(drafts))
	for i, d := range drafts {
		eventID, at := d.id, d.at
		if eventID.IsZero() {
			at = now.Add(time.Duration(i) * time.Microsecond)
			eventID = id.New[id.Event](at)
		}
		events[i] = Event{
			ID: eventID, Type: d.Type, OrderingKey: d.OrderingKey, PublishedBy: d.PublishedBy, CreatedAt: at, ExternalID: d.ExternalID,
			Payload: payload(eventID, d, at),
		}
	}
	return events
}

// ErrSlow is wrapped by the error of a publish whose filters take too long.
var ErrSlow = errors.New("the filters took too long")

// match returns the deliveries of events and each endpoint once that gets any. It
// sets the fan-out of each event. It stops when ctx ends: the cost of each filter
// is bounded, but a thousand slow filters for each event of a batch take longer
// than a request may.
func match(ctx context.Context, subscriptions fanout.Subscriptions, drafts []Draft, events []Event) (deliveries []webhook.NewDelivery, due []id.WebhookEndpoint, err error) {
	wanted := make([]bool, len(subscriptions.List))
	for i, d := range drafts {
		begin := time.Now()
		group, known := subscriptions.Catalog.GroupOf(d.Type)
		events[i].Unknown = !known && !subscriptions.Names(d.Type)
		var expiresAt *time.Time
		if d.ExpiresAfter > 0 {
			expiresAt = new(events[i].CreatedAt.Add(d.ExpiresAfter))
		}
		candidate := fanout.Candidate{Event: filter.Event{Type: d.Type, Data: d.Data}, Group: group, About: d.About}
		for k, s := range subscriptions.List {
			if err := ctx.Err(); err != nil {
				return nil, nil, fmt.Errorf("event.match: %w after %d of %d events: %w", ErrSlow, i, len(drafts), err)
			}
			skips := s.Skips(&candidate)
			if events[i].Fanout.Add(s, skips); skips != "" {
				continue
			}
			delivery := webhook.NewDelivery{EventID: events[i].ID, EndpointID: s.ID, ExpiresAt: expiresAt}
			if s.Ordered {
				delivery.OrderingKey = d.OrderingKey
			}
			deliveries = append(deliveries, delivery)
			if !wanted[k] {
				wanted[k] = true
				due = append(due, s.ID)
			}
		}
		events[i].Matching += time.Since(begin)
	}
	return deliveries, due, nil
}

// matchConsumers returns the items of events for consumers, as match does.
func matchConsumers(ctx context.Context, subscriptions fanout.Subscriptions, drafts []Draft, events []Event) (items []consumer.NewItem, err error) {
	if len(subscriptions.Consumers) == 0 {
		return nil, nil
	}
	for i, d := range drafts {
		begin := time.Now()
		group, _ := subscriptions.Catalog.GroupOf(d.Type)
		candidate := fanout.Candidate{Event: filter.Event{Type: d.Type, Data: d.Data}, Group: group}
		for _, c := range subscriptions.Consumers {
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("event.matchConsumers: %w after %d of %d events: %w", ErrSlow, i, len(drafts), err)
			}
			if c.Gets(&candidate) {
				items = append(items, consumer.NewItem{Consumer: c.ID, Event: events[i].ID})
				events[i].Items++
			}
		}
		events[i].Matching += time.Since(begin)
	}
	return items, nil
}

// number sets the seq of ordered deliveries to the seq of their event. Deliveries
// are in the order of events.
func number(deliveries []webhook.NewDelivery, events []Event, seqs []*int64) {
	of := 0
	for i := range deliveries {
		d := &deliveries[i]
		for events[of].ID != d.EventID {
			of++
		}
		if d.OrderingKey != nil {
			d.Seq = seqs[of]
		}
	}
}

// PublishNotices publishes operational events of one organization.
func PublishNotices(ctx context.Context, tx pg.Tx, org id.Org, notices []webhook.Notice, now time.Time) ([]id.WebhookEndpoint, error) {
	drafts := make([]Draft, len(notices))
	for i, n := range notices {
		drafts[i] = Draft{Type: n.Type, Data: n.Data, About: n.About}
	}
	_, due, err := Publish(ctx, tx, org, drafts, now)
	return due, err
}

func insert(batch *pgx.Batch, org id.Org, events []Event, seqs []*int64) {
	if len(events) == 1 { // without unnest a publish costs Postgres about a fifth less, see ADR 19
		e := events[0]
		batch.Queue(`
			INSERT INTO event (org_id, id, type, payload, ordering_key, seq, created_at, published_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7, nullif($8, ''))`,
			org, e.ID, e.Type, e.Payload, e.OrderingKey, seqs[0], e.CreatedAt, e.PublishedBy)
		return
	}
	n := len(events)
	ids, types, payloads := make([]id.Event, n), make([]string, n), make([][]byte, n)
	keys, actors, times := make([]*string, n), make([]string, n), make([]time.Time, n)
	for i, e := range events {
		ids[i], types[i], payloads[i] = e.ID, e.Type, e.Payload
		keys[i], actors[i], times[i] = e.OrderingKey, e.PublishedBy, e.CreatedAt
	}
	batch.Queue(`
		INSERT INTO event (org_id, id, type, payload, ordering_key, seq, created_at, published_by)
		SELECT $1, e.id, type, payload, key, seq, at, nullif(actor, '')
		FROM unnest($2::uuid[], $3::text[], $4::bytea[], $5::text[], $6::bigint[], $7::timestamptz[], $8::text[])
			AS e (id, type, payload, key, seq, at, actor)`,
		org, ids, types, payloads, keys, seqs, times, actors)
}

// takeSeqs returns the seq of each draft within its ordering key; nil if it has
// no key. The keys' rows stay locked until the commit, so a higher seq commits
// later. They are locked in sorted order, so two batches cannot deadlock.
func takeSeqs(ctx context.Context, tx pg.Tx, org id.Org, drafts []Draft) ([]*int64, error) {
	seqs := make([]*int64, len(drafts))
	count := map[string]int64{}
	for _, d := range drafts {
		if d.OrderingKey != nil {
			count[*d.OrderingKey]++
		}
	}
	if len(count) == 0 {
		return seqs, nil
	}
	keys, counts := make([]string, 0, len(count)), make([]int64, 0, len(count))
	for key := range count {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		counts = append(counts, count[key])
	}
	first, err := lockKeys(ctx, tx, org, keys, counts)
	if err != nil {
		return nil, err
	}
	for i, d := range drafts {
		if d.OrderingKey != nil {
			seq := first[*d.OrderingKey]
			first[*d.OrderingKey]++
			seqs[i] = &seq
		}
	}
	return seqs, nil
}

// lockKeys takes counts[i] numbers for keys[i] and returns the first of each.
func lockKeys(ctx context.Context, tx pg.Tx, org id.Org, keys []string, counts []int64) (map[string]int64, error) {
	taken, err := pg.List[lastSeq](ctx, tx, "event.lockKeys", `
		INSERT INTO ordering_key AS o (org_id, key, last_seq)
		SELECT $1, k.key, k.n FROM unnest($2::text[], $3::bigint[]) WITH ORDINALITY AS k (key, n, position) ORDER BY k.position
		ON CONFLICT (org_id, key) DO UPDATE SET last_seq = o.last_seq + excluded.last_seq
		RETURNING key, last_seq`, org, keys, counts)
	if err != nil {
		return nil, err
	}
	last := map[string]int64{}
	for _, t := range taken {
		last[t.Key] = t.LastSeq
	}
	for i, key := range keys {
		last[key] -= counts[i] - 1
	}
	return last, nil
}

// lastSeq is a row of ordering_key.
type lastSeq struct {
	Key     string
	LastSeq int64
}

// ScanRow reads key and last_seq.
func (l *lastSeq) ScanRow(row pgx.Rows) error { return row.Scan(&l.Key, &l.LastSeq) }
