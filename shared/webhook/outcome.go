package webhook

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

const (
	// askedAtMost bounds what a receiver can ask for by Retry-After.
	askedAtMost = time.Hour
	// overloadedAtLeast is the shortest wait before an overloaded receiver is
	// tried again.
	overloadedAtLeast = time.Minute
	// A delivery waits for our own network to recover for an eighth of its event's
	// age, within these bounds: so a long outage causes few tries, and its end is
	// noticed soon in proportion.
	egressWaitAtLeast = 30 * time.Second
	egressWaitAtMost  = 15 * time.Minute
)

// Hint is what a try that did not succeed says about the next one.
type Hint struct {
	// RetryAfter is what the receiver asked for; 0: nothing.
	RetryAfter time.Duration
	// TimedOut: there was no complete response in time.
	TimedOut bool
	// EgressFault is what failed on our side, so that nothing was tried.
	EgressFault error
}

// reschedule puts a delivery that is to be tried again on its endpoint's
// schedule. Whatever the hint, the number of tries is the schedule's.
func reschedule(r Result, random float64) Result {
	switch {
	case r.Status != Pending:
	case r.EgressFault != nil:
		r.Wait, _ = Schedule{egressWait(r.StartedAt.Sub(r.EventID.Time()))}.Next(1, random)
	case r.Tried:
		scheduled, more := r.Endpoint.Schedule.Next(int(r.Attempts)+1, random)
		if r.Wait = waitFor(scheduled, r.StatusCode, r.Hint); !more {
			r.Wait, r.Status = 0, Failed
		}
	}
	return r
}

// egressWait returns how long a delivery waits that could not be tried because
// of us, by the age of its event.
func egressWait(age time.Duration) time.Duration {
	return min(max(age/8, egressWaitAtLeast), egressWaitAtMost)
}

// waitFor returns how long to wait after a failed try: as long as scheduled, or
// longer. A receiver that says when it wants the next try gets it then, within
// askedAtMost; one that is overloaded without saying more gets twice the time.
func waitFor(scheduled time.Duration, code int, h Hint) time.Duration {
	switch {
	case h.RetryAfter > 0:
		return max(scheduled, min(h.RetryAfter, askedAtMost))
	case h.TimedOut || overloaded(code):
		return max(2*scheduled, overloadedAtLeast)
	}
	return scheduled
}

// overloaded reports whether a status says that the receiver cannot keep up.
// 502 does not: a gateway answers it while the receiver restarts, and waiting
// longer would only delay the recovery.
func overloaded(code int) bool {
	switch code {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// parseRetryAfter reads the header in both forms, seconds and HTTP-date. It
// returns 0 for the past and for anything else.
func parseRetryAfter(header string, now time.Time) time.Duration {
	// 32 bits of seconds fit a Duration.
	if seconds, err := strconv.ParseUint(header, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// egressFaults returns how many of a batch could not be tried because of us,
// and warns of the first one's cause.
func (r *run) egressFaults(ctx context.Context, batch []Result) (n float64) {
	for _, result := range batch {
		if result.EgressFault == nil {
			continue
		}
		if n++; n == 1 {
			r.warn(ctx, "deliveries could not be sent because our own network failed; they use up no try", result.EgressFault)
		}
	}
	return n
}
