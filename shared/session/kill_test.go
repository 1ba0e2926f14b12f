package session_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"portico/shared/id"
	"portico/shared/session"
	"portico/shared/testkit"
)

// changes are the operations that write. Each is given the person's only session, or
// the last of twenty.
var changes = map[string]struct {
	sessions int
	do       func(ctx context.Context, b *bed, store *session.Store, s session.Session) error
}{
	"start": {session.Most, func(ctx context.Context, b *bed, store *session.Store, _ session.Session) error {
		_, _, err := store.Start(ctx, b.begun(), life)
		return err
	}},
	"renew": {1, func(ctx context.Context, _ *bed, store *session.Store, s session.Session) error {
		_, _, err := store.Renew(ctx, s, []string{"totp"}, life)
		return err
	}},
	"switch": {1, func(ctx context.Context, b *bed, store *session.Store, s session.Session) error {
		_, _, err := store.Switch(ctx, s, id.New[id.Org](b.clock.Now()), life)
		return err
	}},
	"revoke": {2, func(ctx context.Context, b *bed, store *session.Store, s session.Session) error {
		return store.Revoke(ctx, b.user, s.ID, session.Revoked)
	}},
	"revoke with the session of another host": {1, func(ctx context.Context, b *bed, store *session.Store, s session.Session) error {
		child := b.begun()
		child.Parent = s.ID
		if _, _, err := b.store().Start(ctx, child, life); err != nil {
			return err
		}
		return store.Revoke(ctx, b.user, s.ID, session.Revoked)
	}},
	"revoke all": {4, func(ctx context.Context, b *bed, store *session.Store, _ session.Session) error {
		return store.RevokeAll(ctx, b.user, id.Session{}, session.Revoked)
	}},
}

// If a process dies between any two calls of DynamoDB, or one of them fails, nothing is
// half: each item can be read, no person has more than twenty sessions, a session is
// either the one that it was or has ended, and the operation can be repeated.
func TestKills(t *testing.T) {
	t.Parallel()
	for server, endpoint := range testkit.DynamoDBEndpoints(t) {
		for name, change := range changes {
			for _, dies := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/%s/dies=%t", server, name, dies), func(t *testing.T) {
					for last := int32(1); ; last++ {
						b := newBed(t, endpoint)
						var cookies []session.Cookie
						var s session.Session
						for range change.sessions {
							var c session.Cookie
							s, c = b.start(t, b.store())
							cookies = append(cookies, c)
						}
						var made atomic.Int32
						broken := b.over(testkit.DynamoDBThrough(t, endpoint, func(string, string) bool {
							n := made.Add(1)
							return n == last || dies && n > last
						}))
						err := change.do(t.Context(), b, broken, s)
						if made.Load() < last {
							testkit.Must(t, err)
							return
						}
						if err == nil {
							t.Errorf("call %d failed, and nothing was said", last)
						}
						b.checkWhole(t, cookies)
						if state(t, b.store(), cookies[len(cookies)-1]) == "live" {
							testkit.Must(t, change.do(t.Context(), b, b.store(), s))
							b.checkWhole(t, cookies)
						}
					}
				})
			}
		}
	}
}

// checkWhole fails the test if the person's sessions are not whole.
func (b *bed) checkWhole(t *testing.T, cookies []session.Cookie) {
	t.Helper()
	list, err := b.store().List(t.Context(), b.user)
	if testkit.Must(t, err); len(list) > session.Most {
		t.Errorf("%d sessions are live", len(list))
	}
	known := map[id.Session]bool{}
	for _, s := range list {
		if known[s.ID] || s.Host != host || len(s.Factors) == 0 {
			t.Errorf("listed: %+v", s)
		}
		known[s.ID] = true
	}
	for _, c := range cookies {
		if got, err := b.store().Get(t.Context(), c, host); err == nil && !known[got.ID] {
			t.Errorf("live, but not listed: %+v", got)
		} else if err != nil {
			stateOf(t, err)
		}
	}
}
