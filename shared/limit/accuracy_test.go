package limit_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"portico/shared/limit"
	"portico/shared/testkit"
)

var (
	wholeGrid = flag.Bool("grid", false, "every cell of the grid of TestAccuracy, not a choice")
	gridSeed  = flag.Uint64("seed", 0, "of TestAccuracy; 0: random")
)

// cell is a simulation: environments share a limit of n per window. Their calls are
// load times the limit, at random times, in so many windows.
type cell struct {
	algorithm    limit.Algorithm
	n            int64
	window       time.Duration
	environments int
	load         float64
}

func (c cell) String() string {
	return fmt.Sprintf("%s/%d_per_%s/%d_environments/load_%g", c.algorithm, c.n, c.window, c.environments, c.load)
}

// calls is how many calls a simulation makes.
func (c cell) calls() int64 { return int64(float64(c.n) * c.load * windows) }

// windows is how many windows a simulation takes.
const windows = 4

func grid() (cells []cell) {
	for _, algorithm := range algorithms {
		for _, n := range []int64{10, 100, 1000} {
			for _, window := range []time.Duration{time.Second, time.Minute} {
				for _, environments := range []int{1, 4, 20} {
					for _, load := range []float64{0.5, 0.9, 1.5, 10} {
						cells = append(cells, cell{algorithm, n, window, environments, load})
					}
				}
			}
		}
	}
	return cells
}

// some returns up to 15 cells at random, of 6,500 calls together at most: they take
// seconds, the whole grid minutes.
func some(cells []cell, random *rand.Rand) (chosen []cell) {
	most := int64(6_500)
	for _, i := range random.Perm(len(cells)) {
		if c := cells[i]; len(chosen) < 15 && c.calls() <= most {
			chosen, most = append(chosen, c), most-c.calls()
		}
	}
	return chosen
}

// What environments that share a limit allow together never exceeds it; with leases
// of a token bucket it does by no more than what these hold. And it is not less than
// 98 % of what one that counts exactly allows.
func TestAccuracy(t *testing.T) {
	seed := *gridSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	cells := grid()
	if !*wholeGrid {
		cells = some(cells, rand.New(rand.NewPCG(seed, 0)))
	}
	t.Logf("-seed %d", seed)
	for _, c := range cells {
		t.Run(c.String(), func(t *testing.T) {
			s := newStore(t, testkit.DynamoDBEndpoint(t))
			r := c.run(t, s, rand.New(rand.NewPCG(seed, 1)))
			t.Logf("%d calls, %d allowed, exactly %d, over by %d of at most %d, %.2f calls of DynamoDB each",
				r.calls, r.allowed, r.exact, r.over, r.most, float64(s.calls.Load())/float64(r.calls))
			if r.over > r.most {
				t.Errorf("over the limit by %d, at most %d is right", r.over, r.most)
			}
			if float64(r.allowed) < 0.98*float64(r.exact)-1 {
				t.Errorf("%d were allowed; counting exactly allows %d", r.allowed, r.exact)
			}
		})
	}
}

// result is what a simulation gave: how many calls there were, how many of them were
// allowed and how many counting exactly would allow; by how much the limit was
// exceeded at most, and by how much it may be.
type result struct{ calls, allowed, exact, over, most int64 }

func (c cell) run(t *testing.T, s *store, random *rand.Rand) (r result) {
	t.Helper()
	p := policy(c.algorithm, c.n, c.window)
	environments := make([]*limit.Items, c.environments)
	for i := range environments {
		environments[i] = s.environment(c.environments, p)
	}
	shared, exact := meter{Policy: p}, meter{Policy: p}
	r.calls = c.calls()
	if c.algorithm == limit.TokenBucket {
		r.most = int64(c.environments) * max(0, p.Burst/10-1)
	}
	step := float64(windows*c.window) / float64(r.calls)
	for range r.calls {
		s.now = s.now.Add(time.Duration(step * 2 * random.Float64()))
		d, _, err := environments[random.IntN(len(environments))].Take(context.Background(), "k", limit.Amounts{Requests: 1}, false)
		testkit.Must(t, err)
		if d.Allowed() {
			shared.count(s.now)
			r.allowed++
		}
		r.over = max(r.over, shared.over(s.now))
		if exact.left(s.now) >= 1 {
			exact.count(s.now)
			r.exact++
		}
	}
	return r
}

// meter counts exactly, written independently of the package: it keeps the time of
// every call.
type meter struct {
	limit.Policy
	calls []time.Time
	level float64 // of a token bucket: how much is missing
	at    time.Time
}

func (m *meter) count(now time.Time) {
	if m.Algorithm == limit.TokenBucket {
		m.drain(now)
		m.level++
		return
	}
	m.calls = append(m.calls, now)
}

// drain lets a token bucket fill until now.
func (m *meter) drain(now time.Time) {
	if !m.at.IsZero() {
		m.level = max(0, m.level-now.Sub(m.at).Seconds()*float64(m.Limit)/m.Window.Seconds())
	}
	m.at = now
}

// left is how much the policy allows now.
func (m *meter) left(now time.Time) float64 {
	if m.Algorithm == limit.TokenBucket {
		m.drain(now)
		return float64(m.Burst) - m.level
	}
	begin := now.Truncate(m.Window)
	var used, before float64
	for _, at := range m.calls {
		switch {
		case !at.Before(begin):
			used++
		case !at.Before(begin.Add(-m.Window)):
			before++
		}
	}
	if m.Algorithm == limit.SlidingWindow {
		used += before * (1 - now.Sub(begin).Seconds()/m.Window.Seconds())
	}
	return float64(m.Limit) - used
}

// over is by how much the policy is exceeded now. A thousandth is left for rounding.
func (m *meter) over(now time.Time) int64 {
	return int64(max(0, -m.left(now)+0.999))
}
