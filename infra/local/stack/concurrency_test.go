package stack

import "testing"

// A small machine runs ten processes of a function, a large one more, within its
// memory.
func TestConcurrency(t *testing.T) {
	for free, want := range map[int64]int{0: 10, 1 << 30: 10, 4 << 30: 23, 8 << 30: 46, 64 << 30: 64} {
		if got := concurrency(free); got != want {
			t.Errorf("%d processes with %d MiB, want %d", got, free>>20, want)
		}
	}
	if free := freeMemory(); free < 64<<20 {
		t.Errorf("this machine has %d bytes of free memory", free)
	}
}
