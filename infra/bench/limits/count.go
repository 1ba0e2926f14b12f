package limits

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"portico/shared/apikey"
	"portico/shared/limit"
)

// leased is what one request costs of which nearly all are leased.
type leased struct {
	name                string
	requests            int
	ns, allocations     float64
	bytes, callsPerCall float64
}

// measureLeased measures a busy key whose limits are wide.
func (b *bed) measureLeased(ctx context.Context) (list []leased, err error) {
	b.Progress("limits: a busy key …")
	hash, err := b.newKey(ctx)
	if err != nil {
		return nil, err
	}
	policies := widePolicies(b.stage)
	items := &limit.Items{Settings: limit.Settings{Policies: policies.Of(limit.ByKey), Environments: 1}, Table: b.counters, Expires: true, Now: b.clock.Now}
	e := b.environment(policies)
	for _, m := range []struct {
		name string
		take func() (limit.Decision, error)
	}{
		{"limit.Items.Take, the policies of a key", func() (limit.Decision, error) {
			d, _, err := items.Take(ctx, "bench", once, false)
			return d, err
		}},
		{"apikey.Projection.Caller: who it is, and these", func() (limit.Decision, error) {
			_, d, err := e.keys.Caller(ctx, hash, apikey.Use{Amounts: once})
			return d, err
		}},
		{"a request: this, and those of the organization", func() (limit.Decision, error) { return e.take(ctx, hash) }},
	} {
		l, err := b.repeat(m.take)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		l.name = m.name
		list = append(list, l)
	}
	return list, nil
}

// repeat makes requests for a second, in rounds; the time is that of the round in
// the middle.
func (b *bed) repeat(take func() (limit.Decision, error)) (l leased, err error) {
	const rounds, round, chunk = 10, 100 * time.Millisecond, 100
	var times []float64
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	mark := b.asked.calls()
	for range rounds {
		begin, n := time.Now(), 0
		for ; time.Since(begin) < round; n += chunk {
			for range chunk {
				if d, err := take(); err != nil || !d.Allowed() {
					return l, fmt.Errorf("a request of a wide limit was refused: %v %w", d.Denied(), err)
				}
			}
		}
		times = append(times, float64(time.Since(begin).Nanoseconds())/float64(n))
		l.requests += n
	}
	l.callsPerCall = float64(b.asked.calls().since(mark).all()) / float64(l.requests)
	runtime.ReadMemStats(&after)
	l.allocations = float64(after.Mallocs-before.Mallocs) / float64(l.requests)
	l.bytes = float64(after.TotalAlloc-before.TotalAlloc) / float64(l.requests)
	slices.Sort(times)
	l.ns = times[rounds/2]
	return l, nil
}
