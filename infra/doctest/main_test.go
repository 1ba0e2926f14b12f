// Package doctest tests the documentation: its pages in a browser, its shell
// blocks and its samples with a running stack.
package doctest

import (
	"os"
	"os/exec"
	"testing"

	"portico/infra/local/stacktest"
)

const root = "../.."

// running is the stack that every test uses.
var running stacktest.Stack

func TestMain(m *testing.M) {
	install := exec.Command("./install")
	install.Stdout, install.Stderr = os.Stdout, os.Stderr
	if err := install.Run(); err != nil {
		os.Exit(1) // install has printed the reason
	}
	os.Exit(stacktest.Main(m, stacktest.Options(root), func(s stacktest.Stack) { running = s }))
}
