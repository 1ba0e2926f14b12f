package limit_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"portico/shared/dynamo"
	"portico/shared/limit"
	"portico/shared/testkit"
)

// table is a table of its own in each available DynamoDB.
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
	return &limit.Items{Table: s.table, Policies: policies, Environments: environments, Expires: true, Now: func() time.Time { return s.now }, Budget: time.Minute}
}

func policy(a limit.Algorithm, n int64, window time.Duration) limit.Policy {
	return limit.Policy{Name: "requests", Unit: limit.Requests, Algorithm: a, Window: window}.With(n)
}

var algorithms = []limit.Algorithm{limit.FixedWindow, limit.SlidingWindow, limit.TokenBucket}

// Whatever the algorithm, a limit is reached exactly, then denied without another
// call, and free again later.
func TestTake(t *testing.T) {
	for _, algorithm := range algorithms {
		t.Run(string(algorithm), func(t *testing.T) {
			eachStore(t, func(t *testing.T, s *store) {
				p := policy(algorithm, 5, time.Minute)
				items := s.environment(1, p)
				allowed := 0
				for range 20 {
					d, _, err := items.Take(context.Background(), "k", limit.Amounts{Requests: 1}, false)
					testkit.Must(t, err)
					if d.Allowed() {
						allowed++
					}
				}
				want := 5
				if algorithm == limit.TokenBucket {
					want = 10
				}
				if allowed != want {
					t.Errorf("%d were allowed, want %d", allowed, want)
				}
				t.Logf("%d calls", s.calls.Load())
				s.now = s.now.Add(2 * time.Minute)
				if d, _, _ := items.Take(context.Background(), "k", limit.Amounts{Requests: 1}, false); !d.Allowed() {
					t.Errorf("two minutes later: %+v", d.States)
				}
			})
		})
	}
}
