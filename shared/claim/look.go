package claim

import (
	"context"
	"time"

	"github.com/google/uuid"

	"portico/shared/pg"
)

const (
	// lookAtMost is how long the leader does not look if it is not notified and
	// knows of nothing that becomes due.
	lookAtMost = time.Second
	// lookAtLeast is how often a helper looks, and how often the leader looks when
	// limits or breakers may have kept something back.
	lookAtLeast = 100 * time.Millisecond
	// lookUnnotified is how often the leader looks while it is not notified.
	lookUnnotified = gatherAtMost
	// lookPause bounds the pause after a slow look.
	lookPause = 2 * time.Second
)

// nextLook returns when to ask Postgres again which lanes have something due. A
// look pauses ten times as long as the last one took, two seconds at most, so looks
// take little of the time, however many lanes have backlogs.
func (r *run[K, W, R]) nextLook() time.Time {
	every := r.lookEvery()
	switch {
	case r.unnotified:
		every = min(every, lookUnnotified)
	case !r.leads.Load() || r.keptBack:
		every = min(every, lookAtLeast)
	}
	next := r.looked.Add(every)
	if retry := r.retries.first(); !retry.IsZero() && retry.Before(next) {
		next = retry
	}
	if earliest := r.looked.Add(min(10*r.lookTook, lookPause)); next.Before(earliest) {
		return earliest
	}
	return next
}

// look asks Postgres which lanes have something due, unless it is too early.
func (r *run[K, W, R]) look(ctx context.Context) error {
	if !r.lookNow.Swap(false) && time.Now().Before(r.nextLook()) {
		return nil
	}
	began := time.Now()
	r.retries.until(began)
	var since time.Duration
	if !r.leads.Load() {
		since = overdue
	}
	lanes, soonest, err := r.queue.Look(ctx, since)
	if err != nil {
		r.lookNow.Store(true)
		return err
	}
	r.lanes.add(lanes...)
	r.looked, r.lookTook, r.keptBack = time.Now(), time.Since(began), false
	if soonest > 0 {
		r.retries.add(r.looked.Add(soonest))
	}
	return nil
}

// judgeClaim notes what a claim tells about the backlog. A claim that got nothing
// from a lane may have met a limit, a breaker or a lock.
func (r *run[K, W, R]) judgeClaim(turns []Turn[K], work []Leased[K]) {
	got := map[K]bool{}
	for i := range work {
		got[work[i].Lane] = true
		r.keptBack = r.keptBack || work[i].Restricted
	}
	r.keptBack = r.keptBack || len(got) < len(turns)
	r.judgeAge(work)
}

const (
	// From unnotifiedFrom pieces of work per claim, on average, the leader looks instead
	// of being notified, and below notifiedBelow it wants notifications again. With a
	// claim every 10 ms that is at 600 and at 300 a second.
	unnotifiedFrom, notifiedBelow = 6, 3
	// While a look takes longer than this, notifications are cheaper.
	slowLook = 2 * time.Millisecond
)

// chooseNotice decides, after a claim of n pieces of work, whether this dispatcher
// is notified. At a high rate a look every few milliseconds costs less than a
// notification for each commit. Who adds work reads this choice after its commit.
// So whoever wants notifications again must first say so, and then look once more,
// as when it falls asleep.
func (r *run[K, W, R]) chooseNotice(ctx context.Context, n int) {
	// A single large claim, such as the first one of a backlog, does not count as a
	// high rate.
	r.claimed += (float64(min(n, 2*unnotifiedFrom)) - r.claimed) / 8
	cheap := r.lookTook < slowLook
	switch {
	case !r.unnotified && r.leads.Load() && cheap && r.claimed > unnotifiedFrom:
		r.setUnnotified(ctx, true)
	case r.unnotified && (!r.leads.Load() || !cheap || r.claimed < notifiedBelow):
		r.setUnnotified(ctx, false)
		r.lookNow.Store(true)
	}
}

func (r *run[K, W, R]) setUnnotified(ctx context.Context, unnotified bool) {
	// After an error it is unknown what the row says, so the dispatcher goes on looking.
	r.unnotified = true
	if err := saveUnnotified(ctx, r.DB, r.id, unnotified); err != nil {
		r.warn(ctx, "the dispatcher could not change how it is notified", err)
		return
	}
	r.unnotified = unnotified
}

func saveUnnotified(ctx context.Context, db *pg.Worker, dispatcher uuid.UUID, unnotified bool) error {
	return pg.Exec(ctx, db, "claim.saveUnnotified", `UPDATE dispatcher SET unnotified = $2 WHERE id = $1`, dispatcher, unnotified)
}
