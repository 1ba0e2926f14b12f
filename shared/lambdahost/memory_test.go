package lambdahost

import (
	"runtime/debug"
	"testing"
)

// The heap may use three quarters of the function's memory, and grows to five
// times what is in use; unless the environment says otherwise.
func TestUseMemory(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	defer func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) }()
	read := func() (int, int64) {
		percent := debug.SetGCPercent(100)
		debug.SetGCPercent(percent)
		return percent, debug.SetMemoryLimit(-1)
	}
	for _, tt := range []struct {
		memory, gogc string
		percent      int
		limit        int64
	}{{"", "", 100, limit}, {"256", "50", 100, limit}, {"256", "", 400, 192 << 20}} {
		t.Setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", tt.memory)
		t.Setenv("GOGC", tt.gogc)
		useMemory()
		if percent, limit := read(); percent != tt.percent || limit != tt.limit {
			t.Errorf("%+v: %d %% and %d bytes", tt, percent, limit)
		}
	}
}
