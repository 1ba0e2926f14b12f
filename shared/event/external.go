package event

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook"
	"portico/shared/webhook/fanout"
)

// ErrExternalIDUsed is returned for an event with the external id of another one.
var ErrExternalIDUsed = fault.New(fault.Conflict, "external_id_used",
	"There is another event with this external_id: its type, data or ordering_key are different. Choose another external_id.").
	Means("An event with another type, data or ordering_key has this external_id. The list of events shows it, by external_id.")

// isExternal reports whether the draft has an id of its publisher.
func (d Draft) isExternal() bool { return d.ExternalID != nil }

// digest identifies what an external id stands for: the type, the ordering key and the
// data as they were sent.
func (d Draft) digest() []byte {
	h := sha256.New()
	key := "-"
	if d.OrderingKey != nil {
		key = "+" + *d.OrderingKey
	}
	fmt.Fprintf(h, "%s\n%d\n%s\n", d.Type, len(key), key)
	h.Write(d.Data)
	return h.Sum(nil)
}

// claimed is an external id and the event that has it.
type claimed struct {
	ExternalID string
	EventID    id.Event
	Digest     []byte
	Kept       bool // the event is still stored
}

// publishExternal publishes drafts of which some have external ids. Those whose ids
// were published before, also earlier in drafts or at the same time by others, are the
// first event then, with Replayed.
func publishExternal(
	ctx context.Context, tx pg.Tx, org id.Org, cache *fanout.Cache, drafts []Draft, now time.Time,
) ([]Event, []id.WebhookEndpoint, error) {
	drafts = slices.Clone(drafts)
	first := map[string]int{} // where an external id is first
	for i := range drafts {
		d := &drafts[i]
		d.at = now.Add(time.Duration(i) * time.Microsecond)
		d.id = id.New[id.Event](d.at)
		if _, again := first[textOf(d.ExternalID)]; !again && d.isExternal() {
			first[*d.ExternalID] = i
		}
	}
	owners, err := claimAll(ctx, tx, org, drafts, first)
	if err != nil {
		return nil, nil, err
	}
	var fresh []Draft
	var places []int
	for i, d := range drafts {
		if owner := owners[textOf(d.ExternalID)]; d.isExternal() && !bytes.Equal(owner.Digest, d.digest()) {
			return nil, nil, usedBy(owner, i, drafts[first[*d.ExternalID]].id == owner.EventID)
		} else if !d.isExternal() || owner.EventID == d.id {
			fresh, places = append(fresh, d), append(places, i)
		}
	}
	made, due, err := publishCached(ctx, tx, org, cache, fresh, now)
	if err != nil {
		return nil, nil, placed(err, places)
	}
	events := make([]Event, len(drafts))
	byID := map[id.Event]Event{}
	for k, e := range made {
		events[places[k]], byID[e.ID] = e, e
	}
	for i, d := range drafts {
		if !events[i].ID.IsZero() {
			continue
		}
		owner := owners[*d.ExternalID].EventID
		e, published := byID[owner]
		if !published {
			if e, err = Get(ctx, tx, org, owner); errors.Is(err, ErrNotFound) {
				err = fault.ErrAway.Because(fmt.Errorf("event.publishExternal: %s was deleted in this moment", owner))
			}
			if err != nil {
				return nil, nil, err
			}
		}
		byID[owner] = e
		e.Replayed = true
		events[i] = e
	}
	return events, due, nil
}

func textOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// usedBy returns the fault of the event at a place, whose external id has another owner.
func usedBy(owner claimed, place int, isHere bool) error {
	other := owner.EventID.String()
	if isHere {
		other = "an earlier one in this batch"
	}
	f := *ErrExternalIDUsed
	f.Fields = []fault.Field{{Name: fmt.Sprintf("events[%d].external_id", place), Message: "is that of " + other + ", which differs"}}
	return &f
}

// placed names the fields of a fault by the places of the drafts in the whole batch.
func placed(err error, places []int) error {
	f := fault.Of(err)
	if f == nil || len(f.Fields) == 0 {
		return err
	}
	moved := *f
	moved.Fields = slices.Clone(f.Fields)
	for i := range moved.Fields {
		var k int
		var rest string
		if n, _ := fmt.Sscanf(moved.Fields[i].Name, "events[%d].%s", &k, &rest); n == 2 && k < len(places) {
			moved.Fields[i].Name = fmt.Sprintf("events[%d].%s", places[k], rest)
		}
	}
	return &moved
}

// claimAll gives each external id to its draft unless an event has it, and returns the
// owner of each. It waits for others that publish the same ids. The ids are claimed in
// order, before any ordering key is locked, so no two publishes wait for each other.
func claimAll(ctx context.Context, tx pg.Tx, org id.Org, drafts []Draft, first map[string]int) (map[string]claimed, error) {
	owners := map[string]claimed{}
	texts := make([]string, 0, len(first))
	for text := range first {
		texts = append(texts, text)
	}
	for try := 0; len(texts) > 0; try++ {
		slices.Sort(texts)
		if try == 3 {
			return nil, fault.ErrAway.Because(errors.New("event.claimAll: the external ids change hands again and again"))
		}
		ids, digests := make([]id.Event, len(texts)), make([][]byte, len(texts))
		for i, text := range texts {
			ids[i], digests[i] = drafts[first[text]].id, drafts[first[text]].digest()
		}
		if err := pg.Exec(ctx, tx, "event.claimAll", `
			INSERT INTO event_external_id (org_id, external_id, event_id, digest)
			SELECT $1, n.external_id, n.event_id, n.digest
			FROM unnest($2::text[], $3::uuid[], $4::bytea[]) WITH ORDINALITY AS n (external_id, event_id, digest, position) ORDER BY n.position
			ON CONFLICT (org_id, external_id) DO NOTHING`, org, texts, ids, digests); err != nil {
			return nil, err
		}
		// Another statement, because it has to see what others have committed since.
		found, err := pg.List[claimed](ctx, tx, "event.claimAll", `
			SELECT x.external_id, x.event_id, x.digest, EXISTS (SELECT FROM event e WHERE e.org_id = x.org_id AND e.id = x.event_id) AS kept
			FROM event_external_id x WHERE x.org_id = $1 AND x.external_id = ANY ($2) ORDER BY x.external_id COLLATE "C"`, org, texts)
		if err != nil {
			return nil, err
		}
		texts = slices.DeleteFunc(texts, func(text string) bool { // one that is not found was deleted in this moment: the id is free
			return slices.ContainsFunc(found, func(c claimed) bool { return c.ExternalID == text })
		})
		for _, c := range found {
			own := drafts[first[c.ExternalID]]
			if !c.Kept && c.EventID != own.id { // it was dropped: the id is free
				if err := pg.Exec(ctx, tx, "event.claimAll", `
					UPDATE event_external_id SET event_id = $4, digest = $5 WHERE org_id = $1 AND external_id = $2 AND event_id = $3`,
					org, c.ExternalID, c.EventID, own.id, own.digest()); err != nil {
					return nil, err
				}
				texts = append(texts, c.ExternalID)
				continue
			}
			owners[c.ExternalID] = c
		}
	}
	return owners, nil
}

// findExternal is List for an external id.
func findExternal(ctx context.Context, tx pg.Tx, org id.Org, f Filter) ([]Event, error) {
	from, until := f.bounds()
	list, err := pg.List[Event](ctx, tx, "event.findExternal", `
		SELECT `+columns+`, NULL::bytea AS payload FROM event e
		WHERE e.org_id = $1 AND e.id = (SELECT event_id FROM event_external_id WHERE org_id = $1 AND external_id = $2) AND e.id >= $3 AND e.id < $4`,
		org, f.ExternalID, from, until)
	return slices.DeleteFunc(list, func(e Event) bool { return !f.matches(e) }), err
}

// matches reports whether an event has the type and the ordering key of the filter, and
// may be shown.
func (f Filter) matches(e Event) bool {
	return (f.Among == nil || slices.Contains(f.Among, e.ID)) && (f.Type == "" || webhook.Names([]string{f.Type}, e.Type)) && (f.OrderingKey == "" || textOf(e.OrderingKey) == f.OrderingKey)
}

// ForgetExternalIDs removes up to limit external ids whose events' partitions were
// dropped, and returns how many.
func ForgetExternalIDs(ctx context.Context, db *pg.Worker, limit int) (int64, error) {
	return pg.Affect(ctx, db, "event.ForgetExternalIDs", `
		DELETE FROM event_external_id WHERE (org_id, external_id) IN (
			SELECT org_id, external_id FROM event_external_id WHERE event_id < (
				SELECT uuid_floor(min(to_date(right(c.relname, 7), 'YYYY_MM'))::timestamp AT TIME ZONE 'UTC')
				FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'event'::regclass)
			LIMIT $1)`, limit)
}
