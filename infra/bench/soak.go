package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"portico/infra/bench/cost"
)

// soak publishes for a while to receivers that fail at random; meanwhile it
// kills dispatchers and restarts Postgres. Then it checks every accepted event
// at every endpoint. Any difference is an error.
func soak(ctx context.Context, o options) error {
	b, err := start(ctx, o, settings{Schedules: true, Log: "log"})
	if err != nil {
		return err
	}
	defer b.close()
	fmt.Printf("soak: seed %d, publishing for %s …\n", o.seed, o.soak)
	s := &soaking{bench: b, random: rand.New(rand.NewPCG(o.seed, 0)), accepted: map[string]bool{}}
	if err := s.createCustomers(ctx); err != nil {
		return err
	}
	defer func() {
		for _, c := range s.customers {
			c.stop()
		}
	}()
	begin := time.Now()
	var helpers sync.WaitGroup
	var disturbErr error
	helpers.Go(func() { disturbErr = s.disturb(ctx, begin.Add(o.soak)) })
	s.publishFor(ctx, o.soak)
	helpers.Wait()
	if disturbErr != nil {
		return disturbErr
	}
	fmt.Fprintln(os.Stderr, "  soak: the receivers work again; waiting for pending deliveries")
	for _, c := range s.customers {
		c.heal()
	}
	if err := s.awaitEnd(ctx); err != nil {
		return err
	}
	return s.account(ctx, time.Since(begin))
}

// soaking is a running soak.
type soaking struct {
	*bench
	random    *rand.Rand // for the disturbances only, so that a seed repeats their times
	customers []*customer

	mu       sync.Mutex
	accepted map[string]bool // events, by id
	calls    int
	refused  int // calls that had to be repeated
	problems []string

	kills, restarts []time.Time
}

// createCustomers starts the receivers and creates their endpoints.
func (s *soaking) createCustomers(ctx context.Context) error {
	for i, m := range manners {
		c, err := newCustomer(m, rand.New(rand.NewPCG(s.seed, uint64(i+1))))
		if err != nil {
			return err
		}
		s.customers = append(s.customers, c)
		waits, _ := json.Marshal(m.schedule) // numbers
		options := fmt.Sprintf(`,"retry_policy":"custom","retry_schedule":%s,"timeout_seconds":%d,"ordered":%t,"exhaustion_policy":"skip"`,
			waits, soakTimeout/time.Second, m.ordered)
		if c.endpoint, err = s.createEndpointWith(ctx, c.url(), "soak.event", options); err != nil {
			return err
		}
	}
	return nil
}

// disturb kills a dispatcher every 10 to 25 s, lets Postgres crash once, and
// one receiver die for 20 s (10 s in a short soak), until the end.
func (s *soaking) disturb(ctx context.Context, end time.Time) error {
	span := time.Until(end)
	restartAt, dieAt, deadFor := end.Add(-span/2), end.Add(-span*3/4), min(20*time.Second, span/12)
	reviveAt, never := dieAt.Add(deadFor), end.Add(time.Hour)
	next := func() time.Time {
		return time.Now().Add(10*time.Second + time.Duration(s.random.IntN(15_000))*time.Millisecond)
	}
	killAt := next()
	for time.Now().Before(end) && until(ctx, time.Now().Add(50*time.Millisecond)) {
		now := time.Now()
		var err error
		switch {
		case now.After(restartAt):
			restartAt = never
			err = s.crashPostgres()
		case now.After(dieAt):
			dieAt = never
			s.customers[mortal].stop()
		case now.After(reviveAt):
			reviveAt = never
			err = s.customers[mortal].listen()
		case now.After(killAt):
			killAt = next()
			err = s.killDispatcher(ctx)
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (s *soaking) crashPostgres() error {
	began := time.Now()
	if err := s.restartPostgres(); err != nil {
		return err
	}
	s.restarts = append(s.restarts, began, time.Now())
	fmt.Fprintf(os.Stderr, "  soak: Postgres was down for %s\n", time.Since(began).Round(time.Millisecond))
	return nil
}

// killDispatcher ends one of the dispatchers with SIGKILL, if there is one. The
// stack lists their processes; only its own children are killed.
func (s *soaking) killDispatcher(ctx context.Context) error {
	status, reply, err := s.call(ctx, http.MethodGet, "/_local/functions", nil)
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("functions: %d %s %w", status, reply, err)
	}
	var functions []struct {
		Name string
		PIDs []int
	}
	if err := json.Unmarshal(reply, &functions); err != nil {
		return err
	}
	for _, f := range functions {
		if f.Name != "portico-dispatcher" {
			continue
		}
		if len(f.PIDs) == 0 {
			return nil // all are asleep
		}
		pid := f.PIDs[s.random.IntN(len(f.PIDs))]
		if cost.ParentOf(pid) != s.process.Process.Pid {
			return nil // it has ended
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return nil //nolint:nilerr // it has ended
		}
		s.kills = append(s.kills, time.Now())
		fmt.Fprintf(os.Stderr, "  soak: killed dispatcher %d, one of %d\n", pid, len(f.PIDs))
		return nil
	}
	return fmt.Errorf("the stack has no dispatcher")
}

// awaitEnd waits until no delivery is pending. It gives up when their number has
// not fallen for a while: a retry after a timeout comes after 66 s at most, a
// breaker's probe after 60 s, a lease ends after 35 s, and a sweep is every 60
// s.
func (s *soaking) awaitEnd(ctx context.Context) error {
	const patience = 4 * time.Minute
	least, fell := int(^uint(0)>>1), time.Now()
	for {
		var pending int
		if err := s.db.QueryRow(ctx, `SELECT count(*) FROM webhook_delivery WHERE status = 'pending'`).Scan(&pending); err != nil {
			return err
		}
		switch {
		case pending == 0:
			return nil
		case pending < least:
			least, fell = pending, time.Now()
		case time.Since(fell) > patience:
			return fmt.Errorf("%d deliveries are pending, none was finished for %s", pending, patience)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}
