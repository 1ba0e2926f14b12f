package restore

import (
	"context"
	"errors"
	"fmt"

	"portico/shared/audit/archive"
	"portico/shared/audit/chain"
	"portico/shared/audit/record"
	"portico/shared/bucket"
	"portico/shared/id"
	"portico/shared/pg"
)

// plan is what a log needs. It is made before anything is written, from objects that are
// all verified.
type plan struct {
	kept   chain.Head // the last entry that the database has as the archive, with all before
	object int64      // with which number the object begins that has the entry after it
	lost   bool       // the database does not have the entry before the first object
	head   head
}

// head is the row of audit_head. Zeros: there is none.
type head struct {
	Number     int64
	Hash       []byte
	First      int64
	HashBefore []byte
	Archived   int64
	Restoring  bool
}

const readHead = `
	SELECT coalesce(h.number, 0) AS number, h.hash, coalesce(h.first, 1) AS first, h.hash_before, coalesce(h.archived, 0) AS archived, h.restoring IS NOT NULL AS restoring
	FROM (SELECT) AS once LEFT JOIN audit_head h ON h.org_id = $1`

// plan reads the archive from a number on, and compares it with the database.
func (w *work) plan(ctx context.Context, from int64) (p plan, err error) {
	var start int64
	var known *record.Hash // of the entry before start, in the database
	err = w.in(ctx, func(tx pg.Tx) (err error) {
		if p.head, err = pg.Value[head](ctx, tx, "restore.plan", readHead, w.id()); err == nil {
			start, known, err = w.start(ctx, tx, p.head, from)
		}
		return err
	})
	if err != nil {
		return p, err
	}
	err = w.walk(ctx, &p, start, known)
	if errors.Is(err, errOther) && from == 0 && start > 1 {
		return p, w.walk(ctx, &p, 1, &record.Hash{})
	}
	return p, err
}

// start returns where to read the archive from, and the hash before in the database. nil:
// the database does not know it. An object is found only by its first number: the
// database knows one where an object ended, in audit_head.archived. Otherwise the first
// object is the one of number 1.
func (w *work) start(ctx context.Context, tx pg.Tx, h head, from int64) (start int64, known *record.Hash, err error) {
	start = from
	if from == 0 {
		start = h.Archived + 1
	}
	hash, found, err := chain.At(ctx, tx, w.log.Org, start-1)
	switch {
	case err != nil:
		return 0, nil, err
	case from == 0 && (start > w.anchor.Number && (chain.Head{Number: start - 1, Hash: hash}) != w.anchor || !found && start > h.First):
		return 1, &record.Hash{}, nil
	case found:
		return start, &hash, nil
	}
	return start, nil, nil
}

// errOther is returned if the database has another entry before the first object.
var errOther = errors.New("the database has another entry before it")

// walk verifies all objects up to the end of the archive, each with the one before and the
// last with the anchor, and finds the last entry that the database has as well. An object
// behind the anchor is of an archiver that died.
func (w *work) walk(ctx context.Context, p *plan, start int64, known *record.Hash) error {
	at := chain.Head{Number: start - 1}
	if known != nil {
		at.Hash = *known
	}
	p.kept, p.object, p.lost = at, start, known == nil && start > p.head.First
	whole := !p.lost
	for objects := 1; ; objects++ {
		b, err := archive.Get(ctx, w.Bucket, w.log, at.Number+1)
		if at.Number >= w.anchor.Number && isAbsent(err) {
			w.end = at
			return nil
		}
		if objects == 1 && known == nil && err == nil {
			at, p.kept = b.Before, b.Before
		}
		if err = w.follows(b, at, start, err); err != nil {
			return err
		}
		if whole {
			if whole, err = w.compare(ctx, p, b); err != nil {
				return err
			}
		}
		if at = b.Head(); objects%100 == 0 {
			w.Progress("%s: %d objects up to the entry %d are verified", w.log, objects, at.Number)
		}
	}
}

// follows returns an error unless the object could be read, follows the entry before it,
// and ends with the anchor's entry if it has that.
func (w *work) follows(b archive.Batch, before chain.Head, start int64, err error) error {
	first := before.Number + 1
	switch {
	case isAbsent(err):
		return fmt.Errorf(`%w; it is not there, or may not be read. If the first objects were deleted because their locks had ended, name the number with which the first one that is left begins as "from"`, err)
	case err != nil:
		return err
	case b.Before != before && first == start:
		return fmt.Errorf("%w: %w: the object from %d on", archive.ErrDiffers, errOther, first)
	case b.Before != before:
		return fmt.Errorf("%w: the object from %d on does not follow the one before", archive.ErrDiffers, first)
	case first <= w.anchor.Number && b.Head().Number >= w.anchor.Number && b.Head() != w.anchor:
		return fmt.Errorf("%w: the object from %d on does not end with the entry %d that the anchor has", archive.ErrDiffers, first, w.anchor.Number)
	}
	return nil
}

// isAbsent reports whether there is no such object: the function may not list the bucket.
func isAbsent(err error) bool { return errors.Is(err, bucket.ErrAbsent) || bucket.IsDenied(err) }

// place is one of the database's chain.
type place struct {
	Number int64
	Entry  id.AuditEntry
	Hash   []byte
	Found  bool // its entry is there
}

// compare moves p.kept to the last entry of the object that the database has as well, with
// all before. It returns whether these are all. Entries before the first one that the
// database keeps are not compared.
func (w *work) compare(ctx context.Context, p *plan, b archive.Batch) (whole bool, err error) {
	p.object = b.Before.Number + 1
	var places []place
	err = w.in(ctx, func(tx pg.Tx) (err error) {
		places, err = pg.List[place](ctx, tx, "restore.compare", `
			SELECT c.number, c.entry_id AS entry, c.hash, e.id IS NOT NULL AS found
			FROM audit_chain c LEFT JOIN `+chain.EntryOf+`
			WHERE c.org_id = $1 AND c.number BETWEEN $2 AND $3 ORDER BY c.number, c.entry_id`, w.id(), max(p.object, p.head.First), b.Head().Number)
		return err
	})
	if err != nil {
		return false, err
	}
	for _, e := range b.Entries {
		switch {
		case e.Number == p.head.First-1 && e.Hash != record.Hash(p.head.HashBefore):
			return false, fmt.Errorf("%w: the chain in the database begins behind another entry %d", archive.ErrDiffers, e.Number)
		case e.Number < p.head.First:
		case len(places) == 0 || !places[0].is(e) || len(places) > 1 && places[1].Number == e.Number:
			return false, nil
		default:
			places = places[1:]
		}
		p.kept = chain.Head{Number: e.Number, Hash: e.Hash}
	}
	p.object = b.Head().Number + 1
	return true, nil
}

// is reports whether it is the place of the entry, which is there unless it was missing
// when it was archived.
func (p place) is(e chain.Linked) bool {
	return p.Number == e.Number && p.Entry == e.Entry && record.Hash(p.Hash) == e.Hash && (p.Found || e.Missing)
}
