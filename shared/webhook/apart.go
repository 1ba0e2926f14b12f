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

// apart keeps the results of organizations that hold up the recording away from
// the others': a publish holds their ordering key for long, their filters are
// slow, Postgres refuses a result. They are recorded one organization at a time,
// on one session. Nothing new is claimed for an organization whose results wait
// for long, so what is kept here is no more than was in flight.
type apart struct {
	lanes *lanes

	mu     sync.Mutex
	news   *sync.Cond
	orgs   map[id.Org]*keptApart
	queue  []id.Org // those with results, each once
	closed bool     // nothing comes any more
}

// keptApart is one organization's; it outlives its results for a while, because
// trouble returns.
type keptApart struct {
	results []Result
	queued  bool
	giveUp  time.Time
	trouble time.Time // the last
}

func newApart(l *lanes) *apart {
	a := &apart{lanes: l, orgs: map[id.Org]*keptApart{}}
	a.news = sync.NewCond(&a.mu)
	return a
}

// divert keeps the results of organizations that had trouble a moment ago, and
// returns the others'.
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

// put keeps results of one organization that hold up the recording.
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
		a.news.Signal()
	}
}

// next returns results of the organization whose turn it is; none when nothing
// comes any more.
func (a *apart) next() (giveUp time.Time, part []Result) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.queue) == 0 {
		if a.closed {
			return giveUp, nil
		}
		a.news.Wait()
	}
	kept := a.orgs[a.queue[0]]
	a.queue, kept.queued = a.queue[1:], false
	part, kept.results = kept.results, nil
	return kept.giveUp, part
}

// done lets an organization be served again that has no results left here.
func (a *apart) done(org id.Org) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if kept := a.orgs[org]; kept == nil || len(kept.results) == 0 { // nil: divert has forgotten it meanwhile
		a.lanes.release(org)
	}
}

func (a *apart) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	a.news.Signal()
}

// recordApart records what is kept apart until nothing comes any more.
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

// recordPart records results of one organization. What a lock holds up is tried
// again later; of several results that fail otherwise each is tried alone.
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
	r.Log.Line(ctx, slog.LevelError, "results are given up: their deliveries are sent again", nil, slog.String("cause", err.Error()),
		slog.String("org", part[0].Org.String()), slog.String("delivery", part[0].ID.String()), slog.Int("results", len(part)))
}

func (r *run) putApart(ctx context.Context, giveUp time.Time, part []Result, err error) {
	r.Log.Line(ctx, slog.LevelWarn, "results of one organization could not be recorded and wait", nil,
		slog.String("cause", err.Error()), slog.String("org", part[0].Org.String()))
	r.apart.put(giveUp, part)
}

// byOrg returns a batch's results, each organization's together.
func byOrg(batch []Result) [][]Result {
	parts := map[id.Org][]Result{}
	for _, result := range batch {
		parts[result.Org] = append(parts[result.Org], result)
	}
	return slices.Collect(maps.Values(parts))
}
