package lambdahost

import (
	"os"
	"runtime/debug"
	"strconv"
)

// useMemory lets the heap grow further between collections than Go would: a
// function has its memory for itself, and pays for it, used or not. Near the
// limit Go collects more often, instead of running out of memory. GOGC and
// GOMEMLIMIT in the environment have priority.
func useMemory() {
	megabytes, err := strconv.ParseInt(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), 10, 64)
	if err != nil || os.Getenv("GOGC")+os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(megabytes << 20 / 4 * 3) // the rest is for the program and what Go does not count
}
