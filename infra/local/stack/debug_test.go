package stack_test

import (
	"debug/elf"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"portico/infra/local/stack"
)

// With Debug a debugger can follow a function: it has debug information and only
// one process.
func TestDebug(t *testing.T) {
	opts := options()
	opts.Debug, opts.MaxConcurrency = true, 10
	s, err := stack.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	get(t, s, "/item", "1")
	pids := processes("/testdata/app/.local/build/api/bootstrap")
	own := slices.DeleteFunc(pids, func(pid string) bool { return !debuggable(t, pid) })
	if len(own) != 1 {
		t.Errorf("%d processes can be debugged, of %v", len(own), pids)
	}
}

// debuggable reports whether a process runs a binary with debug information.
func debuggable(t *testing.T, pid string) bool {
	t.Helper()
	binary, err := elf.Open(filepath.Join("/proc", pid, "exe"))
	if os.IsNotExist(err) {
		return false // it has ended
	}
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	return binary.Section(".debug_info") != nil || binary.Section(".zdebug_info") != nil
}

// processes lists the ids of processes whose command ends with the given text.
func processes(command string) (pids []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		text, _ := os.ReadFile(file) // none if it has ended
		if strings.HasSuffix(strings.TrimRight(string(text), "\x00"), command) {
			pids = append(pids, filepath.Base(filepath.Dir(file)))
		}
	}
	return pids
}
