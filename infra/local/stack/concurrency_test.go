package stack

import "testing"

// A function has at least ten processes and more with more cores, unless the
// memory is too small for them.
func TestConcurrency(t *testing.T) {
	for _, tt := range []struct {
		cores int
		free  int64
		want  int
	}{{2, 16 << 30, 10}, {8, 16 << 30, 32}, {8, 4 << 30, 23}, {2, 1 << 30, 5}, {2, 0, 2}} {
		if got := concurrency(tt.cores, tt.free); got != tt.want {
			t.Errorf("%d cores and %d MiB: %d processes, want %d", tt.cores, tt.free>>20, got, tt.want)
		}
	}
	if free := freeMemory(); free < 64<<20 {
		t.Errorf("this machine has %d bytes of free memory", free)
	}
}
