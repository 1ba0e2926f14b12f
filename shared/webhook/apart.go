package webhook

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

// apart keeps results that delay the recording of others: a publish holds their
// ordering key for long, the organization's filters are slow, or Postgres refuses
// a result. They are recorded one organization at a time, on one session. Nothing
// new is claimed for such an organization, so apart never holds more results than
// requests were in flight.
type apart struct {
	lanes *lanes

	mu     sync.Mutex
	ready  *sync.Cond
	orgs   map[id.Org]*keptApart
	queue  []id.Org // with results to record, each once
	closed bool     // no more results will come
}

// keptApart holds one organization's results. It is kept for a while after they
// are recorded, because the trouble often comes back.
type keptApart struct {
	results []Result
	queued  bool
	giveUp  time.Time
	trouble time.Time // when results last delayed the others
}

func newApart(l *lanes) *apart {
	a := &apart{lanes: l, orgs: map[id.Org]*keptApart{}}
	a.ready = sync.NewCond(&a.mu)
	return a
}

// divert keeps the results of organizations that had trouble a short time ago,
// and returns the results of the others.
func (a *apart) divert(giveUp time.Time, batch []Result) []Result {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.DeleteFunc(batch, func(result Result) bool {
		kept := a.orgs[result.Org]
		if kept == nil {
			return false
		}
		if len(kept.results) == 0 && time.Since(kept.trouble) > remember {
			delete(a.orgs, result.Org)
			return false
		}
		a.add(giveUp, result)
		if len(kept.results) >= batchSize {
			a.lanes.hold(result.Org)
		}
		return true
	})
}

// put keeps results of one organization that delay the recording of others.
func (a *apart) put(giveUp time.Time, part []Result) {
	a.mu.Lock()
	defer a.mu.Unlock()
	org := part[0].Org
	if a.orgs[org] == nil {
		a.orgs[org] = &keptApart{}
	}
	a.orgs[org].trouble = time.Now()
	a.add(giveUp, part...)
	a.lanes.hold(org)
}

func (a *apart) add(giveUp time.Time, part ...Result) {
	org := part[0].Org
	kept := a.orgs[org]
	kept.results, kept.giveUp = append(kept.results, part...), giveUp
	if !kept.queued {
		kept.queued, a.queue = true, append(a.queue, org)
		a.ready.Signal()
	}
}

// next waits for results and returns those of the next organization; none after
// close.
func (a *apart) next() (giveUp time.Time, part []Result) {
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
func (a *apart) done(org id.Org) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if kept := a.orgs[org]; kept == nil || len(kept.results) == 0 { // nil: divert has deleted it since
		a.lanes.release(org)
	}
}

func (a *apart) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	a.ready.Signal()
}

// recordApart records the results kept apart until close.
func (r *run) recordApart(ctx context.Context) {
	for {
		giveUp, results := r.apart.next()
		if len(results) == 0 {
			return
		}
		for part := range slices.Chunk(results, batchSize) {
			r.recordPart(ctx, giveUp, part)
			r.recorded.Add(1)
		}
		r.apart.done(results[0].Org)
	}
}

// recordPart records results of one organization. If a lock delays them, they are
// tried again later. If several fail for another reason, each is tried alone.
func (r *run) recordPart(ctx context.Context, giveUp time.Time, part []Result) {
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

func (r *run) drop(ctx context.Context, part []Result, err error) {
	r.Log.Line(ctx, slog.LevelError, "results could not be recorded in time: their deliveries will be sent again", nil, slog.String("cause", err.Error()),
		slog.String("org", part[0].Org.String()), slog.String("delivery", part[0].ID.String()), slog.Int("results", len(part)))
}

func (r *run) putApart(ctx context.Context, giveUp time.Time, part []Result, err error) {
	r.Log.Line(ctx, slog.LevelWarn, "results of one organization could not be recorded; they are tried again apart from the others", nil,
		slog.String("cause", err.Error()), slog.String("org", part[0].Org.String()))
	r.apart.put(giveUp, part)
}

// byOrg groups a batch's results by organization.
func byOrg(batch []Result) [][]Result {
	parts := map[id.Org][]Result{}
	for _, result := range batch {
		parts[result.Org] = append(parts[result.Org], result)
	}
	return slices.Collect(maps.Values(parts))
}
