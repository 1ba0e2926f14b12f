package statistics_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
	"portico/shared/webhook/statistics"
)

// stack is a database with an organization.
type stack struct {
	*testkit.Database
	t   *testing.T
	org id.Org
}

func newStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{Database: testkit.DB(t), t: t}
	s.org = s.NewOrg(t)
	return s
}

func (s *stack) save(c *statistics.Counts) {
	s.t.Helper()
	testkit.Must(s.t, c.Save(context.Background(), s.Worker, 0))
}

func (s *stack) of(endpoint id.WebhookEndpoint, hours int) (got statistics.Statistics) {
	s.t.Helper()
	s.InOrg(s.t, s.org, func(ctx context.Context, tx pg.Tx) (err error) {
		got, err = statistics.Of(ctx, tx, s.org, endpoint, hours, s.Clock.Now())
		return err
	})
	return got
}

func newEndpoint() id.WebhookEndpoint { return id.New[id.WebhookEndpoint](time.Now()) }

// Whatever dispatchers count, at the same time and over hours, an endpoint's statistics
// are those of all its tries, and of no other endpoint's.
func TestStatistics(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	endpoints := []id.WebhookEndpoint{newEndpoint(), newEndpoint(), newEndpoint()}
	truth := map[id.WebhookEndpoint][]statistics.Sum{}
	dispatchers := []*statistics.Counts{{}, {}}
	const hours = 4
	for hour := range hours {
		for range 5 {
			for range 200 {
				e := endpoints[random.IntN(len(endpoints))]
				try := statistics.Try{Endpoint: statistics.Endpoint{Org: s.org, ID: e}, Succeeded: random.IntN(3) > 0, Latency: time.Millisecond}
				try.Dead = !try.Succeeded && random.IntN(4) == 0
				dispatchers[random.IntN(2)].Add(try)
				for len(truth[e]) <= hour {
					truth[e] = append(truth[e], statistics.Sum{})
				}
				add(&truth[e][hour], try)
			}
			var all sync.WaitGroup
			for _, d := range dispatchers {
				all.Go(func() { s.save(d) })
			}
			all.Wait()
		}
		s.Advance(t, time.Hour)
	}
	for _, e := range endpoints {
		got, want := s.of(e, hours+1), statistics.Sum{}
		if len(got.Hours) != len(truth[e]) || len(s.of(e, 1).Hours) != 0 {
			t.Fatalf("%d hours, want %d", len(got.Hours), len(truth[e]))
		}
		for i, h := range truth[e] {
			want.Succeeded, want.Failed, want.Dead = want.Succeeded+h.Succeeded, want.Failed+h.Failed, want.Dead+h.Dead
			g := got.Hours[i]
			if g.Succeeded != h.Succeeded || g.Failed != h.Failed || g.Dead != h.Dead || !g.At.Equal(got.Since.Add(time.Duration(i)*time.Hour)) {
				t.Errorf("hour %d: %+v, want %+v", i, g, h)
			}
		}
		if got.Succeeded != want.Succeeded || got.Failed != want.Failed || got.Dead != want.Dead {
			t.Errorf("%+v, want %+v", got.Sum, want)
		}
		latencies := testkit.Value[int64](t, s.Database, `SELECT sum(n) FROM webhook_stat, unnest(latencies) n WHERE endpoint_id = $1`, e)
		if latencies != want.Succeeded+want.Failed {
			t.Errorf("%d latencies are counted, want %d", latencies, want.Succeeded+want.Failed)
		}
	}
}

func add(s *statistics.Sum, try statistics.Try) {
	if try.Succeeded {
		s.Succeeded++
	} else {
		s.Failed++
	}
	if try.Dead {
		s.Dead++
	}
}

// A percentile is at most a fifth away from that of the latencies themselves.
func TestPercentiles(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Int64Range(int64(time.Millisecond), int64(30*time.Second)), 1, 200).Draw(t, "latencies")
		p := rapid.IntRange(1, 100).Draw(t, "percent")
		got := statistics.PercentileOf(list, p)
		slices.Sort(list)
		want := list[(len(list)*p+99)/100-1]
		if got == nil || float64(*got) < float64(want)/1.2 || float64(*got) > float64(want)*1.2 {
			t.Fatalf("the percentile %d is %v, want %s", p, got, time.Duration(want))
		}
	})
	if got := statistics.PercentileOf(nil, 50); got != nil {
		t.Errorf("the percentile of nothing is %s", got)
	}
}

// Latencies without a response are not counted, and what was saved is not saved again.
func TestCountsAreSavedOnce(t *testing.T) {
	t.Parallel()
	s, c, e := newStack(t), &statistics.Counts{}, newEndpoint()
	c.Add(statistics.Try{Endpoint: statistics.Endpoint{Org: s.org, ID: e}})
	s.save(c)
	s.save(c)
	testkit.Must(t, c.Save(context.Background(), s.Worker, time.Hour))
	c.Add(statistics.Try{Endpoint: statistics.Endpoint{Org: s.org, ID: e}, Succeeded: true})
	testkit.Must(t, c.Save(context.Background(), s.Worker, time.Hour)) // too soon
	if got := s.of(e, 1); got.Failed != 1 || got.Succeeded != 0 || got.P50 != nil {
		t.Errorf("%+v", got)
	}
	s.save(c)
	if got := s.of(e, 1); got.Failed != 1 || got.Succeeded != 1 {
		t.Errorf("%+v", got)
	}
}

// Counts of an organization that is being erased or moves are dropped; the others' are
// not.
func TestCountsOfOrganizationsThatEnd(t *testing.T) {
	t.Parallel()
	s, c := newStack(t), &statistics.Counts{}
	deleted, moving, e := s.NewOrg(t), s.NewOrg(t), newEndpoint()
	s.Exec(t, `UPDATE organization SET deleted_at = portico_now() WHERE id = $1`, deleted)
	s.Place(t, moving, "draining", "acme")
	for _, org := range []id.Org{deleted, moving, s.org} {
		c.Add(statistics.Try{Endpoint: statistics.Endpoint{Org: org, ID: e}, Succeeded: true})
	}
	s.save(c)
	if orgs := testkit.Value[[]id.Org](t, s.Database, `SELECT array_agg(org_id) FROM webhook_stat`); !slices.Equal(orgs, []id.Org{s.org}) {
		t.Errorf("counts of %v were saved, want those of %s", orgs, s.org)
	}
}

// BenchmarkAdd measures what counting adds to each try.
func BenchmarkAdd(b *testing.B) {
	c, try := &statistics.Counts{}, statistics.Try{Endpoint: statistics.Endpoint{ID: newEndpoint()}, Succeeded: true, Latency: 42 * time.Millisecond}
	for b.Loop() {
		c.Add(try)
	}
}
