package lambda

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// watchMemory kills processes that use more memory than their function has. It
// checks often enough to find a leak, but not every short peak.
func (h *Host) watchMemory() {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-h.stop:
			return
		case <-tick.C:
			for _, f := range h.functions {
				f.limitMemory()
			}
		}
	}
}

func (f *Function) limitMemory() {
	for _, p := range f.processes() {
		f.mu.Lock()
		pid := p.pid
		f.mu.Unlock()
		used := residentBytes(pid) >> 20
		if used > f.MemoryMB {
			p.kill(fmt.Sprintf("Runtime was killed: it used %d MB of its %d MB of memory", used, f.MemoryMB))
		}
	}
}

// residentBytes returns 0 for a process that does not exist.
func residentBytes(pid int) int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := bytes.Fields(data)
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(string(fields[1]))
	return pages * os.Getpagesize()
}
