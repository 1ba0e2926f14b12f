package record

import "portico/shared/id"

// Fault is a forgery.
type Fault struct {
	Kind   Kind
	Number int64         // where; 0: it has no number
	Entry  id.AuditEntry // zero: it is not known which
}

// Kind is what was most likely done.
type Kind string

// The kinds of faults.
const (
	Edited    Kind = "edited"    // an entry or its hash is not as it was chained
	Deleted   Kind = "deleted"   // an entry or its place is missing
	Inserted  Kind = "inserted"  // an entry has no place, or was put between others
	Reordered Kind = "reordered" // entries have changed places
	BadHead   Kind = "head"      // the head is not the last entry
	Cut       Kind = "cut"       // archived entries at the end are gone, with the head
	Replaced  Kind = "replaced"  // the chain has another entry than the archive
)

// Place is an entry's place in the chain, with what the entry is today. It keeps only
// hashes of the entry.
type Place struct {
	Number   int64
	Entry    id.AuditEntry
	Hash     Hash
	Digest   Hash
	Found    bool // the entry exists
	Personal bool // its personal fields are as they were, or erased
	Erased   bool
}

// PlaceOf returns the place of an entry that was chained with a hash of its personal
// fields.
func PlaceOf(e *Entry, number int64, personal, hash Hash) Place {
	erased := e.IsErased()
	return Place{
		Number: number, Entry: e.ID, Hash: hash, Digest: e.Digest(personal), Found: e.Found,
		Personal: erased || e.Personal() == personal, Erased: erased,
	}
}

// Walk goes along the places of a chain.
type Walk struct {
	Org    id.Org
	Places []Place // ordered by number; the first ones may be before the range

	Verified int64 // how many entries are as they were chained
	Erased   int64 // of how many of these the personal fields were erased
}

// Run counts the places from one number to another that are as they were chained, and
// returns the first fault.
func (w *Walk) Run(from, to int64) *Fault {
	at, before := 0, Hash{}
	for at < len(w.Places) && w.Places[at].Number < from {
		before = w.Places[at].Hash
		at++
	}
	if from > 1 && (at == 0 || w.Places[at-1].Number != from-1) && to >= from {
		return &Fault{Kind: Deleted, Number: from - 1}
	}
	for number := from; number <= to; number, at = number+1, at+1 {
		if at == len(w.Places) || w.Places[at].Number != number {
			return &Fault{Kind: Deleted, Number: number}
		}
		p := &w.Places[at]
		switch {
		case !p.Found:
			return &Fault{Deleted, number, p.Entry}
		case Link(w.Org, number, before, p.Digest) != p.Hash:
			return w.judge(at, before)
		case !p.Personal:
			return &Fault{Edited, number, p.Entry}
		}
		w.Verified++
		if p.Erased {
			w.Erased++
		}
		before = p.Hash
	}
	return nil
}

// judge says what was most likely done where a hash is wrong: it tries whether the
// places fit elsewhere.
func (w *Walk) judge(at int, before Hash) *Fault {
	p := w.Places[at]
	fault := &Fault{Edited, p.Number, p.Entry}
	switch {
	case w.isMoved(at, before):
		fault.Kind = Reordered
	case at > 0 && w.fits(at, p.Number-1, w.hashBefore(at-1)):
		// It belongs to the place before it, so something was put there.
		return &Fault{Inserted, p.Number - 1, w.Places[at-1].Entry}
	case at+1 < len(w.Places) && w.fits(at+1, p.Number, before):
		fault.Kind = Inserted
	case at+1 < len(w.Places) && w.fits(at+1, p.Number+2, p.Hash):
		// The next ones belong to higher numbers: one was deleted here and the gap closed.
		return &Fault{Kind: Deleted, Number: p.Number}
	}
	return fault
}

// isMoved reports whether the entry of another place belongs here, or that of this place
// belongs after a later one.
func (w *Walk) isMoved(at int, before Hash) bool {
	p := w.Places[at]
	for i, other := range w.Places {
		if i == at {
			continue
		}
		here := Link(w.Org, p.Number, before, other.Digest)
		switch {
		case here == p.Hash, here == other.Hash && i != at+1:
			return true
		case i > at && Link(w.Org, other.Number, other.Hash, p.Digest) == p.Hash:
			return true
		}
	}
	return false
}

// fits reports whether a place was chained with this number after this hash.
func (w *Walk) fits(at int, number int64, before Hash) bool {
	return Link(w.Org, number, before, w.Places[at].Digest) == w.Places[at].Hash
}

// hashBefore returns the hash of the place before; zeros: there is none here.
func (w *Walk) hashBefore(at int) Hash {
	if at == 0 {
		return Hash{}
	}
	return w.Places[at-1].Hash
}
