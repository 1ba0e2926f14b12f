package export

import (
	"bytes"
	"context"
	"errors"
	"time"

	"portico/shared/audit/chain"
	"portico/shared/bucket"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
)

const (
	// readAtOnce is how many entries are read at a time: each may be large.
	readAtOnce = 100
	// examineAtOnce bounds how many entries a step looks at, and so how long it takes.
	examineAtOnce = 50_000
	// partSize is from how many bytes on a part is written.
	partSize = 8 << 20
	// stepAtMost bounds how long a step takes.
	stepAtMost = 25 * time.Second
	// chainedWithin is how long a step waits for the sequencer until it looks again.
	chainedWithin = time.Second
	// apartAtMost is how far the order of the chain and that of times can be apart: a
	// transaction does not last longer, see claim.quietFor.
	apartAtMost = 2 * time.Minute
)

// Args are the arguments of an export's job.
type Args struct {
	Export id.AuditExport `json:"export"`
}

// kind is the job without its bucket, with which it is added.
var kind = job.Kind[Args]{Name: "audit_export.run", Queue: job.Bulk, Timeout: stepAtMost, PerOrg: 2, InAll: 4}

// Kind is the job of an export. A step writes a part of the file to S3 before it
// commits. After a kill the next try writes the same part again, in its place.
func Kind(b *bucket.Bucket) job.Kind[Args] {
	k := kind
	k.Work = job.Steps(func(ctx context.Context, tx pg.Tx, j job.Job, args Args, _ struct{}) (none struct{}, more bool, err error) {
		w, err := lock(ctx, tx, j.Org, args.Export)
		if errors.Is(err, ErrNotFound) || err == nil && w.Status != Running {
			return none, false, nil
		}
		if err != nil {
			return none, false, err
		}
		w.bucket, w.tx, w.org = b, tx, j.Org
		do := w.write
		if w.LastNumber == nil {
			do = w.begin
		}
		if err := do(ctx); err != nil {
			return none, false, err
		}
		j.Progress(w.Examined(), *w.Total(), "")
		return none, w.Status == Running, w.save(ctx, tx, j.Org)
	})
	return k
}

// writing is an export that a step writes.
type writing struct {
	Export
	Upload *string  // nil: there is no upload yet
	Parts  []string // the tags of the parts
	Rest   []byte   // what is in no part yet

	bucket *bucket.Bucket
	tx     pg.Tx
	org    id.Org
}

// lock returns an export that nobody else changes until the transaction ends.
func lock(ctx context.Context, tx pg.Tx, org id.Org, export id.AuditExport) (writing, error) {
	return pg.One[writing](ctx, tx, "export.lock", ErrNotFound, `
		SELECT `+columns+`, status, false AS failing, upload, parts, rest FROM audit_export WHERE org_id = $1 AND id = $2 FOR NO KEY UPDATE`, org, export)
}

// save writes how far the export has come.
func (w *writing) save(ctx context.Context, tx pg.Tx, org id.Org) error {
	return pg.Exec(ctx, tx, "export.save", `
		UPDATE audit_export SET status = $3, first_number = $4, last_number = $5, last_hash = $6, next_number = $7, entries = $8, size = $9,
			upload = $10, parts = $11, rest = $12, finished_at = CASE WHEN $3 <> 'running' THEN portico_now() END
		WHERE org_id = $1 AND id = $2`,
		org, w.ID, w.Status, w.FirstNumber, w.LastNumber, w.LastHash, w.NextNumber, w.Entries, w.Size, w.Upload, append([]string{}, w.Parts...), append([]byte{}, w.Rest...))
}

// begin finds the range of numbers: up to the end of the chain, once it has all entries
// that were there when the export was asked for.
func (w *writing) begin(ctx context.Context) error {
	waits, err := pg.Value[bool](ctx, w.tx, "export.begin", `SELECT EXISTS (SELECT FROM audit_unchained WHERE org_id = $1 AND entry_id < $2)`,
		w.org, id.Floor[id.AuditEntry](w.CreatedAt))
	if err != nil {
		return err
	}
	if waits {
		return job.Snooze(chainedWithin)
	}
	kept, err := pg.Value[kept](ctx, w.tx, "export.begin", `
		SELECT coalesce(max(first), 1) AS first, coalesce(max(number), 0) AS last FROM audit_head WHERE org_id = $1`, w.org)
	if err != nil {
		return err
	}
	first, last := kept.First, kept.Last
	if since := w.Filter.Since; !since.IsZero() {
		if first, err = w.firstAt(ctx, since.Add(-apartAtMost), kept); err != nil {
			return err
		}
	}
	if until := w.Filter.Until; !until.IsZero() {
		after, err := w.firstAt(ctx, until.Add(apartAtMost), kept)
		if err != nil {
			return err
		}
		last = after - 1
	}
	w.FirstNumber, w.NextNumber, w.LastNumber = first, first, &last
	if w.Format == CSV {
		w.add(header())
	}
	return nil
}

// kept are the numbers of the entries that are kept.
type kept struct{ First, Last int64 }

// firstAt returns a number from which on all entries are of at or later, give or take
// apartAtMost; the last one + 1: there is none.
func (w *writing) firstAt(ctx context.Context, at time.Time, all kept) (int64, error) {
	low, high := all.First, all.Last+1
	for low < high {
		middle := (low + high) / 2
		isLater, err := pg.Value[bool](ctx, w.tx, "export.firstAt", `
			SELECT coalesce((SELECT e.created_at >= $3 FROM audit_chain c JOIN `+chain.EntryOf+`
				WHERE c.org_id = $1 AND c.number >= $2 ORDER BY c.number LIMIT 1), true)`, w.org, middle, at)
		if err != nil {
			return 0, err
		}
		if isLater {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low, nil
}

// write looks at the next entries, and writes a part of the file when there is enough
// for one, or no more.
func (w *writing) write(ctx context.Context) error {
	for stop := w.NextNumber + examineAtOnce; w.NextNumber <= *w.LastNumber && w.NextNumber < stop && len(w.Rest) < partSize; {
		to := min(w.NextNumber+readAtOnce-1, *w.LastNumber)
		some, err := chain.ListSelected(ctx, w.tx, w.org, w.Filter, w.NextNumber, to)
		if err != nil {
			return err
		}
		if int64(len(some)) < to-w.NextNumber+1 {
			if gone, err := w.followTrim(ctx); gone || err != nil {
				return err
			}
		}
		for _, s := range some {
			w.addEntry(s)
		}
		w.NextNumber = to + 1
	}
	isLast := w.NextNumber > *w.LastNumber
	err := w.put(ctx, isLast)
	if errors.Is(err, bucket.ErrUpload) {
		w.restart()
		return nil
	}
	if err == nil && isLast {
		w.Status, w.Rest, w.Upload, w.Parts = Succeeded, nil, nil, nil
	}
	return err
}

// followTrim begins the file again at the first entry that is kept, if the retention has
// removed entries that the file does not have yet: it never has a gap. The customer sees
// with which number it begins.
func (w *writing) followTrim(ctx context.Context) (gone bool, err error) {
	first, err := pg.Value[int64](ctx, w.tx, "export.followTrim", `SELECT first FROM audit_head WHERE org_id = $1`, w.org)
	if err != nil || first <= w.NextNumber {
		return false, err
	}
	w.FirstNumber, *w.LastNumber = first, max(*w.LastNumber, first-1)
	w.restart()
	return true, nil
}

// restart begins the file again, because S3 has lost its upload or the log begins later.
func (w *writing) restart() {
	w.NextNumber, w.Entries, w.Size, w.LastHash, w.Upload, w.Parts, w.Rest = w.FirstNumber, 0, 0, nil, nil, nil, nil
	if w.Format == CSV {
		w.add(header())
	}
}

func (w *writing) addEntry(s chain.Selected) {
	w.LastHash = s.Hash[:]
	switch {
	case !s.Entry.Found:
		return
	case s.InTime && s.Matches && w.Format == CSV:
		w.add(row(s.Line))
	case s.InTime && s.Matches:
		w.add(s.Encode())
	case w.Format == NDJSON && !s.InTime && !w.Filter.IsPartial():
		s.Outside = true
		w.add(s.Encode())
		return
	default:
		return
	}
	w.Entries++
}

func (w *writing) add(text []byte) {
	w.Rest = append(w.Rest, text...)
	w.Size += int64(len(text))
}

// put writes a part, if there is enough for one. A short file is written at once.
func (w *writing) put(ctx context.Context, isLast bool) (err error) {
	object := bucket.Object{ContentType: contentTypes[w.Format]}
	switch {
	case isLast && w.Upload == nil:
		return w.bucket.Put(ctx, w.key(w.org), bytes.NewReader(w.Rest), object)
	case !isLast && len(w.Rest) < partSize:
		return nil
	case w.Upload == nil:
		upload, err := w.bucket.Begin(ctx, w.key(w.org), object)
		if err != nil {
			return err
		}
		w.Upload = &upload
	}
	if len(w.Rest) > 0 {
		tag, err := w.bucket.PutPart(ctx, w.key(w.org), *w.Upload, int32(len(w.Parts)+1), w.Rest)
		if err != nil {
			return err
		}
		w.Parts, w.Rest = append(w.Parts, tag), nil
	}
	if isLast {
		return w.bucket.Complete(ctx, w.key(w.org), *w.Upload, w.Parts)
	}
	return nil
}

var contentTypes = map[string]string{CSV: "text/csv; charset=utf-8", NDJSON: "application/x-ndjson"}
