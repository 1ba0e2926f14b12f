// Package stacktest starts local stacks for tests, and calls their API.
package stacktest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"portico/infra/local/stack"
)

// Log keeps what a stack logs. It may be read while the stack writes.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// tail returns the end of the log, for the message of a failed test.
func (l *Log) tail() string {
	text := l.String()
	return text[max(0, len(text)-20_000):]
}

// Stack is a running stack with its log.
type Stack struct {
	*stack.Stack
	Log *Log
}

// Options are those of a throw-away stack of the product, with a second database.
func Options(root string) stack.Options {
	return stack.Options{Root: root, Throwaway: true, HTTPAddr: "127.0.0.1:0", Databases: []string{"acme"}}
}

func start(opts stack.Options) (Stack, error) {
	log := &Log{}
	opts.Log = log
	s, err := stack.Start(context.Background(), opts)
	return Stack{s, log}, err
}

// Main starts one stack, passes it to use, runs the package's tests, and returns
// the program's exit code.
func Main(m *testing.M, opts stack.Options, use func(Stack)) int {
	s, err := start(opts)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%v\nthe stack's log:\n%s", err, s.Log.tail())
		return 1
	}
	defer s.Close()
	use(s)
	code := m.Run()
	if code != 0 {
		fmt.Fprintf(os.Stderr, "the shared stack's log:\n%s", s.Log.tail())
	}
	return code
}

// New starts a stack for one test, which may damage it.
func New(t *testing.T, opts stack.Options) Stack {
	t.Helper()
	s, err := start(opts)
	if err != nil {
		t.Fatalf("%v\nthe stack's log:\n%s", err, s.Log.tail())
	}
	t.Cleanup(func() {
		s.Close()
		if t.Failed() {
			t.Logf("the stack's log:\n%s", s.Log.tail())
		}
	})
	return s
}
