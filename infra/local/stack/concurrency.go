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

// concurrency returns how many processes a function may have on a machine with so
// many cores and bytes of free memory. On Lambda there is one for each request at
// a time, and each has a processor. Here more than four for each core only wait
// for it: with 32 instead of 8 on two cores, single publishes were not faster and
// took more CPU time. One function may take a quarter of the memory, because
// seldom more than two are busy.
func concurrency(cores int, free int64) int {
	return min(max(10, 4*cores), max(2, int(free/4/perProcess)))
}

// freeMemory returns how many bytes programs can still use; a lot if it is not known.
func freeMemory() int64 {
	text, _ := os.ReadFile("/proc/meminfo")
	_, rest, _ := strings.Cut(string(text), "MemAvailable:")
	var kilobytes int64
	if _, err := fmt.Sscanf(rest, "%d kB", &kilobytes); err != nil {
		return 16 << 30 // not Linux
	}
	return kilobytes << 10
}
