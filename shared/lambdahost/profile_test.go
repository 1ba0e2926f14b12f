package lambdahost

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The profiler is in the functions that `make bench` builds, and in no others.
func TestProfilerIsNotDeployed(t *testing.T) {
	for tags, want := range map[string]bool{"lambda.norpc": false, "lambda.norpc,profile": true} {
		out, err := exec.Command("go", "list", "-deps", "-tags", tags, "portico/functions/...").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if got := slices.Contains(strings.Fields(string(out)), "runtime/pprof"); got != want {
			t.Errorf("with the tags %s the functions link runtime/pprof: %t, want %t", tags, got, want)
		}
	}
}
