package claim

import (
	"context"
	"time"
)

// callHelp wakes another dispatcher when for a second this one has not kept up, and
// again after each further second, until the database's share of dispatchers is
// awake. Helpers take only what is overdue, and go back to sleep when nothing is.
func (r *run[K, W, R]) callHelp(ctx context.Context) {
	switch {
	case r.shareUsed.Load(), !r.fallsBehind && !r.lanes.full(r.leads.Load()):
		r.fullSince = time.Time{}
	case r.fullSince.IsZero():
		r.fullSince = time.Now()
	case time.Since(r.fullSince) > time.Second:
		r.fullSince = time.Now()
		if err := r.Waker.CallHelp(ctx); err != nil {
			r.warn(ctx, "another dispatcher could not be woken", err)
		}
	}
}

// judgeAge notes whether the oldest work of a claim is older than that of a second
// ago, and more than twice overdue: then this dispatcher does not keep up, although
// it has free slots. What a limit keeps back does not count, nor a lane that does
// not answer: no helper would make that faster.
func (r *run[K, W, R]) judgeAge(work []Leased[K]) {
	now := r.Clock.Now()
	var age time.Duration
	for i := range work {
		if w := &work[i]; !w.Restricted && !w.Retried && r.lanes.answers(w.Lane) {
			age = max(age, now.Sub(w.Due))
		}
	}
	r.oldest = max(r.oldest, age)
	if time.Since(r.judged) > time.Second {
		r.fallsBehind = r.oldest > 2*overdue && r.oldest > r.oldestBefore
		r.oldestBefore, r.oldest, r.judged = r.oldest, 0, time.Now()
	}
}
