package claim

import (
	"slices"
	"sync"
	"time"
)

const (
	// Retries within retryGrain of each other are one entry.
	retryGrain = 10 * time.Millisecond
	// maxRetryTimes bounds the entries. Later ones are left out: the look of every
	// second finds them.
	maxRetryTimes = 1000
)

// retries are the times at which work becomes due, the earliest first. It is
// safe for concurrent use.
type retries struct {
	mu    sync.Mutex
	times []time.Time
}

// add notes a time, and reports whether it is now the earliest.
func (r *retries) add(at time.Time) (first bool) {
	at = at.Truncate(retryGrain).Add(retryGrain)
	r.mu.Lock()
	defer r.mu.Unlock()
	i, known := slices.BinarySearchFunc(r.times, at, time.Time.Compare)
	if known || i >= maxRetryTimes {
		return false
	}
	r.times = slices.Insert(r.times, i, at)
	r.times = r.times[:min(len(r.times), maxRetryTimes)]
	return i == 0
}

// first returns the earliest time; zero: there is none.
func (r *retries) first() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.times) == 0 {
		return time.Time{}
	}
	return r.times[0]
}

// until removes the times up to now.
func (r *retries) until(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for n < len(r.times) && !r.times[n].After(now) {
		n++
	}
	r.times = slices.Delete(r.times, 0, n)
}
