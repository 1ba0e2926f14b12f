package record

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"portico/shared/id"
)

const (
	// maxLine is the longest line that is read, in bytes.
	maxLine = 64 << 20
	// walkAtOnce is how many places are compared at once, and so how far away the place
	// of an entry that was moved is looked for.
	walkAtOnce = 1000
)

var errLine = errors.New("it is not a line that an export has written")

// Head is an entry's number and its hash, kept in another place.
type Head struct {
	Number int64
	Hash   Hash
}

// Options say what a file must be.
type Options struct {
	From int64 // the number of its first entry
	// Filtered: numbers may be missing, because the export had filters. Then neither
	// deleted entries are found nor made ones.
	Filtered bool
	Head     *Head // an entry that must be there, with this hash; nil: not known
}

// Report is what Verify has found.
type Report struct {
	First, Last int64 // numbers; 0: there are no entries
	LastHash    Hash
	Verified    int64 // how many entries are as they were chained
	Erased      int64 // of how many of these the personal fields were erased
	Outside     int64 // how many of these are shown only as a digest
	Fault       *Fault
}

// Verify reads an export, line by line, and compares its entries with their chain. The
// error is of reading, or says that the head cannot be compared.
func Verify(file io.Reader, o Options) (Report, error) {
	v := verifier{Options: o, next: o.From}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxLine)
	for lines.Scan() && v.Fault == nil {
		v.read(lines.Bytes())
	}
	if err := lines.Err(); err != nil {
		return v.Report, fmt.Errorf("the file cannot be read: %w", err)
	}
	if v.First > 0 && v.First < o.From {
		return v.Report, fmt.Errorf("the file begins with entry %d, which is before %d", v.First, o.From)
	}
	if v.walk(); v.Fault == nil {
		v.Fault = v.missing
	}
	if v.Fault != nil || o.Head == nil {
		return v.Report, nil
	}
	return v.Report, v.compareHead()
}

type verifier struct {
	Options
	Report
	org     id.Org
	next    int64   // the number that the next line should have
	places  []Place // of the chain, that are not compared yet, with up to two that are
	from    int64   // the first number of these
	edited  *Fault  // a hash before that is not that of the entry before
	missing *Fault  // a number that did not come yet
	atHead  Hash    // the hash at the number of Head
	hasHead bool
}

// read adds a line. Once a number is missing, it only looks whether it comes later.
func (v *verifier) read(text []byte) {
	l, p, err := decode(text)
	if v.missing != nil {
		if err == nil && l.Number == v.missing.Number {
			v.missing.Kind, v.missing.Entry = Reordered, l.Entry.ID
		}
		return
	}
	if v.First == 0 && err == nil {
		v.org, v.First = l.Org, l.Number
		if v.Filtered || l.Number == v.From {
			v.begin(l)
		}
	}
	switch {
	case err != nil, l.Org != v.org:
		v.stop(&Fault{Edited, v.next, l.Entry.ID})
		return
	case l.Number < v.next:
		kind := Reordered
		if l.Number == v.next-1 {
			kind = Inserted
		}
		v.stop(&Fault{kind, l.Number, l.Entry.ID})
		return
	case l.Number > v.next && !v.Filtered:
		if v.walk(); v.Fault == nil {
			v.missing = &Fault{Kind: Deleted, Number: v.next}
		}
		return
	case l.Number > v.next:
		if v.walk(); v.Fault != nil {
			return
		}
		v.begin(l)
	}
	v.add(l, p)
}

// begin starts a part of the chain: the hash before its first entry is that of the
// line, and zeros before the first entry of all.
func (v *verifier) begin(l Line) {
	before := Place{Number: l.Number - 1}
	if l.Number > 1 {
		before.Hash = l.Before
	}
	v.places, v.from, v.next = []Place{before}, l.Number, l.Number
}

func (v *verifier) add(l Line, p Place) {
	if before := v.places[len(v.places)-1].Hash; before != l.Before && v.edited == nil {
		v.edited = &Fault{Edited, l.Number, l.Entry.ID}
	}
	if v.Head != nil && v.First == l.Number && v.Head.Number == l.Number-1 {
		v.atHead, v.hasHead = l.Before, true
	}
	if v.Head != nil && v.Head.Number == l.Number {
		v.atHead, v.hasHead = l.Hash, true
	}
	if l.Outside {
		v.Outside++
	}
	v.places = append(v.places, p)
	v.Last, v.LastHash, v.next = l.Number, l.Hash, l.Number+1
	if len(v.places) >= walkAtOnce {
		v.walk()
	}
}

// stop ends the comparison, after what was read before.
func (v *verifier) stop(f *Fault) {
	if v.walk(); v.Fault == nil {
		v.Fault = f
	}
}

// walk compares the places that were read.
func (v *verifier) walk() {
	if len(v.places) == 0 || v.Fault != nil {
		return
	}
	w := Walk{Org: v.org, Places: v.places}
	v.Fault = w.Run(v.from, v.next-1)
	v.Verified, v.Erased = v.Verified+w.Verified, v.Erased+w.Erased
	if v.Fault == nil {
		v.Fault = v.edited
	}
	v.places, v.from = v.places[max(0, len(v.places)-2):], v.next
}

// compareHead finds an end that was cut off, and a chain that was made anew.
func (v *verifier) compareHead() error {
	switch {
	case v.Head.Number > v.Last && v.Head.Number >= v.From && !v.Filtered:
		v.Fault = &Fault{Kind: Deleted, Number: max(v.Last+1, v.From)}
	case !v.hasHead && v.Head.Number > 0:
		return fmt.Errorf("the entry %d is not in the file, so its hash cannot be compared", v.Head.Number)
	case v.hasHead && v.atHead != v.Head.Hash:
		v.Fault = &Fault{Kind: BadHead, Number: v.Head.Number}
	}
	return nil
}
