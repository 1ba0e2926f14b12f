package dispatching

import (
	"context"
	"net/http"
	"time"

	"portico/shared/webhook"
	"portico/shared/webhook/sending"
)

const (
	// askedAtMost bounds the wait that a receiver can ask for with Retry-After.
	askedAtMost = time.Hour
	// overloadedAtLeast is the shortest wait before an overloaded receiver is
	// tried again.
	overloadedAtLeast = time.Minute
	// While our own network fails, a delivery waits for an eighth of its event's
	// age, within these bounds. So a long outage causes few tries, and the delay
	// after its end is small compared with its length.
	egressWaitAtLeast = 30 * time.Second
	egressWaitAtMost  = 15 * time.Minute
)

// tryOf returns the request of a claim.
func tryOf(c Claim) sending.Try {
	return sending.Try{Org: c.Org, Endpoint: c.EndpointID, Event: c.EventID, Payload: c.Payload, Target: &c.Endpoint.Target}
}

// resultOf returns what became of a claim by a try. If the delivery is Pending,
// reschedule sets the time of the next one.
func resultOf(c Claim, o sending.Outcome) Result {
	r := Result{Claim: c, Outcome: o, Status: webhook.Pending}
	if o.Delivered() {
		r.Status = webhook.Delivered
	}
	return r
}

// reschedule sets the wait of a delivery that is to be tried again. A hint may
// change the wait, never the number of tries, which the endpoint's schedule
// gives. There is no try when the delivery has expired.
func reschedule(r Result, random float64) Result {
	switch {
	case r.Status != webhook.Pending:
	case r.EgressFault != nil:
		r.Wait, _ = webhook.Schedule{egressWait(r.StartedAt.Sub(r.EventID.Time()))}.Next(1, random)
	case r.Tried:
		scheduled, more := r.Endpoint.Schedule.Next(r.tries()+1, random)
		if r.Wait = waitFor(scheduled, r.StatusCode, r.Hint); !more {
			r.Wait, r.Status = 0, webhook.Failed
		}
	}
	if r.Status == webhook.Pending && r.expiresBy(r.StartedAt.Add(r.Latency+r.Wait)) {
		r.Wait, r.Status, r.Expired = 0, webhook.Failed, true
	}
	return r
}

// egressWait returns how long a delivery waits after a fault of ours, depending
// on the age of its event.
func egressWait(age time.Duration) time.Duration {
	return min(max(age/8, egressWaitAtLeast), egressWaitAtMost)
}

// waitFor returns how long to wait after a failed try: never less than scheduled.
// A receiver may ask for a longer wait with Retry-After, up to askedAtMost. If it
// is overloaded and does not say how long, the wait is doubled.
func waitFor(scheduled time.Duration, code int, h sending.Hint) time.Duration {
	switch {
	case h.RetryAfter > 0:
		return max(scheduled, min(h.RetryAfter, askedAtMost))
	case h.TimedOut || overloaded(code):
		return max(2*scheduled, overloadedAtLeast)
	}
	return scheduled
}

// overloaded reports whether a status code says that the receiver cannot keep up.
// 502 is not one: a gateway sends it while the receiver restarts, and a longer
// wait would only delay the recovery.
func overloaded(code int) bool {
	switch code {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// egressFaults counts the deliveries of a batch that failed because of us, and
// logs the cause of the first one as a warning.
func (d *Dispatcher) egressFaults(ctx context.Context, batch []Result) (n float64) {
	for _, result := range batch {
		if result.EgressFault == nil {
			continue
		}
		if n++; n == 1 {
			d.warn(ctx, "deliveries could not be sent because our own network failed; this does not count as a try", result.EgressFault)
		}
	}
	return n
}
