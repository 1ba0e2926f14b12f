package stream

import (
	"context"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
)

// Range is what is to be replayed: from a number or a time on, up to one. 0 and nil
// mean the beginning and the end.
type Range struct {
	From, To     int64
	Since, Until *time.Time
}

// StartReplay sends the entries of a range again that the stream has passed. A replay
// that has not ended is replaced.
func StartReplay(ctx context.Context, tx pg.Tx, org id.Org, stream id.AuditStream, r Range, now time.Time) (Stream, error) {
	s, err := lock(ctx, tx, org, stream)
	if err != nil {
		return s, err
	}
	from, to, err := r.numbers(ctx, tx, org, s.Reached)
	if err != nil {
		return s, err
	}
	if r.From > s.Head {
		return s, fault.InvalidField("from", "must not be after the last entry of the log")
	}
	if from > to {
		return s, ErrNothingToReplay
	}
	s.Replay = &Replay{From: from, To: to, Reached: from - 1, At: now.Truncate(time.Microsecond)}
	s.NextTryAt = nil
	return s, s.save(ctx, tx, org)
}

// reorderedBy is longer than a transaction can last: entries that were made that much
// apart are in the chain in the order of their ids.
const reorderedBy = time.Minute

// placeOf is the place c of an entry e, in a join; as chain.EntryOf.
const placeOf = `LATERAL (SELECT number FROM audit_chain WHERE org_id = e.org_id AND entry_id = e.id LIMIT 1) c ON true`

// numbers returns the first and the last number of a range, none of which is after
// reached.
func (r Range) numbers(ctx context.Context, tx pg.Tx, org id.Org, reached int64) (from, to int64, err error) {
	from, to = max(r.From, 1), reached
	if r.To > 0 {
		to = min(to, r.To)
	}
	if r.Since != nil {
		found, err := pg.Value[*int64](ctx, tx, "stream.since", `
			SELECT min(c.number) FROM audit_entry e JOIN `+placeOf+`
			WHERE e.org_id = $1 AND e.id >= uuid_floor($2) AND e.id < uuid_floor($3::interval + (
				SELECT f.created_at FROM audit_entry f WHERE f.org_id = $1 AND f.id >= uuid_floor($2) ORDER BY f.id LIMIT 1))`,
			org, *r.Since, reorderedBy)
		if err != nil {
			return 0, 0, err
		}
		if found == nil {
			return 1, 0, nil
		}
		from = max(from, *found)
	}
	if r.Until != nil {
		found, err := pg.Value[*int64](ctx, tx, "stream.until", `
			SELECT max(c.number) FROM audit_entry e JOIN `+placeOf+`
			WHERE e.org_id = $1 AND e.id < uuid_floor($2) AND e.id >= uuid_floor(-$3::interval + (
				SELECT f.created_at FROM audit_entry f WHERE f.org_id = $1 AND f.id < uuid_floor($2) ORDER BY f.id DESC LIMIT 1))`,
			org, *r.Until, reorderedBy)
		if err != nil {
			return 0, 0, err
		}
		if found == nil {
			return 1, 0, nil
		}
		to = min(to, *found)
	}
	return from, to, nil
}
