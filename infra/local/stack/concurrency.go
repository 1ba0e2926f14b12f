package stack

import (
	"fmt"
	"os"
	"strings"
)

// perProcess is what one more process takes of the machine's memory: 22 MB that a
// function under load shares with no other, and as much for its session in
// Postgres.
const perProcess = 44 << 20

// concurrency returns how many processes a function may have if this many bytes
// of memory are free. On Lambda there is one for each request at a time. Here one
// function may take a quarter of the memory, because seldom more than two are
// busy; more than 64 only wait for the same cores.
func concurrency(free int64) int { return int(min(max(free/4/perProcess, 10), 64)) }

// freeMemory returns how many bytes programs can still use; 0: not known.
func freeMemory() int64 {
	text, _ := os.ReadFile("/proc/meminfo")
	_, rest, _ := strings.Cut(string(text), "MemAvailable:")
	var kilobytes int64
	_, _ = fmt.Sscanf(rest, "%d kB", &kilobytes)
	return kilobytes << 10
}
