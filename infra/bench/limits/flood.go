package limits

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"portico/shared/apikey"
	"portico/shared/limit"
)

// neighbourRate is how often a second the other key is used.
const neighbourRate = 20

// flood is what became of a key that is used far more than it may be, and of another
// one beside it.
type flood struct {
	took             time.Duration
	requests         int64
	allowed, refused int64
	most             int64 // how many the limit allows in this time
	alone            int64 // in process: decided without DynamoDB, because it took too long
	calls            calls // of both keys
	neighbours       int64 // requests of the other key

	quiet, busy, flooded []time.Duration // of the other key: alone, beside as many requests without a key, beside the flood
}

// perRequest returns how many of some calls there were per request of either key.
func (f flood) perRequest(n int64) float64 { return float64(n) / float64(f.requests+f.neighbours) }

// measureInProcess floods a key of an environment from one goroutine.
func (b *bed) measureInProcess(ctx context.Context) (f flood, err error) {
	b.Progress("limits: a flooded key, in process …")
	hash, err := b.newKey(ctx)
	if err != nil {
		return f, err
	}
	neighbour, err := b.newKey(ctx)
	if err != nil {
		return f, err
	}
	e := b.environment(b.stage)
	use := func() error {
		d, err := e.take(ctx, neighbour)
		if err == nil && !d.Allowed() {
			err = fmt.Errorf("the other key was refused: %v", d.Denied())
		}
		return err
	}
	if f.quiet, err = steadily(ctx, b.Flood/2, use); err != nil {
		return f, err
	}
	mark := b.asked.calls()
	var flooding errgroup.Group
	flooding.Go(func() error { return f.floodAlone(ctx, b, e, hash) })
	f.flooded, err = steadily(ctx, b.Flood, use)
	err = errors.Join(err, flooding.Wait())
	f.calls, f.neighbours = b.asked.calls().since(mark), int64(len(f.flooded))
	return f, err
}

// floodAlone uses a key as often as one goroutine can.
func (f *flood) floodAlone(ctx context.Context, b *bed, e environment, hash apikey.Hash) error {
	begin := time.Now()
	for f.took < b.Flood && ctx.Err() == nil {
		d, err := e.take(ctx, hash)
		if err != nil {
			return err
		}
		f.count(d)
		f.took = time.Since(begin)
	}
	p, _ := b.stage.Named("requests")
	f.most = allows(p, f.took)
	return ctx.Err()
}

func (f *flood) count(d limit.Decision) {
	f.requests++
	if d.Away {
		f.alone++
	}
	if d.Allowed() {
		f.allowed++
	} else {
		f.refused++
	}
}

// allows is how many requests a token bucket that is full allows in a time.
func allows(p limit.Policy, took time.Duration) int64 {
	return p.Burst + int64(took.Seconds()*float64(p.Limit)/p.Window.Seconds())
}

// steadily makes requests at the neighbour's rate, one after the other, and returns
// how long each took.
func steadily(ctx context.Context, d time.Duration, use func() error) (took []time.Duration, err error) {
	ticks := time.NewTicker(time.Second / neighbourRate)
	defer ticks.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticks.C:
		}
		begin := time.Now()
		if err := use(); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begin))
	}
	return took, nil
}

// percentile returns the p-th percentile, 0 for an empty list.
func percentile(d []time.Duration, p int) time.Duration {
	if len(d) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(d))
	return sorted[(len(sorted)-1)*p/100]
}
