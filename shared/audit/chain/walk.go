package chain

import "portico/shared/id"

// walk goes along the places of a chain.
type walk struct {
	org    id.Org
	places []place // ordered by number; the first ones may be before the range
}

// run counts in v the places from a number on that are as they were chained, and
// returns the first fault.
func (w walk) run(v *Verification, from int64) *Fault {
	at, before := 0, Hash{}
	for at < len(w.places) && w.places[at].number < from {
		before = w.places[at].hash
		at++
	}
	if from > 1 && (at == 0 || w.places[at-1].number != from-1) && v.To >= from {
		return &Fault{Kind: Deleted, Number: from - 1}
	}
	for number := from; number <= v.To; number, at = number+1, at+1 {
		if at == len(w.places) || w.places[at].number != number {
			return &Fault{Kind: Deleted, Number: number}
		}
		p := &w.places[at]
		switch {
		case !p.found:
			return &Fault{Deleted, number, p.entry}
		case link(w.org, number, before, p.digest) != p.hash:
			return w.judge(at, before)
		case !p.personal:
			return &Fault{Edited, number, p.entry}
		}
		v.Verified++
		if p.erased {
			v.Erased++
		}
		before = p.hash
	}
	return nil
}

// judge says what was most likely done where a hash is wrong: it tries whether the
// places fit elsewhere.
func (w walk) judge(at int, before Hash) *Fault {
	p := w.places[at]
	fault := &Fault{Edited, p.number, p.entry}
	switch {
	case w.isMoved(at, before):
		fault.Kind = Reordered
	case at > 0 && w.fits(at, p.number-1, w.hashBefore(at-1)):
		// It belongs to the place before it, so something was put there.
		return &Fault{Inserted, p.number - 1, w.places[at-1].entry}
	case at+1 < len(w.places) && w.fits(at+1, p.number, before):
		fault.Kind = Inserted
	case at+1 < len(w.places) && w.fits(at+1, p.number+2, p.hash):
		// The next ones belong to higher numbers: one was deleted here and the gap closed.
		return &Fault{Kind: Deleted, Number: p.number}
	}
	return fault
}

// isMoved reports whether the entry of another place belongs here, or that of this place
// belongs after a later one.
func (w walk) isMoved(at int, before Hash) bool {
	p := w.places[at]
	for i, other := range w.places {
		if i == at {
			continue
		}
		here := link(w.org, p.number, before, other.digest)
		switch {
		case here == p.hash, here == other.hash && i != at+1:
			return true
		case i > at && link(w.org, other.number, other.hash, p.digest) == p.hash:
			return true
		}
	}
	return false
}

// fits reports whether a place was chained with this number after this hash.
func (w walk) fits(at int, number int64, before Hash) bool {
	return link(w.org, number, before, w.places[at].digest) == w.places[at].hash
}

// hashBefore returns the hash of the place before; zeros: there is none here.
func (w walk) hashBefore(at int) Hash {
	if at == 0 {
		return Hash{}
	}
	return w.places[at-1].hash
}
