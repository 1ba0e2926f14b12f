package restore

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"portico/shared/audit"
	"portico/shared/audit/archive"
	"portico/shared/audit/chain"
	"portico/shared/id"
	"portico/shared/pg"
)

// putAll puts back the entries of the archive from the last one that agrees on, in
// batches that are each a transaction. The chain is whole after each of them.
func (w *work) putAll(ctx context.Context, p plan) error {
	oldest, err := w.oldestKept(ctx)
	at := p.kept
	for first := p.object; err == nil && at.Number < w.end.Number; first = at.Number + 1 {
		var b archive.Batch
		if b, err = archive.Get(ctx, w.Bucket, w.log, first); err != nil {
			return err
		}
		for rest := b.Entries[at.Number-b.Before.Number:]; len(rest) > 0 && err == nil; {
			part := rest[:min(len(rest), entriesAtOnce)]
			rest = rest[len(part):]
			if at, err = w.put(ctx, at, part, oldest, len(rest) == 0); err == nil {
				w.Progress("%s: the entries up to %d are put back", w.log, at.Number)
				w.at("put")
			}
		}
	}
	return err
}

// oldestKept returns the lowest id of the first quarter that retention has not dropped.
func (w *work) oldestKept(ctx context.Context) (oldest id.AuditEntry, err error) {
	err = w.in(ctx, func(tx pg.Tx) (err error) {
		oldest, err = pg.Value[id.AuditEntry](ctx, tx, "restore.oldestKept",
			`SELECT uuid_floor(date_trunc('quarter', portico_now() - greatest($1, interval '1 day'), 'UTC'))`, w.Keep)
		return err
	})
	return oldest, err
}

// put puts back entries that follow an entry, and returns the last. ends says that an
// object ends with them. Those that are too old to be kept are left out, with all before.
func (w *work) put(ctx context.Context, before chain.Head, part []chain.Linked, oldest id.AuditEntry, ends bool) (at chain.Head, err error) {
	last := part[len(part)-1]
	at = chain.Head{Number: last.Number, Hash: last.Hash}
	kept, left := part, before
	for i, e := range part {
		if bytes.Compare(e.Entry.UUID[:], oldest.UUID[:]) < 0 {
			kept, left = part[i+1:], chain.Head{Number: e.Number, Hash: e.Hash}
		}
	}
	if err := w.makePartitions(ctx, kept); err != nil {
		return before, err
	}
	err = w.in(ctx, func(tx pg.Tx) error {
		if err := w.lock(ctx, tx, before); err != nil {
			return err
		}
		if err := rowsOf(kept).write(ctx, tx, w.id()); err != nil {
			return err
		}
		w.at("written")
		return pg.Exec(ctx, tx, "restore.put", `
			UPDATE audit_head SET number = $2, hash = $3, archived = CASE WHEN $4 THEN $2 ELSE archived END,
				first = CASE WHEN $5 THEN $6::bigint + 1 ELSE first END, hash_before = CASE WHEN $5 THEN $7 ELSE hash_before END
			WHERE org_id = $1`, w.id(), at.Number, at.Hash[:], ends, left != before, left.Number, left.Hash[:])
	})
	if err != nil {
		return before, err
	}
	return at, nil
}

// lock locks the head and the organization, so that it is not closed meanwhile.
func (w *work) lock(ctx context.Context, tx pg.Tx, before chain.Head) error {
	list, err := pg.List[int64](ctx, tx, "restore.lock", `
		SELECT h.number FROM audit_head h JOIN organization o ON o.id = h.org_id
		WHERE h.org_id = $1 AND h.number = $2 AND h.hash = $3 AND h.restoring IS NOT NULL AND o.deleted_at IS NULL
		FOR UPDATE OF h FOR SHARE OF o`, w.id(), before.Number, before.Hash[:])
	if err == nil && len(list) == 0 {
		err = errElsewhere
	}
	return err
}

// makePartitions makes the quarters of the entries if there are none.
func (w *work) makePartitions(ctx context.Context, entries []chain.Linked) error {
	if len(entries) == 0 {
		return nil
	}
	first, last := madeAt(entries[0].Entry), madeAt(entries[0].Entry)
	for _, e := range entries {
		if at := madeAt(e.Entry); at.Before(first) {
			first = at
		} else if at.After(last) {
			last = at
		}
	}
	return w.in(ctx, func(tx pg.Tx) error {
		return pg.Exec(ctx, tx, "restore.makePartitions", `
			SELECT make_partitions($1) WHERE EXISTS (
				SELECT FROM generate_series(date_trunc('quarter', $1::timestamptz AT TIME ZONE 'UTC'), $2::timestamptz AT TIME ZONE 'UTC', interval '3 months') AS q
				WHERE to_regclass('audit_entry' || to_char(q, '_YYYY_MM')) IS NULL)`, first, last)
	})
}

// madeAt returns the time with which an id starts; it decides the partition.
func madeAt(e id.AuditEntry) time.Time {
	var millis [8]byte
	copy(millis[2:], e.UUID[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(millis[:])))
}

// rows are what is written of some entries: their places, and what the archive has of them.
type rows struct {
	ids                           [][16]byte
	numbers                       []int64
	personals, hashes             [][]byte
	entries                       [][16]byte // of those that were not missing, as all that follows
	actions, categories, outcomes []string
	actorTypes, actorIDs          []string
	targets, befores, afters      []*string
	requests                      []string
	times                         []time.Time
}

func rowsOf(list []chain.Linked) (r rows) {
	for _, e := range list {
		r.ids, r.numbers = append(r.ids, e.Entry.UUID), append(r.numbers, e.Number)
		r.personals, r.hashes = append(r.personals, e.Personal[:]), append(r.hashes, e.Hash[:])
		if e.Missing {
			continue
		}
		category := audit.Configuration // of an action that the registry does not have any more
		if action, found := audit.Find(e.Action); found {
			category = action.Category
		}
		r.entries, r.actions, r.categories, r.outcomes = append(r.entries, e.Entry.UUID), append(r.actions, e.Action), append(r.categories, string(category)), append(r.outcomes, e.Outcome)
		r.actorTypes, r.actorIDs, r.requests, r.times = append(r.actorTypes, e.ActorType), append(r.actorIDs, e.ActorID), append(r.requests, e.RequestID), append(r.times, e.CreatedAt)
		r.targets, r.befores, r.afters = append(r.targets, text(e.Targets)), append(r.befores, text(e.Before)), append(r.afters, text(e.After))
	}
	return r
}

func text(json []byte) *string {
	if json == nil {
		return nil
	}
	return new(string(json))
}

// write writes the rows. An entry that is there keeps what it has, also its personal
// fields; of the others these are erased.
func (r rows) write(ctx context.Context, tx pg.Tx, org [16]byte) error {
	if len(r.ids) == 0 {
		return nil
	}
	err := pg.Exec(ctx, tx, "restore.entries", `
		WITH e AS (
			SELECT * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::timestamptz[])
				AS e (id, action, category, outcome, actor_type, actor_id, targets, before, after, request_id, created_at)
		), entry AS (
			INSERT INTO audit_entry (org_id, id, action, category, outcome, actor_type, actor_id, targets, before, after, request_id, created_at, user_agent, salt)
			SELECT $1, id, action, category, outcome, actor_type, actor_id, targets::json, before::json, after::json, request_id, created_at, '', NULL FROM e
			ON CONFLICT (org_id, id) DO NOTHING
		)
		INSERT INTO audit_target (org_id, target_id, entry_id)
		SELECT DISTINCT $1::uuid, t ->> 'id', e.id FROM e CROSS JOIN json_array_elements(e.targets::json) AS t ON CONFLICT DO NOTHING`,
		org, r.entries, r.actions, r.categories, r.outcomes, r.actorTypes, r.actorIDs, r.targets, r.befores, r.afters, r.requests, r.times)
	if err != nil {
		return fmt.Errorf("the entries from %d on: %w", r.numbers[0], err)
	}
	return pg.Exec(ctx, tx, "restore.places", `
		WITH gone AS (DELETE FROM audit_unchained WHERE org_id = $1 AND entry_id = ANY ($3))
		INSERT INTO audit_chain (org_id, number, entry_id, personal_hash, hash) SELECT $1, * FROM unnest($2::bigint[], $3::uuid[], $4::bytea[], $5::bytea[])`,
		org, r.numbers, r.ids, r.personals, r.hashes)
}
