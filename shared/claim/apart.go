package claim

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
)

// apart keeps results that delay the recording of others: a request holds a lock
// that they need, their consequences are slow, or Postgres refuses a result. They
// are recorded one organization at a time, on one session. Nothing new is claimed
// for such an organization, so apart never holds more results than work was in
// flight.
type apart[K Key, R Result[K]] struct {
	lanes *lanes[K]
	batch int // from so many results of an organization on, nothing is claimed for it

	mu     sync.Mutex
	ready  *sync.Cond
	orgs   map[id.Org]*keptApart[R]
	queue  []id.Org // with results to record, each once
	closed bool     // no more results will come
}

// keptApart holds one organization's results. It is kept for a while after they
// are recorded, because the trouble often comes back.
type keptApart[R any] struct {
	results []R
	queued  bool
	giveUp  time.Time
	trouble time.Time // when results last delayed the others
}

func newApart[K Key, R Result[K]](l *lanes[K], batch int) *apart[K, R] {
	a := &apart[K, R]{lanes: l, batch: batch, orgs: map[id.Org]*keptApart[R]{}}
	a.ready = sync.NewCond(&a.mu)
	return a
}

// divert keeps the results of organizations that had trouble a short time ago,
// and returns the results of the others.
func (a *apart[K, R]) divert(giveUp time.Time, batch []R) []R {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.orgs) == 0 {
		return batch
	}
	return slices.DeleteFunc(batch, func(result R) bool {
		org := orgOf[K](result)
		kept := a.orgs[org]
		if kept == nil {
			return false
		}
		if len(kept.results) == 0 && time.Since(kept.trouble) > remember {
			delete(a.orgs, org)
			return false
		}
		a.add(giveUp, result)
		if len(kept.results) >= a.batch {
			a.lanes.hold(org)
		}
		return true
	})
}

// put keeps results of one organization that delay the recording of others.
func (a *apart[K, R]) put(giveUp time.Time, part []R) {
	a.mu.Lock()
	defer a.mu.Unlock()
	org := orgOf[K](part[0])
	if a.orgs[org] == nil {
		a.orgs[org] = &keptApart[R]{}
	}
	a.orgs[org].trouble = time.Now()
	a.add(giveUp, part...)
	a.lanes.hold(org)
}

func (a *apart[K, R]) add(giveUp time.Time, part ...R) {
	org := orgOf[K](part[0])
	kept := a.orgs[org]
	kept.results, kept.giveUp = append(kept.results, part...), giveUp
	if !kept.queued {
		kept.queued, a.queue = true, append(a.queue, org)
		a.ready.Signal()
	}
}

// next waits for results and returns those of the next organization; none after
// close.
func (a *apart[K, R]) next() (giveUp time.Time, part []R) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.queue) == 0 {
		if a.closed {
			return giveUp, nil
		}
		a.ready.Wait()
	}
	kept := a.orgs[a.queue[0]]
	a.queue, kept.queued = a.queue[1:], false
	part, kept.results = kept.results, nil
	return kept.giveUp, part
}

// done allows new claims for an organization when no results of it are left here.
func (a *apart[K, R]) done(org id.Org) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if kept := a.orgs[org]; kept == nil || len(kept.results) == 0 { // nil: divert has deleted it since
		a.lanes.release(org)
	}
}

func (a *apart[K, R]) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	a.ready.Signal()
}

// recordApart records the results kept apart until close.
func (r *run[K, W, R]) recordApart(ctx context.Context) {
	for {
		giveUp, results := r.apart.next()
		if len(results) == 0 {
			return
		}
		for part := range slices.Chunk(results, r.batch()) {
			r.recordPart(ctx, giveUp, part)
			r.recorded.Add(1)
		}
		r.apart.done(orgOf[K](results[0]))
	}
}

// recordPart records results of one organization. If a lock delays them, they are
// tried again later. If several fail for another reason, each is tried alone.
func (r *run[K, W, R]) recordPart(ctx context.Context, giveUp time.Time, part []R) {
	err := r.tryUntil(ctx, giveUp, part, alone)
	switch {
	case err == nil:
	case pg.IsLockTimeout(err) && time.Now().Before(giveUp):
		r.putApart(ctx, giveUp, part, err)
	case !pg.IsLockTimeout(err) && len(part) > 1:
		for i := range part {
			if time.Now().After(giveUp) {
				r.drop(ctx, part[i:], err)
				return
			}
			r.recordPart(ctx, giveUp, part[i:i+1])
		}
	default:
		r.drop(ctx, part, err)
	}
}

func (r *run[K, W, R]) drop(ctx context.Context, part []R, err error) {
	r.Log.Line(ctx, slog.LevelError, "results could not be recorded in time: their work will be done again", nil, slog.String("cause", err.Error()),
		slog.String("org", orgOf[K](part[0]).String()), part[0].Name(), slog.Int("results", len(part)))
}

func (r *run[K, W, R]) putApart(ctx context.Context, giveUp time.Time, part []R, err error) {
	r.Log.Line(ctx, slog.LevelWarn, "results of one organization could not be recorded; they are tried again apart from the others", nil,
		slog.String("cause", err.Error()), slog.String("org", orgOf[K](part[0]).String()))
	r.apart.put(giveUp, part)
}

// byOrg groups a batch's results by organization.
func byOrg[K Key, R Result[K]](batch []R) [][]R {
	parts := map[id.Org][]R{}
	for _, result := range batch {
		org := orgOf[K](result)
		parts[org] = append(parts[org], result)
	}
	return slices.Collect(maps.Values(parts))
}

func orgOf[K Key, R Result[K]](result R) id.Org { return result.Ended().Lane.Org() }
