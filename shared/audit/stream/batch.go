package stream

import (
	"context"
	"fmt"
	"time"

	"portico/shared/audit/chain"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
)

const (
	// atOnce bounds how many entries of the log are looked at for one batch.
	atOnce = 1000
	// MaxEntries and maxBytes bound a batch. The bytes are those of before, after and
	// targets; a batch has at least one entry, whatever its size.
	MaxEntries = 500
	maxBytes   = 1 << 20
)

// Part is which entries a batch has.
type Part string

// The parts. "": there is nothing to send.
const (
	Live     Part = "live"   // as they come
	Replayed Part = "replay" // that were sent before
	Trial    Part = "test"   // a test entry
)

// Batch is what a stream sends next: the selected entries with numbers after From, up to
// To. A repetition has the same ids.
type Batch struct {
	Part     Part
	Stream   Stream
	Secrets  []string // the newest first; only the first one is used to log in
	From, To int64
	Entries  []Entry // may be empty: none of the range is selected
	// Wait is how long nothing may be sent, because a try has failed. 0: it may.
	Wait time.Duration
}

// ID is the same for a repetition of the batch.
func (b Batch) ID() string {
	switch b.Part {
	case Trial:
		return fmt.Sprintf("%s-test-%s", b.Stream.ID, b.Stream.TestID)
	case Replayed:
		return fmt.Sprintf("%s-%d-%d-r%d", b.Stream.ID, b.From+1, b.To, b.Stream.Replay.At.UnixMicro())
	}
	return fmt.Sprintf("%s-%d-%d", b.Stream.ID, b.From+1, b.To)
}

// sealed has the secrets of a stream.
type sealed struct {
	SealedSecret, OldSealedSecret []byte
	Now                           time.Time
}

// Load returns what a stream sends next. A test comes first, then what is new, then a
// replay.
func Load(ctx context.Context, tx pg.Tx, org id.Org, stream id.AuditStream, box *secret.Box) (Batch, error) {
	s, err := Get(ctx, tx, org, stream)
	if err != nil {
		return Batch{}, err
	}
	kept, err := pg.One[sealed](ctx, tx, "stream.Load", ErrNotFound, `
		SELECT sealed_secret, CASE WHEN old_secret_expires_at > portico_now() THEN old_sealed_secret END AS old_sealed_secret, portico_now() AS now
		FROM audit_stream WHERE org_id = $1 AND id = $2`, org, stream)
	if err != nil {
		return Batch{}, err
	}
	b := Batch{Stream: s}
	if b.choose(kept.Now); b.Part == "" {
		return b, nil
	}
	if b.Secrets, err = open(box, org, stream, kept.SealedSecret, kept.OldSealedSecret); err != nil || b.Part == Trial {
		return b, err
	}
	return b, b.read(ctx, tx, org)
}

// choose sets which part is next, and its range.
func (b *Batch) choose(now time.Time) {
	s := b.Stream
	switch {
	case !s.TestID.IsZero():
		b.Part, b.Entries = Trial, []Entry{testEntry(s)}
	case s.Status == Paused || s.Reached >= s.Head && s.Replay.Done():
	case s.NextTryAt != nil && s.NextTryAt.After(now):
		b.Wait = s.NextTryAt.Sub(now)
	case s.Reached < s.Head:
		b.Part, b.From, b.To = Live, s.Reached, min(s.Reached+atOnce, s.Head)
	default:
		b.Part, b.From, b.To = Replayed, s.Replay.Reached, min(s.Replay.Reached+atOnce, s.Replay.To)
	}
}

// limit returns how many entries a batch may have, and whether they are reduced.
func (s Stream) limit() (entries int, reduced bool) {
	if s.BatchLimit == nil {
		return MaxEntries, false
	}
	return max(1, *s.BatchLimit), *s.BatchLimit == 0
}

// read reads the selected entries of the range. If not all fit into the batch, it ends
// the range behind the last one that does.
func (b *Batch) read(ctx context.Context, tx pg.Tx, org id.Org) error {
	f := b.Stream.Filter
	limit, reduced := b.Stream.limit()
	found, err := pg.List[placed](ctx, tx, "stream.read", `
		WITH place AS MATERIALIZED (
			SELECT org_id, number, entry_id, hash FROM audit_chain WHERE org_id = $1 AND number > $2 AND number <= $3
		), selected AS MATERIALIZED (
			SELECT c.number, lead(c.number) OVER (ORDER BY c.number) AS next, row_number() OVER (ORDER BY c.number) AS position,
				sum(coalesce(octet_length(e.before::text), 0) + coalesce(octet_length(e.after::text), 0) + octet_length(e.targets::text))
					OVER (ORDER BY c.number) AS bytes
			FROM place c JOIN `+chain.EntryOf+`
			WHERE (cardinality($4::text[]) = 0 OR e.category = ANY ($4)) AND (cardinality($5::text[]) = 0 OR e.outcome = ANY ($5))
				AND (cardinality($6::text[]) = 0 OR e.action = ANY ($6) OR e.noun || '.*' = ANY ($6))
			ORDER BY c.number LIMIT $7
		)
		SELECT `+entryColumns+`, s.next
		FROM selected s JOIN place c ON c.number = s.number JOIN `+chain.EntryOf+`
		WHERE s.bytes <= $8 OR s.position = 1
		ORDER BY c.number`, org, b.From, b.To, list(f.Categories), list(f.Outcomes), list(f.Actions), limit, maxBytes)
	if err != nil {
		return err
	}
	for _, p := range found {
		if reduced {
			p.Entry = p.reduce()
		}
		b.Entries = append(b.Entries, p.Entry)
	}
	if n := len(found); n > 0 && found[n-1].next != nil {
		b.To = found[n-1].Number
	}
	return nil
}
