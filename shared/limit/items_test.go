package limit_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/shared/dynamo"
	"portico/shared/limit"
	"portico/shared/testkit"
)

// eachStore runs a test with every available DynamoDB: one of them does not return
// the item with a refused write.
func eachStore(t *testing.T, test func(*testing.T, *store)) {
	t.Helper()
	for name, endpoint := range testkit.DynamoDBEndpoints(t) {
		t.Run(name, func(t *testing.T) { test(t, newStore(t, endpoint)) })
	}
}

// store is a table behind a proxy that counts calls.
type store struct {
	table dynamo.Table
	now   time.Time // of all environments
	calls atomic.Int64
	fails atomic.Bool
}

func newStore(t *testing.T, endpoint string) *store {
	t.Helper()
	s := &store{now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}
	_, name := testkit.Table(t, endpoint, "id")
	client := testkit.DynamoDBThrough(t, endpoint, func(string, string) bool {
		s.calls.Add(1)
		return s.fails.Load()
	})
	s.table = dynamo.NewTable(client, name, "id")
	return s
}

// environment returns what one of so many environments keeps.
func (s *store) environment(environments int, policies ...limit.Policy) *limit.Items {
	settings := limit.Settings{Policies: policies, Environments: environments, Budget: time.Minute}
	return &limit.Items{Settings: settings, Table: s.table, Expires: true, Now: func() time.Time { return s.now }}
}

func policy(a limit.Algorithm, n int64, window time.Duration) limit.Policy {
	return limit.Policy{Name: "requests", Unit: limit.Requests, Algorithm: a, Window: window}.With(n)
}

var algorithms = []limit.Algorithm{limit.FixedWindow, limit.SlidingWindow, limit.TokenBucket}

// take takes one request, and work if the policies count it.
func take(t *testing.T, items *limit.Items) limit.Decision {
	t.Helper()
	d, _, err := items.Take(context.Background(), "k", limit.Amounts{Requests: 1, Work: 1}, false)
	testkit.Must(t, err)
	return d
}

// allowed counts how many of n calls are allowed.
func allowed(t *testing.T, items *limit.Items, n int) (count int) {
	t.Helper()
	for range n {
		if take(t, items).Allowed() {
			count++
		}
	}
	return count
}

// Whatever the algorithm, a limit is reached exactly. Then calls are denied without
// asking DynamoDB, until the time that the denial tells.
func TestTake(t *testing.T) {
	for _, algorithm := range algorithms {
		t.Run(string(algorithm), func(t *testing.T) {
			eachStore(t, func(t *testing.T, s *store) {
				p := policy(algorithm, 5, time.Minute)
				items, want := s.environment(1, p), 5
				if algorithm == limit.TokenBucket {
					want = 10
				}
				if n := allowed(t, items, 20); n != want {
					t.Fatalf("%d were allowed, want %d", n, want)
				}
				before := s.calls.Load()
				d := take(t, items)
				if d.Allowed() || s.calls.Load() != before {
					t.Fatalf("%+v, after %d calls", d.States, s.calls.Load()-before)
				}
				s.now = s.now.Add(d.States[0].RetryAfter - time.Millisecond)
				if d = take(t, items); d.Allowed() {
					t.Error("it was allowed earlier than told")
				}
				s.now = s.now.Add(d.States[0].RetryAfter)
				if d := take(t, items); !d.Allowed() {
					t.Errorf("at the time that was told: %+v", d.States)
				}
			})
		})
	}
}

// Environments that take at the same time never exceed a limit together, and
// use all of it. Not tried with moto, whose conditional writes are not atomic.
func TestConcurrentEnvironments(t *testing.T) {
	for _, algorithm := range algorithms {
		t.Run(string(algorithm), func(t *testing.T) {
			s, p := newStore(t, testkit.DynamoDBEndpoint(t)), policy(algorithm, 60, time.Minute)
			p.Burst = 60
			var sum atomic.Int64
			var all sync.WaitGroup
			for range 4 {
				items := s.environment(4, p)
				all.Go(func() { sum.Add(int64(allowed(t, items, 60))) })
			}
			all.Wait()
			if n := sum.Load(); n > 60 || n < 55 {
				t.Errorf("%d were allowed, want 60, or a few less that an environment still holds", n)
			}
		})
	}
}

// All policies of a thing count in one write, and all or none: a call that one
// denies uses up nothing of the others.
func TestAllOrNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		requests := policy(limit.TokenBucket, 100, time.Minute)
		work := limit.Policy{Name: "work", Unit: limit.Work, Algorithm: limit.SlidingWindow, Window: time.Minute}.With(3)
		items := s.environment(1, requests, work)
		take(t, items)
		if n := s.calls.Load(); n != 1 {
			t.Errorf("the first call took %d calls of DynamoDB, want 1", n)
		}
		if n := allowed(t, items, 10); n != 2 {
			t.Errorf("%d more were allowed, want 2", n)
		}
		d := take(t, items)
		if left := d.States[0].Remaining; left != 197 {
			t.Errorf("%d requests are left, want 197: denied calls count too", left)
		}
		if denied := d.Denied(); len(denied) != 1 || denied[0].Policy.Name != "work" || d.Tightest().Policy.Name != "work" {
			t.Errorf("denied by %+v", denied)
		}
	})
}

// What a call has caused is charged although it is more than is left: the next call
// is refused, in another environment too, until the debt is paid.
func TestCharge(t *testing.T) {
	for _, algorithm := range algorithms {
		t.Run(string(algorithm), func(t *testing.T) {
			eachStore(t, func(t *testing.T, s *store) {
				p := policy(algorithm, 100, time.Minute)
				p.Burst = 100
				here, there := s.environment(2, p), s.environment(2, p)
				take(t, here)
				testkit.Must(t, here.Charge(context.Background(), "k", limit.Amounts{Requests: 700}))
				for name, items := range map[string]*limit.Items{"here": here, "there": there} {
					if d := take(t, items); d.Allowed() || d.States[0].Remaining != 0 {
						t.Errorf("%s: %+v", name, d.States)
					}
				}
				s.now = s.now.Add(6 * time.Minute)
				testkit.Must(t, here.Charge(context.Background(), "k", limit.Amounts{Requests: 100})) // for a call that took long
				s.now = s.now.Add(time.Minute)
				if d := take(t, there); d.Allowed() {
					t.Errorf("700 of 801 are paid: %+v", d.States)
				}
				s.now = s.now.Add(2 * time.Minute)
				if d := take(t, there); !d.Allowed() {
					t.Errorf("all is paid: %+v", d.States)
				}
			})
		})
	}
}

// A small charge costs no call of its own: the next call writes it.
func TestSmallCharge(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		items := s.environment(1, policy(limit.FixedWindow, 1000, time.Minute))
		take(t, items)
		before := s.calls.Load()
		testkit.Must(t, items.Charge(context.Background(), "k", limit.Amounts{Requests: 9}))
		if n := s.calls.Load() - before; n != 0 {
			t.Errorf("it took %d calls", n)
		}
		take(t, items)
		if n := s.calls.Load() - before; n != 1 {
			t.Errorf("with the next call %d calls", n)
		}
		if d := take(t, s.environment(1, policy(limit.FixedWindow, 1000, time.Minute))); d.States[0].Remaining > 1000-12 {
			t.Errorf("another environment sees %d left", d.States[0].Remaining)
		}
	})
}

// An environment with a small debt is denied like any other when the limit is used
// up elsewhere.
func TestDebtAndDenial(t *testing.T) {
	for _, algorithm := range algorithms {
		t.Run(string(algorithm), func(t *testing.T) {
			eachStore(t, func(t *testing.T, s *store) {
				p := policy(algorithm, 1000, time.Minute)
				p.Burst = 1000
				here, there := s.environment(2, p), s.environment(2, p)
				for range 3 {
					take(t, here)
				}
				testkit.Must(t, here.Charge(context.Background(), "k", limit.Amounts{Requests: 9}))
				testkit.Must(t, there.Charge(context.Background(), "k", limit.Amounts{Requests: 1000}))
				for range 3 {
					if d := take(t, here); d.Allowed() {
						t.Fatalf("%+v", d.States)
					}
				}
			})
		})
	}
}

// An item's overrides hold for every environment from its first call on, and from
// the next write on when they change. Items with overrides do not expire.
func TestItemsWithOverrides(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		override := func(text string) {
			t.Helper()
			w := dynamo.Write{Update: "SET limits = :l REMOVE expires_at", Values: dynamo.Item{":l": dynamo.Text(text)}}
			if text == "" {
				w = dynamo.Write{Update: "REMOVE limits"}
			}
			testkit.Must(t, s.table.Update(context.Background(), "k", w))
		}
		p := policy(limit.FixedWindow, 1000, time.Minute)
		items := s.environment(1, p)
		take(t, items)
		override("requests=3")
		if n := allowed(t, s.environment(1, p), 10); n != 2 {
			t.Errorf("a new environment allowed %d, want the 2 that are left", n)
		}
		s.now = s.now.Add(time.Minute)
		if n := allowed(t, items, 10); n != 3 {
			t.Errorf("the first environment allowed %d, want 3", n)
		}
		item, err := s.table.Get(context.Background(), "k")
		testkit.Must(t, err)
		if item["expires_at"] != nil {
			t.Error("the item with overrides expires")
		}
		override("requests=4")
		s.now = s.now.Add(8 * time.Second)
		if n := allowed(t, items, 10); n != 1 {
			t.Errorf("eight seconds after a change %d were allowed, want 1", n)
		}
		override("")
		s.now = s.now.Add(time.Minute)
		if d := take(t, items); d.States[0].Policy.Limit != 1000 {
			t.Errorf("without overrides: %+v", d.States[0].Policy)
		}
	})
}

// While DynamoDB is away each environment allows its share, and a policy that fails
// closed nothing. DynamoDB is not asked again for a second.
func TestAway(t *testing.T) {
	s := newStore(t, testkit.DynamoDBEndpoint(t))
	open, closed := policy(limit.FixedWindow, 1200, time.Minute), policy(limit.FixedWindow, 1200, time.Minute)
	closed.FailsClosed = true
	for _, p := range []limit.Policy{open, closed} {
		items := s.environment(4, p)
		s.fails.Store(true)
		d := take(t, items)
		if !d.Away || d.Allowed() == p.FailsClosed {
			t.Errorf("fails closed: %t: %+v", p.FailsClosed, d)
		}
		before, count := s.calls.Load(), 0
		for range 900 { // within 0.9 s
			s.now = s.now.Add(time.Millisecond)
			if take(t, items).Allowed() {
				count++
			}
		}
		if s.calls.Load() != before {
			t.Errorf("DynamoDB was asked %d times", s.calls.Load()-before)
		}
		want := 29 + 4 // a tenth of the share of 300 at once, of which one was used, and 5 a second
		if p.FailsClosed {
			want = 0
		}
		if count != want {
			t.Errorf("%d were allowed, want %d", count, want)
		}
		s.fails.Store(false)
		s.now = s.now.Add(time.Second)
		if d := take(t, items); d.Away || !d.Allowed() {
			t.Errorf("when DynamoDB is back: %+v", d)
		}
	}
}

// What was taken for a call that another scope denied is used by the next call,
// without a write.
func TestGiveBack(t *testing.T) {
	s := newStore(t, testkit.DynamoDBEndpoint(t))
	items := s.environment(1, policy(limit.SlidingWindow, 3, time.Minute))
	for range 10 {
		if !take(t, items).Allowed() {
			t.Fatal("it was used up")
		}
		items.GiveBack("k", limit.Amounts{Requests: 1})
	}
	if n := s.calls.Load(); n > 2 {
		t.Errorf("%d calls of DynamoDB", n)
	}
	if n := allowed(t, items, 10); n != 3 {
		t.Errorf("%d were allowed, want 3", n)
	}
}

// Items that lack an attribute, or have one that forbids it, are not counted, and
// none is made.
func TestNotCounted(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		items := s.environment(1, policy(limit.FixedWindow, 3, time.Minute))
		items.Needs, items.Forbids = "holder", "revoked_at"
		refused := func(when string) {
			t.Helper()
			if _, _, err := items.Take(context.Background(), "k", limit.Amounts{Requests: 1}, false); err != limit.ErrNotCounted {
				t.Errorf("%s: %v", when, err)
			}
		}
		refused("without an item")
		item, err := s.table.Get(context.Background(), "k")
		testkit.Must(t, err)
		if len(item) > 0 {
			t.Errorf("there is an item now: %v", item)
		}
		testkit.Must(t, s.table.Update(context.Background(), "k", dynamo.Write{Update: "SET holder = :n", Values: dynamo.Item{":n": dynamo.Text("x")}}))
		if n := allowed(t, items, 5); n != 3 {
			t.Errorf("%d were allowed, want 3", n)
		}
		s.now = s.now.Add(time.Minute)
		testkit.Must(t, s.table.Update(context.Background(), "k", dynamo.Write{Update: "SET revoked_at = :n", Values: dynamo.Item{":n": dynamo.Text("x")}}))
		refused("with an attribute that forbids it")
	})
}

// If an item is lost, everything may be used again at once.
func TestLostItem(t *testing.T) {
	for _, algorithm := range algorithms {
		t.Run(string(algorithm), func(t *testing.T) {
			eachStore(t, func(t *testing.T, s *store) {
				items := s.environment(1, policy(algorithm, 1000, time.Minute))
				allowed(t, items, 3)
				testkit.Must(t, s.table.Delete(context.Background(), "k", dynamo.Write{}))
				if n := allowed(t, items, 50); n != 50 {
					t.Errorf("%d of 50 were allowed", n)
				}
			})
		})
	}
}

// A clock that is behind counts in the window of the one that is ahead.
func TestClockBehind(t *testing.T) {
	eachStore(t, func(t *testing.T, s *store) {
		ahead, behind := s.environment(2, policy(limit.SlidingWindow, 5, time.Minute)), s.environment(2, policy(limit.SlidingWindow, 5, time.Minute))
		late := s.now.Add(-time.Second)
		behind.Now = func() time.Time { return late }
		allowed(t, ahead, 3)
		if n := allowed(t, behind, 5); n != 2 {
			t.Errorf("%d were allowed behind, want 2", n)
		}
	})
}

// A denial says a time that is neither in the past nor later than two windows, or,
// after the limit was lowered, eleven.
func TestRetryAfter(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := newStore(t, testkit.DynamoDBEndpoint(t))
	for _, algorithm := range algorithms {
		items := s.environment(1, policy(algorithm, 1+random.Int64N(20), 10*time.Second))
		for i := range 600 {
			s.now = s.now.Add(time.Duration(random.Int64N(int64(time.Second))))
			for _, denied := range take(t, items).Denied() {
				most := 20 * time.Second
				if i < 12*20 { // the item is that of another limit before
					most = 110 * time.Second
				}
				if denied.RetryAfter <= 0 || denied.RetryAfter > most {
					t.Fatalf("%s: %s", algorithm, denied.RetryAfter)
				}
			}
		}
	}
}
