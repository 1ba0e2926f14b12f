package limit

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	// mostDelay is how long a call waits at most.
	mostDelay = 2 * time.Second
	// mostWaiting is how many calls of an environment wait at a time.
	mostWaiting = 20
)

// Queue delays calls that only policies with Delays deny.
type Queue struct{ waiting atomic.Int64 }

// Wait waits until the call may be tried again, and reports whether it should be.
// The call has waited since the time began.
func (q *Queue) Wait(ctx context.Context, d Decision, began time.Time) bool {
	var wait time.Duration
	for _, s := range d.Denied() {
		if !s.Policy.Delays {
			return false
		}
		wait = max(wait, s.RetryAfter)
	}
	if wait == 0 || time.Since(began)+wait > mostDelay {
		return false
	}
	defer q.waiting.Add(-1)
	if q.waiting.Add(1) > mostWaiting {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
