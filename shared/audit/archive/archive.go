package archive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"portico/shared/audit/anchor"
	"portico/shared/audit/chain"
	"portico/shared/bucket"
	"portico/shared/clock"
	"portico/shared/observe"
	"portico/shared/pg"
)

const (
	// entriesAtOnce and bytesAtOnce bound an object, and the memory for it. An entry of
	// more bytes gets an object of its own.
	entriesAtOnce = 5000
	bytesAtOnce   = 8 << 20
)

// ErrDiffers is returned when the chain is not what the archive has of it: one of them
// was forged, or the database was set back to an earlier time.
var ErrDiffers = errors.New("archive: the chain differs from the archive")

// keyOf returns that of the object that begins with a number. So no two objects begin with
// the same one, however many entries they have.
func keyOf(log anchor.Log, first int64) string { return fmt.Sprintf("%s/%019d.ndjson.gz", log, first) }

// Get reads the object of a log that begins with a number, and verifies it by itself. The
// error names the object.
func Get(ctx context.Context, from *bucket.Bucket, log anchor.Log, first int64) (b Batch, err error) {
	object, err := from.Get(ctx, keyOf(log, first), maxObject)
	if err == nil {
		b, err = decode(log, object)
	}
	if err == nil && b.Before.Number != first-1 {
		err = fmt.Errorf("%w: it begins with the entry %d", ErrDiffers, b.Before.Number+1)
	}
	if err != nil {
		return b, fmt.Errorf("the object %s of the archive: %w", keyOf(log, first), err)
	}
	return b, nil
}

// Archiver writes the archive. The order of its writes is the object, the anchor, the
// number in Postgres. If it dies in between, the next one finds what stands there.
type Archiver struct {
	DB      *pg.DB
	Bucket  *bucket.Bucket
	Anchors anchor.Table
	Clock   *clock.Clock
	Log     *observe.Log
	// Crash is called between the writes, so that tests can kill it there.
	Crash func(point string)
}

// archive archives one batch of a log, and returns the end of the archive. full means
// that there is at once more to do.
func (a *Archiver) archive(ctx context.Context, log anchor.Log) (at chain.Head, full bool, err error) {
	var b Batch
	defer func() { a.report(ctx, log, b, at, err) }()
	from, err := a.Anchors.Read(ctx, log)
	if err != nil {
		return from, false, err
	}
	if b, full, err = a.read(ctx, log, from); err != nil || len(b.Entries) == 0 {
		return from, false, err
	}
	if err := b.check(log.Org); err != nil {
		return from, false, err
	}
	a.at("read")
	object, beside := b.encode(log)
	head := b.Head()
	switch err := a.Bucket.PutNew(ctx, keyOf(log, from.Number+1), object, beside); {
	case errors.Is(err, bucket.ErrExists):
		if head, err = a.find(ctx, log, from, head); err != nil {
			return from, false, err
		}
	case err != nil:
		return from, false, err
	}
	a.at("put")
	moved, err := a.Anchors.Advance(ctx, log, from, head)
	a.at("anchored")
	return moved, full || head.Number < b.Head().Number, err
}

// read returns the entries after the anchor, and whether there are more than one object
// may have. Their chain must have the anchor's entry.
func (a *Archiver) read(ctx context.Context, log anchor.Log, from chain.Head) (b Batch, full bool, err error) {
	b.Before = from
	err = a.in(ctx, log, func(tx pg.Tx) error {
		hash, found, err := chain.At(ctx, tx, log.Org, from.Number)
		if err == nil && (!found || hash != from.Hash) {
			err = fmt.Errorf("%w: the entry %d is not the archived one", ErrDiffers, from.Number)
		}
		if err != nil {
			return err
		}
		if b.Entries, err = chain.List(ctx, tx, log.Org, from.Number+1, entriesAtOnce, bytesAtOnce); err == nil && len(b.Entries) > 0 {
			_, full, err = chain.At(ctx, tx, log.Org, b.Head().Number+1)
		}
		return err
	})
	return b, full, err
}

// find returns the end of the object that follows the anchor. It stands there because an
// archiver died before it moved the anchor, or is about to do so. It must be of this
// chain, which has at least its entries.
func (a *Archiver) find(ctx context.Context, log anchor.Log, from, end chain.Head) (head chain.Head, err error) {
	there, err := Get(ctx, a.Bucket, log, from.Number+1)
	if err != nil {
		return head, err
	}
	head = there.Head()
	err = a.in(ctx, log, func(tx pg.Tx) error {
		hash, found, err := chain.At(ctx, tx, log.Org, head.Number)
		if err == nil && (!found || hash != head.Hash || there.Before != from) {
			err = fmt.Errorf("%w: the object from %d on has another entry %d", ErrDiffers, from.Number+1, min(head.Number, end.Number))
		}
		return err
	})
	return head, err
}

// in runs a short transaction in which the log is read.
func (a *Archiver) in(ctx context.Context, log anchor.Log, fn func(pg.Tx) error) error {
	if log.Org.IsZero() {
		return a.DB.PlatformIn(ctx, log.Database, fn)
	}
	return a.DB.InOrg(ctx, log.Org, fn)
}

// report writes a line about a batch. An alarm watches how long its oldest entry waited.
func (a *Archiver) report(ctx context.Context, log anchor.Log, b Batch, at chain.Head, err error) {
	if err == nil && len(b.Entries) == 0 {
		return
	}
	var oldest time.Time
	if len(b.Entries) > 0 {
		oldest = b.Entries[0].CreatedAt
	} else if oldest = a.oldest(ctx, log); oldest.IsZero() {
		oldest = a.Clock.Now() // it is not known
	}
	level, message, what := slog.LevelInfo, "audit entries archived", slog.Int64("number", at.Number)
	if err != nil {
		level, message, what = slog.LevelError, "audit entries could not be archived; they wait", slog.String("cause", err.Error())
	}
	a.Log.Line(ctx, level, message, []observe.Metric{
		observe.One("OldestUnarchivedAge", observe.Seconds, max(a.Clock.Now().Sub(oldest), 0).Seconds()),
	}, slog.String("log", log.String()), what)
}

// oldest returns when the first entry was written that Postgres does not know to be
// archived; zero: there is none, or Postgres is away, too.
func (a *Archiver) oldest(ctx context.Context, log anchor.Log) (at time.Time) {
	_ = a.in(ctx, log, func(tx pg.Tx) error {
		return tx.QueryRow(ctx, `
			SELECT e.created_at FROM audit_head h
			JOIN audit_chain c ON c.org_id = h.org_id AND c.number = h.archived + 1
			JOIN `+chain.EntryOf+`
			WHERE h.org_id = $1`, [16]byte(log.Org.UUID)).Scan(&at)
	})
	return at
}

func (a *Archiver) at(point string) {
	if a.Crash != nil {
		a.Crash(point)
	}
}
