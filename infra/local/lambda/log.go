package lambda

import (
	"bytes"
	"io"
	"sync"
)

// maxLine is the length at which an endless line is split.
const maxLine = 256 << 10

// logWriter writes whole lines of many processes to one writer.
type logWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *logWriter) line(name, text string) {
	l.write(append(append([]byte("["+name+"] "), text...), '\n'))
}

func (l *logWriter) write(lines []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.w.Write(lines) // a log that cannot be written cannot report it
}

// prefixed returns a writer for the output of one process.
func (l *logWriter) prefixed(name string) *lineWriter {
	return &lineWriter{log: l, prefix: []byte("[" + name + "] ")}
}

// lineWriter puts a prefix before each line. exec writes to it from one
// goroutine.
type lineWriter struct {
	log     *logWriter
	prefix  []byte
	partial []byte // of a line that has not ended yet
	out     []byte
}

func (w *lineWriter) Write(data []byte) (int, error) {
	n := len(data)
	w.out = w.out[:0]
	for {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			break
		}
		w.complete(data[:end])
		data = data[end+1:]
	}
	if w.partial = append(w.partial, data...); len(w.partial) > maxLine {
		w.complete(nil)
	}
	if len(w.out) > 0 {
		w.log.write(w.out)
	}
	return n, nil
}

func (w *lineWriter) complete(rest []byte) {
	w.out = append(w.out, w.prefix...)
	w.out = append(w.out, w.partial...)
	w.out = append(w.out, rest...)
	w.out = append(w.out, '\n')
	w.partial = w.partial[:0]
}

// flush ends a line that the process left unfinished.
func (w *lineWriter) flush() {
	if len(w.partial) > 0 {
		_, _ = w.Write([]byte{'\n'})
	}
}
