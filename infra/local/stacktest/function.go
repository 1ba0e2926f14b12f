package stacktest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// MainWithFunction builds the function in testdata/fn, passes its path to use, runs
// the package's tests, and returns the program's exit code.
func MainWithFunction(m *testing.M, use func(binary string)) int {
	dir, err := os.MkdirTemp("", "portico-function-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary := filepath.Join(dir, "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", binary, "./testdata/fn")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %s", err, out)
		return 1
	}
	use(binary)
	return m.Run()
}
