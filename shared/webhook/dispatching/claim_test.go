package dispatching_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/testkit"
	"portico/shared/webhook"
	"portico/shared/webhook/dispatching"
	"portico/shared/webhook/sending"
)

func delivered(claims []dispatching.Claim) []dispatching.Result {
	results := make([]dispatching.Result, len(claims))
	for i, c := range claims {
		results[i] = dispatching.Result{Claim: c, Status: webhook.Delivered, Outcome: sending.Outcome{Tried: true, StartedAt: time.Now(), StatusCode: 200}}
	}
	return results
}

// While a lease is valid, no other dispatcher can claim the delivery, also one that
// has not looked, and at an endpoint with a rate limit. After it another one can, and
// the late result of the first one is discarded.
func TestFence(t *testing.T) {
	t.Parallel()
	e, ctx := newEngine(t), context.Background()
	endpoint, _ := e.endpoint("https://example.com/", "*")
	e.publish(`1`)
	first, err := dispatching.ClaimDue(ctx, e.Worker, 10, dispatching.LeaseFor)
	testkit.Must(t, err)
	if len(first) != 1 {
		t.Fatalf("%d claims, want 1", len(first))
	}
	if d := e.deliveries(webhook.DeliveryFilter{})[0]; d.NextRetryAt == nil || d.NextRetryAt.Sub(e.Clock.Now()) < dispatching.LeaseFor/2 {
		t.Errorf("while it is sent, it is announced for %v, want the end of the lease", d.NextRetryAt)
	}
	e.Advance(t, dispatching.LeaseFor-time.Second)
	if again, _ := dispatching.ClaimDue(ctx, e.Worker, 10, dispatching.LeaseFor); len(again) != 0 {
		t.Fatal("claimed while the lease held")
	}
	for _, limit := range []*int{new(100), nil} {
		e.Exec(t, `UPDATE webhook_endpoint SET rate_limit = $1`, limit)
		if again, err := dispatching.ClaimOf(ctx, e.Worker, e.org, endpoint); err != nil || len(again) != 0 {
			t.Fatalf("claimed without a look while the lease held: %d (%v)", len(again), err)
		}
	}
	e.Advance(t, 2*time.Second)
	second, err := dispatching.ClaimDue(ctx, e.Worker, 10, dispatching.LeaseFor)
	testkit.Must(t, err)
	if len(second) != 1 {
		t.Fatal("not claimed after the lease had run out")
	}
	late := delivered(first)
	late[0].Status, late[0].Error = webhook.Failed, "late"
	if lost, err := dispatching.Complete(ctx, e.Worker, late); err != nil || lost != 1 {
		t.Errorf("late result: %d lost, %v", lost, err)
	}
	if lost, err := dispatching.Complete(ctx, e.Worker, delivered(second)); err != nil || lost != 0 {
		t.Errorf("result: %d lost, %v", lost, err)
	}
	if lost, err := dispatching.Complete(ctx, e.Worker, delivered(second)); err != nil || lost != 1 {
		t.Errorf("same result again: %d lost, %v", lost, err)
	}
	d := e.deliveries(webhook.DeliveryFilter{})[0]
	if a := e.attempts(d); d.Status != webhook.Delivered || len(a) != 1 || a[0].Error != nil {
		t.Errorf("%+v with attempts %+v", d, a)
	}
}

// If several dispatchers claim at once, each delivery goes to one of them. A
// payload that several deliveries of one claim share is read once.
func TestConcurrentClaims(t *testing.T) {
	t.Parallel()
	e, ctx := newEngine(t), context.Background()
	e.endpoint("https://one.example.com/", "*")
	e.endpoint("https://two.example.com/", "*")
	for range 20 {
		e.publish(`1`, `2`, `3`, `4`, `5`)
	}
	var mu sync.Mutex
	var all []dispatching.Claim
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				claims, err := dispatching.ClaimDue(ctx, e.Worker, 7, dispatching.LeaseFor)
				if err != nil || len(claims) == 0 {
					return
				}
				events, payloads := map[id.Event]bool{}, map[*byte]bool{}
				for _, c := range claims {
					events[c.EventID], payloads[&c.Payload[0]] = true, true
				}
				if len(payloads) != len(events) {
					t.Errorf("%d payloads in memory for %d events", len(payloads), len(events))
				}
				mu.Lock()
				all = append(all, claims...)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	seen := map[string]bool{}
	for _, c := range all {
		seen[c.EventID.String()+c.EndpointID.String()] = true
	}
	if len(all) != 200 || len(seen) != 200 {
		t.Errorf("%d claims of %d deliveries, want 200 of 200", len(all), len(seen))
	}
}

// Events of one ordering key are numbered without gaps or repetition, however many publish at once and in whatever order they name
// their keys.
func TestSeqFollowsCommits(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	endpoint, _ := e.endpoint("https://example.com/", "*")
	e.setOptions(endpoint, webhook.OptionsChange{Ordered: new(true)})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 10 {
				keys := []string{"a", "b"}
				if i%2 == 1 {
					keys = []string{"b", "a"}
				}
				e.publishKeys(keys...)
			}
		})
	}
	group.Wait()
	for _, key := range []string{"a", "b"} {
		n := testkit.Value[int](t, e.Database, `SELECT count(DISTINCT seq) FROM event WHERE ordering_key = $1 AND seq BETWEEN 1 AND 80`, key)
		if n != 80 {
			t.Errorf("key %s has %d distinct numbers of 80", key, n)
		}
	}
	if n := testkit.Value[int](t, e.Database, `SELECT count(*) FROM webhook_delivery d JOIN event e ON e.id = d.event_id WHERE d.seq = e.seq AND d.ordering_key = e.ordering_key`); n != 160 {
		t.Errorf("%d of 160 deliveries have their event's seq", n)
	}
}
