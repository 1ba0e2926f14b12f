package cost

import (
	"math"
	"testing"
)

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9*max(1, math.Abs(b)) }

// The WAL is counted without page images, and an insertion that splits a page is
// an index entry too.
func TestWALWork(t *testing.T) {
	w := walWork([]walKind{
		{"Heap/INSERT", 10, 0}, {"Heap/HOT_UPDATE", 5, 8000}, {"Btree/INSERT_LEAF", 20, 0}, {"Btree/INSERT_POST", 3, 0},
		{"Btree/SPLIT_R", 2, 0}, {"Btree/SPLIT_L", 1, 0}, {"Btree/INSERT_UPPER", 3, 0}, {"Btree/DEDUP", 4, 0}, {"Transaction/COMMIT", 7, 0}, {"Transaction/ABORT", 1, 0},
	}, 10_000)
	want := Work{Bytes: 2000, Images: 8000, Records: 56, Entries: 26, Updates: 5, Commits: 7, Aborts: 1}
	if w != want {
		t.Errorf("%v, want %v", w, want)
	}
	if one := w.Per(10); one[Bytes] != 200 || !near(one[Commits], 0.7) {
		t.Errorf("per one: %v", one)
	}
	if got := w.Plus(w, -0.5); got[Entries] != 13 {
		t.Errorf("half of the entries: %v", got[Entries])
	}
}

// A publish that writes 8 KiB in a commit of its own: two units of WAL if others
// commit at the same time, three if not.
func TestPrice(t *testing.T) {
	b := Price(Work{Bytes: 8192, Commits: 1, Read: 0.5, Calls: 1, Invocations: 1, Functions: 0.001})
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"I/O at least", b.IOLeast, 2.5 * 0.20},
		{"I/O at most", b.IOMost, 3.5 * 0.20},
		{"calls", b.Gateway, 1},
		{"invocations", b.Invocations, 0.20},
		{"a thousand CPU-s", b.Time, 1000 * 1769.0 / 1024 * 0.0000133334},
	} {
		if !near(c.got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	if least, most := b.Sum(); !near(most-least, 0.20) || !near(least, b.IOLeast+b.Gateway+b.Invocations+b.Time) {
		t.Errorf("the sum is %v to %v", least, most)
	}
}

// The name of a process may contain spaces and brackets.
func TestParseStat(t *testing.T) {
	pid, p := parseStat("42 (a (b) c) S 7 1 1 0 -1 0 0 0 0 0 100 50 25 25 20 0")
	if pid != 42 || p != (process{parent: 7, name: "a (b) c", seconds: 2}) {
		t.Errorf("%d %+v", pid, p)
	}
}
