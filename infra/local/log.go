package main

import (
	"bytes"
	"io"
	"sync"
)

// heldLog is the functions' log. During the demonstration it holds the lines
// back, so that its output stays readable; they are printed if it fails.
type heldLog struct {
	w io.Writer

	mu   sync.Mutex
	held *bytes.Buffer // nil: nothing is held
}

func (l *heldLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held != nil {
		return l.held.Write(line)
	}
	return l.w.Write(line)
}

func (l *heldLog) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = &bytes.Buffer{}
}

// release prints lines again; the held ones only on request.
func (l *heldLog) release(wanted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wanted {
		_, _ = l.w.Write(l.held.Bytes()) // a log that cannot be written cannot report it
	}
	l.held = nil
}
