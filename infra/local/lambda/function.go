package lambda

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Function is the pool of processes of one function.
type Function struct {
	Config
	ARN string

	host *Host

	mu       sync.Mutex
	closed   bool
	env      map[string]string // overrides of the last Recycle
	live     map[*process]bool // started and not yet reaped
	starting int               // those of them that have not asked for work yet
	idle     []*process        // those that wait for work; the last used is last
	waiters  []*waiter         // invocations that wait for a process, oldest first
	stats    Stats
}

// Stats counts since the start; Processes, Busy and Waiting are current values.
type Stats struct {
	Invocations, Errors, Throttles, ColdStarts int
	Processes, Busy, Waiting                   int
}

// waiter is an invocation that waits for a process.
type waiter struct{ ready chan handover }

type handover struct {
	process *process
	err     error
}

// invocation is one event that a process handles.
type invocation struct {
	id    string
	timer *time.Timer
	done  chan outcome
}

type outcome struct {
	payload []byte
	err     error
}

// Invoke runs the function once. The error is a *FunctionError, ErrThrottled,
// ErrTooLarge, ErrClosed or that of ctx; when ctx ends, the function continues,
// as on Lambda when the caller disconnects.
func (f *Function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if len(payload) > MaxRequest {
		return nil, ErrTooLarge
	}
	inv := &invocation{id: uuid.NewString(), done: make(chan outcome, 1)}
	for {
		p, err := f.acquire(ctx, inv.id)
		if err != nil {
			return nil, err
		}
		if p.assign(inv, payload) {
			break
		} // else it ended meanwhile: take another
	}
	select {
	case o := <-inv.done:
		return o.payload, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// acquire takes the most recently used idle process; if there is none, it starts
// more and waits.
func (f *Function) acquire(ctx context.Context, id string) (*process, error) {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil, ErrClosed
	}
	if n := len(f.idle); n > 0 {
		p := f.idle[n-1]
		f.idle = f.idle[:n-1]
		f.mu.Unlock()
		return p, nil
	}
	w := &waiter{make(chan handover, 1)}
	f.waiters = append(f.waiters, w)
	f.grow()
	f.mu.Unlock()
	return f.await(ctx, w)
}

func (f *Function) await(ctx context.Context, w *waiter) (*process, error) {
	timer := time.NewTimer(f.host.opts.QueueWait)
	defer timer.Stop()
	var err error
	for err == nil {
		select {
		case h := <-w.ready:
			return h.process, h.err
		case <-ctx.Done():
			err = ctx.Err()
		case <-timer.C:
			if f.startsFor(w) { // bounded by the time limit of its start
				timer.Reset(f.host.opts.QueueWait)
			} else {
				err = ErrThrottled
			}
		}
	}
	if f.withdraw(w, err) {
		return nil, err
	}
	h := <-w.ready // it was served meanwhile
	return h.process, h.err
}

// startsFor reports whether one of the processes that are being started is for
// w.
func (f *Function) startsFor(w *waiter) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Index(f.waiters, w) < f.starting
}

// withdraw takes w out of the queue; false when it has been served.
func (f *Function) withdraw(w *waiter, why error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.Index(f.waiters, w)
	if i < 0 {
		return false
	}
	f.waiters = slices.Delete(f.waiters, i, i+1)
	if errors.Is(why, ErrThrottled) {
		f.stats.Throttles++
	}
	return true
}

// serve hands the oldest waiter a process or an error. f.mu is held.
func (f *Function) serve(h handover) bool {
	if len(f.waiters) == 0 {
		return false
	}
	f.waiters[0].ready <- h
	f.waiters = slices.Delete(f.waiters, 0, 1)
	return true
}

// grow starts processes for waiting invocations, up to the limit. f.mu is held.
func (f *Function) grow() {
	for !f.closed && f.starting < len(f.waiters) && len(f.live) < f.MaxConcurrency {
		p := &process{fn: f, exited: make(chan struct{})}
		f.live[p] = true
		f.starting++
		f.stats.ColdStarts++
		f.host.watchOnce.Do(func() { go f.host.watchMemory() })
		go p.run(maps.Clone(f.env))
	}
}

// park makes a process that has asked for work available. f.mu is held.
func (f *Function) park(p *process) {
	if !p.asked {
		p.asked = true
		p.initTimer.Stop()
		f.starting--
	}
	if p.retired {
		go p.stop(f.host.opts.StopGrace)
		return
	}
	if !f.serve(handover{process: p}) {
		f.idle = append(f.idle, p)
	}
}

// PIDs returns the process ids of the function's processes.
func (f *Function) PIDs() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	pids := []int{}
	for p := range f.live {
		if p.pid != 0 {
			pids = append(pids, p.pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// Stats returns the counters.
func (f *Function) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.Processes, s.Waiting = len(f.live), len(f.waiters)
	s.Busy = s.Processes - f.starting - len(f.idle)
	return s
}

// Kill ends all processes with SIGKILL, as a crash would, and returns once
// they are gone.
func (f *Function) Kill() {
	for _, p := range f.processes() {
		p.kill("")
		<-p.exited
	}
}

func (f *Function) processes() []*process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Keys(f.live))
}

func (f *Function) close() {
	f.mu.Lock()
	f.closed = true
	for f.serve(handover{err: ErrClosed}) {
	}
	f.mu.Unlock()
	stopAll(f.processes(), f.host.opts.StopGrace)
}

// stopAll ends processes side by side and returns once they are gone.
func stopAll(list []*process, grace time.Duration) {
	var wg sync.WaitGroup
	for _, p := range list {
		wg.Go(func() { p.stop(grace) })
	}
	wg.Wait()
}

func (f *Function) recycle(env map[string]string, wait time.Duration) {
	f.mu.Lock()
	if f.env == nil {
		f.env = map[string]string{}
	}
	maps.Copy(f.env, env)
	idle := f.idle
	f.idle = nil
	var busy []*process
	for p := range f.live {
		p.retired = true
		if !slices.Contains(idle, p) {
			busy = append(busy, p)
		}
	}
	f.mu.Unlock()
	stopAll(idle, f.host.opts.StopGrace)
	deadline := time.After(wait)
	for _, p := range busy {
		select {
		case <-p.exited:
		case <-deadline:
			stopAll(busy, f.host.opts.StopGrace)
			return
		}
	}
}
