package identity

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"portico/infra/bench/cost"
	hashing "portico/shared/password"
)

// people is how many sign in at the same time.
const people = 4

// signIns measures sign-ins with a password, at known devices.
func (b *bed) signIns(ctx context.Context) error {
	b.Progress("identity: people sign in …")
	hash, err := b.hash(ctx)
	if err != nil {
		return err
	}
	var crowd []*browser
	for i := range people {
		w, err := b.person(ctx, emailOf(i))
		if err != nil {
			return err
		}
		crowd = append(crowd, w)
	}
	b.print("\nSigning in with a password, two forms; hashing one takes %.1f ms alone", hash)
	for _, some := range [][]*browser{crowd[:1], crowd} {
		if err := b.crowd(ctx, some, hash); err != nil {
			return err
		}
	}
	return nil
}

func emailOf(i int) string { return fmt.Sprintf("person-%d@example.com", i) }

// crowd lets each browser sign in again and again, and prints what it took.
func (b *bed) crowd(ctx context.Context, some []*browser, hash float64) error {
	mark, err := b.Meter.Begin(ctx)
	if err != nil {
		return err
	}
	times := b.of(200)
	var mu sync.Mutex
	var all []time.Duration
	group, inner := errgroup.WithContext(ctx)
	for i, w := range some {
		group.Go(func() error {
			for range times / len(some) {
				status, took, err := w.signIn(inner, emailOf(i), password)
				if err != nil || status != http.StatusSeeOther {
					return fmt.Errorf("signing in: %d, %w", status, err)
				}
				mu.Lock()
				all = append(all, took)
				mu.Unlock()
			}
			return nil
		})
	}
	err = group.Wait()
	mark.Stop()
	if err != nil {
		return err
	}
	work, err := b.Meter.Finish(ctx, mark)
	each := work.Per(len(all))
	b.print("%d at once: %.0f a second, p50 %.1f ms, p95 %.1f ms; the hash is %.0f %% of p50; each %.1f commits, %.1f ms CPU of functions, %.1f of Postgres, %.1f of DynamoDB",
		len(some), float64(len(all))/mark.Took.Seconds(), percentile(all, 50), percentile(all, 95), 100*hash/percentile(all, 50),
		each[cost.Commits], 1000*each[cost.Functions], 1000*each[cost.Postgres], 1000*each[cost.DynamoDB])
	return err
}

// hash returns the median time of a hash in milliseconds.
func (b *bed) hash(ctx context.Context) (float64, error) {
	h := hashing.NewHasher(b.box)
	var all []time.Duration
	for range 20 {
		begin := time.Now()
		if _, err := h.Hash(ctx, password); err != nil {
			return 0, err
		}
		all = append(all, time.Since(begin))
	}
	return percentile(all, 50), nil
}

// addresses compares wrong passwords at a known and at an unknown address, in turns. The
// right password between them forgives the failures, and gives both browsers the same cookies.
func (b *bed) addresses(ctx context.Context) error {
	b.Progress("identity: known and unknown addresses …")
	known, stranger := b.newBrowser(), b.newBrowser()
	var at [2][]time.Duration
	for range b.of(100) {
		_, first, err := known.signIn(ctx, emailOf(0), "wrong "+password)
		if err != nil {
			return err
		}
		_, second, err := stranger.signIn(ctx, fmt.Sprintf("nobody-%d@example.com", rand.Uint64()), "wrong "+password)
		if err != nil {
			return err
		}
		at[0], at[1] = append(at[0], first), append(at[1], second)
		for i, one := range []*browser{known, stranger} {
			if status, _, err := one.signIn(ctx, emailOf(i), password); err != nil || status != http.StatusSeeOther {
				return fmt.Errorf("signing in between: %d, %w", status, err)
			}
		}
	}
	b.print("\nA wrong password, ms p50 / p95: known address %.1f / %.1f, unknown %.1f / %.1f",
		percentile(at[0], 50), percentile(at[0], 95), percentile(at[1], 50), percentile(at[1], 95))
	return nil
}
