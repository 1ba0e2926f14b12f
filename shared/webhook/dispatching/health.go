package dispatching

import (
	"net/http"
	"slices"
	"time"

	"portico/shared/webhook"
)

const (
	// failingAfter is how many tries in a row must fail until the breaker opens.
	failingAfter = 5
	// tellAfter is how long tries must have failed until the owner is told. A
	// receiver that only restarts recovers sooner.
	tellAfter = time.Minute
	// The breaker opens for openFor, doubled each time a probe fails, up to
	// openAtMost. That bounds how much later than its schedule a delivery is
	// tried after the receiver has recovered.
	openFor    = 10 * time.Second
	openAtMost = time.Minute
)

// Disabling says when an endpoint is disabled because all its tries fail: both
// conditions must be true.
type Disabling struct {
	After    time.Duration // since the first failure after the last success
	Failures int32         // tries in a row
}

// health is what is kept of an endpoint's results: a row of webhook_lane.
type health struct {
	Failures     int32
	FailingSince *time.Time
	OpenUntil    *time.Time // of the breaker; nil: closed
	Openings     int16      // in a row
	Told         bool
}

// outcome sums up the tries of one endpoint in one batch.
type outcome struct {
	webhook.Lane
	delivered bool
	dead      int32 // deliveries that have failed for good, without those of operational events
	failures  int32
	since     time.Time     // of the first failed try
	probe     bool          // one was made while the breaker was open
	putOff    time.Duration // until the next probe, if the probe was not sent
	gone      bool          // the receiver answered 410
	telling   bool          // at least one try was not for an operational event, so the owner may be told
	troubled  bool          // tries had failed before
	lastError string
	lastCode  int       // 0: no response
	lastAt    time.Time // of the last failed try; zero: none failed
}

// verdict is the change, if any, that the owner is told about.
type verdict int

const (
	unchanged verdict = iota
	nowFailing
	nowRecovered
	nowGone          // disabled because of a 410
	nowFailedTooLong // disabled because of Disabling
)

// reason returns why an endpoint is disabled by a verdict; "" if it is not.
func (v verdict) reason() string {
	return map[verdict]string{nowGone: webhook.DisabledGone, nowFailedTooLong: webhook.DisabledFailing}[v]
}

// after returns the health after an outcome. A single success shows that the
// receiver works, even if other tries of the batch failed.
func (h health) after(o outcome, now time.Time, d Disabling) (health, verdict) {
	if o.failures == 0 && !o.delivered {
		h.OpenUntil = new(now.Add(o.putOff)) // the probe was not sent: the next delivery is the probe
		return h, unchanged
	}
	if o.delivered && !o.gone {
		if h.Told && o.telling {
			return health{}, nowRecovered
		}
		return health{Told: h.Told}, unchanged
	}
	h.Failures += o.failures
	if h.FailingSince == nil {
		h.FailingSince = &o.since
	}
	if h.Failures >= failingAfter {
		h.trip(o, now)
	}
	failing := now.Sub(*h.FailingSince)
	switch {
	case o.gone:
		return h, nowGone
	case h.Failures >= d.Failures && failing >= d.After:
		return h, nowFailedTooLong
	case h.Failures >= failingAfter && failing >= tellAfter && !h.Told && o.telling:
		h.Told = true
		return h, nowFailing
	}
	return h, unchanged
}

// trip opens the breaker, or opens it again for longer after a failed probe.
// Failed tries that were in flight when it opened change nothing.
func (h *health) trip(o outcome, now time.Time) {
	if h.OpenUntil != nil && !o.probe {
		return
	}
	until := now.Add(min(openFor<<min(h.Openings, 8), openAtMost))
	h.OpenUntil, h.Openings = &until, min(h.Openings+1, 100)
}

// outcomesOf sums up a batch by endpoint, for endpoints that fail or have failed
// before. They are sorted, so that two dispatchers lock lanes in the same order.
// A delivery that was not tried says nothing about the receiver, and counts only
// if it was the probe.
func outcomesOf(batch []Result) []outcome {
	all := map[webhook.Lane]*outcome{}
	for _, r := range batch {
		k := r.lane()
		if !r.Tried && !r.Probe {
			continue
		}
		if all[k] == nil {
			all[k] = &outcome{Lane: k, troubled: r.Troubled}
		}
		all[k].add(r)
	}
	var list []outcome
	for _, o := range all {
		if o.failures > 0 || o.troubled || o.probe {
			list = append(list, *o)
		}
	}
	slices.SortFunc(list, func(a, b outcome) int { return a.Compare(b.Lane) })
	return list
}

func (o *outcome) add(r Result) {
	o.probe = o.probe || r.Probe
	if !r.Tried {
		if o.putOff = r.Wait; r.EgressFault != nil {
			o.putOff = min(r.Wait, openAtMost) // not the endpoint's fault
		}
		return
	}
	o.telling = o.telling || !webhook.IsOperational(r.Type)
	if r.Status == webhook.Delivered {
		o.delivered = true
		return
	}
	if o.failures == 0 || r.StartedAt.Before(o.since) {
		o.since = r.StartedAt
	}
	if r.Status == webhook.Failed && !webhook.IsOperational(r.Type) {
		o.dead++
	}
	o.failures++
	if !r.StartedAt.Before(o.lastAt) {
		o.lastAt, o.lastError, o.lastCode = r.StartedAt, r.Error, r.StatusCode
	}
	o.gone = o.gone || r.StatusCode == http.StatusGone
}
