// Package stacktest starts local stacks, and the functions of single tests, and calls
// their API.
package stacktest

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"portico/infra/local/stack"
	"portico/shared/testkit"
)

// Stack is a running stack with its log.
type Stack struct {
	*stack.Stack
	Log *testkit.Log
}

// Options are those of a throw-away stack of the product, with a second database.
func Options(root string) stack.Options {
	return stack.Options{
		Root: root, Throwaway: true, HTTPAddr: "127.0.0.1:0", Databases: []string{"acme"},
		QueueWait: 10 * time.Second, // no request is refused because the machine has other work
	}
}

func start(opts stack.Options) (Stack, error) {
	log := &testkit.Log{}
	opts.Log = log
	s, err := stack.Start(context.Background(), opts)
	return Stack{s, log}, err
}

// tail returns the end of the log, for the message of a failed test.
func tail(log *testkit.Log) string {
	text := log.String()
	return text[max(0, len(text)-20_000):]
}

// Main starts one stack, passes it to use, runs the package's tests, and returns
// the program's exit code.
func Main(m *testing.M, opts stack.Options, use func(Stack)) int {
	s, err := start(opts)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v\nthe stack's log:\n%s", err, tail(s.Log))
		return 1
	}
	defer s.Close()
	use(s)
	code := m.Run()
	if code != 0 {
		fmt.Fprintf(os.Stderr, "the shared stack's log:\n%s", tail(s.Log))
	}
	return code
}

// New starts a stack for one test, which may damage it.
func New(t *testing.T, opts stack.Options) Stack {
	t.Helper()
	s, err := start(opts)
	if err != nil {
		t.Fatalf("%v\nthe stack's log:\n%s", err, tail(s.Log))
	}
	t.Cleanup(func() {
		s.Close()
		if t.Failed() {
			t.Logf("the stack's log:\n%s", tail(s.Log))
		}
	})
	return s
}
