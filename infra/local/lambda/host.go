// Package lambda runs the binaries of functions as Lambda does: each process
// is an execution environment that asks the Runtime API for work, handles one
// invocation at a time and is reused; more are started under load, up to a
// bound; one that exceeds its timeout or memory is killed.
package lambda

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"
)

// Options configure a Host. Zero values take the defaults.
type Options struct {
	Log         io.Writer         // receives the functions' lines, prefixed with [name]
	Env         map[string]string // of every function, below its own
	Region      string            // default us-east-1
	AccountID   string            // default 000000000000
	QueueWait   time.Duration     // how long an invocation waits for a free process before ErrThrottled; default 1 s
	InitTimeout time.Duration     // from start to the first request for work; default 10 s, as on Lambda
	StopGrace   time.Duration     // between SIGTERM and SIGKILL; default 2 s
}

// Config describes one function.
type Config struct {
	Name           string
	Binary         string // absolute path of the executable; its folder is the working directory
	Handler        string // default "bootstrap"
	Timeout        time.Duration
	MemoryMB       int
	MaxConcurrency int // processes at most; default 10
	Env            map[string]string
}

// Host holds the functions of a stack.
type Host struct {
	opts      Options
	log       *logWriter
	functions map[string]*Function
	stop      chan struct{}
	stopOnce  sync.Once
	watchOnce sync.Once
}

// NewHost returns an empty host. Close ends what it starts.
func NewHost(opts Options) *Host {
	if opts.Log == nil {
		opts.Log = io.Discard
	}
	setDefault(&opts.Region, "us-east-1")
	setDefault(&opts.AccountID, "000000000000")
	setDefault(&opts.QueueWait, time.Second)
	setDefault(&opts.InitTimeout, 10*time.Second)
	setDefault(&opts.StopGrace, 2*time.Second)
	return &Host{opts: opts, log: &logWriter{w: opts.Log}, functions: map[string]*Function{}, stop: make(chan struct{})}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Add makes a function known. All are added before the first is invoked.
func (h *Host) Add(cfg Config) (*Function, error) {
	if _, twice := h.functions[cfg.Name]; twice {
		return nil, fmt.Errorf("the function %s exists already", cfg.Name)
	}
	setDefault(&cfg.Handler, "bootstrap")
	setDefault(&cfg.Timeout, 3*time.Second)
	setDefault(&cfg.MemoryMB, 128)
	setDefault(&cfg.MaxConcurrency, 10)
	f := &Function{
		Config: cfg,
		ARN:    fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", h.opts.Region, h.opts.AccountID, cfg.Name),
		host:   h,
		live:   map[*process]bool{},
	}
	h.functions[cfg.Name] = f
	return f, nil
}

// Function returns the function of that name, or nil.
func (h *Host) Function(name string) *Function { return h.functions[name] }

// Functions returns all functions by name.
func (h *Host) Functions() []*Function {
	var list []*Function
	for _, name := range slices.Sorted(maps.Keys(h.functions)) {
		list = append(list, h.functions[name])
	}
	return list
}

// Close refuses further invocations and ends every process: SIGTERM, then
// SIGKILL after the grace.
func (h *Host) Close() {
	h.stopOnce.Do(func() { close(h.stop) })
	h.each(func(f *Function) { f.close() })
}

// Recycle replaces the processes of every function; env overrides their
// variables. Idle processes are replaced now, busy ones when they finish, or
// after wait at the latest.
func (h *Host) Recycle(env map[string]string, wait time.Duration) {
	h.each(func(f *Function) { f.recycle(env, wait) })
}

func (h *Host) each(do func(*Function)) {
	var wg sync.WaitGroup
	for _, f := range h.functions {
		wg.Go(func() { do(f) })
	}
	wg.Wait()
}
