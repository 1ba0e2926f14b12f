package identity

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"portico/shared/id"
	"portico/shared/oauth"
	"portico/shared/session"
)

// sessions measures a session that is in memory: what each request of a person costs.
func (b *bed) sessions(ctx context.Context) error {
	store := session.NewStore(b.table, 2*time.Hour, b.clock)
	_, cookie, err := store.Start(ctx, session.Session{User: id.New[id.User](b.clock.Now()), Host: "bench", Factors: []string{"password"}}, 12*time.Hour)
	if err != nil {
		return err
	}
	text, n, before := cookie.Text(), b.of(2_000_000), b.calls.Load()
	begin := time.Now()
	for range n {
		c, err := session.Parse(text)
		if err != nil {
			return err
		}
		if _, err := store.Get(ctx, c, "bench"); err != nil {
			return err
		}
	}
	b.print("\nA cached session: %.0f ns; DynamoDB calls of %d: %d", float64(time.Since(begin).Nanoseconds())/float64(n), n, b.calls.Load()-before)
	return nil
}

// apps is how many apps refresh their tokens at the same time.
const apps = 8

// refreshes measures the store of grants, without HTTP.
func (b *bed) refreshes(ctx context.Context) error {
	store, times, now := oauth.NewStore(b.table, b.box, b.clock), b.of(200), b.clock.Now()
	var mu sync.Mutex
	var all []time.Duration
	before, begin := b.calls.Load(), time.Now()
	group, inner := errgroup.WithContext(ctx)
	for range apps {
		group.Go(func() error {
			g := &oauth.Grant{
				Client: id.New[id.OAuthClient](now), Org: id.New[id.Org](now), Member: id.New[id.Member](now), User: id.New[id.User](now),
				Scopes: []string{"events:read", oauth.OfflineAccess}, Resource: "https://bench.example.com", ProvedAt: now,
			}
			tokens, err := store.Issue(inner, g)
			for i := 0; i < times && err == nil; i++ {
				at := time.Now()
				_, tokens, err = store.Refresh(inner, tokens.Refresh, g.Client, func(oauth.Grant) error { return nil })
				mu.Lock()
				all = append(all, time.Since(at))
				mu.Unlock()
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("refreshing: %w", err)
	}
	b.print("\nRefreshes, %d apps at once: %.0f a second, p50 %.2f ms, p95 %.2f ms, %.1f DynamoDB calls each",
		apps, float64(len(all))/time.Since(begin).Seconds(), percentile(all, 50), percentile(all, 95), float64(b.calls.Load()-before)/float64(len(all)))
	return nil
}
