package session_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/session"
	"portico/shared/testkit"
)

// A proof gives the session a new secret and keeps what it is; the old secret stops.
// Only a full sign-in moves its end. Of two at once one wins.
func TestRenew(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		ctx, store := t.Context(), b.store()
		begun, first := b.start(t, store)
		b.clock.Advance(time.Hour)
		renewed, second, err := store.Renew(ctx, begun, []string{"totp"}, 0)
		testkit.Must(t, err)
		expect(t, "the old secret", state(t, store, first), "none")
		expect(t, "the new secret", state(t, b.store(), second), "live")
		if renewed.ID != begun.ID || !renewed.EndsAt.Equal(begun.EndsAt) || !renewed.ProvedAt.After(begun.ProvedAt) ||
			!renewed.SignedInAt.Equal(begun.SignedInAt) || fmt.Sprint(renewed.Factors) != "[password totp]" {
			t.Errorf("renewed: %+v", renewed)
		}
		full, third, err := store.Renew(ctx, renewed, nil, life)
		testkit.Must(t, err)
		if full.EndsAt.Sub(begun.EndsAt) < time.Hour || !full.CreatedAt.Equal(begun.CreatedAt) {
			t.Errorf("after a full sign-in: %+v", full)
		}
		if _, _, err := store.Renew(ctx, renewed, nil, 0); stateOf(t, err) != "none" {
			t.Errorf("with an old secret: %v", err)
		}
		expect(t, "the newest secret", state(t, store, third), "live")

		var wins atomic.Int32
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if _, _, err := b.store().Renew(ctx, full, nil, 0); err == nil {
					wins.Add(1)
				}
			})
		}
		if all.Wait(); wins.Load() != 1 || len(b.dump(t)) != 1 {
			t.Errorf("of ten at once %d won; items: %v", wins.Load(), b.dump(t))
		}
	})
}

// A session goes to another organization with a new secret. If that lets sessions
// live less long, it may have to begin again; then it stays.
func TestSwitch(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		ctx, store := t.Context(), b.store()
		begun, first := b.start(t, store)
		b.clock.Advance(time.Hour)
		strict := id.New[id.Org](time.Now())
		if _, _, err := store.Switch(ctx, begun, strict, time.Hour); stateOf(t, err) != "absolute" {
			t.Errorf("to an organization with shorter sessions: %v", err)
		}
		expect(t, "the old secret", state(t, store, first), "live")
		switched, second, err := store.Switch(ctx, begun, strict, 3*time.Hour)
		testkit.Must(t, err)
		if switched.Org != strict || switched.ID != begun.ID || switched.EndsAt.Sub(begun.SignedInAt) != 3*time.Hour || !switched.ProvedAt.Equal(begun.ProvedAt) {
			t.Errorf("switched: %+v", switched)
		}
		expect(t, "the old secret, then", state(t, store, first), "none")
		got, err := b.store().Get(ctx, second, host)
		if testkit.Must(t, err); got.Org != strict {
			t.Errorf("read: %+v", got)
		}
	})
}

// What one process has ended, another one that has just used it refuses within ten
// seconds; so it does with an old secret.
func TestTwoProcesses(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		ctx, one, two := t.Context(), b.store(), b.store()
		begun := map[string]session.Session{}
		cookies := map[string]session.Cookie{}
		for _, how := range []string{"signed_out", "none", "suspended"} {
			begun[how], cookies[how] = b.start(t, one)
			expect(t, how+", before", state(t, one, cookies[how])+state(t, two, cookies[how]), "livelive")
		}
		testkit.Must(t, one.Revoke(ctx, b.user, begun["signed_out"].ID, session.SignedOut))
		_, _, err := one.Renew(ctx, begun["none"], nil, 0)
		testkit.Must(t, err)
		testkit.Must(t, one.RevokeAll(ctx, b.user, id.Session{}, session.Suspended))
		for how, c := range cookies {
			expect(t, how+", at once", state(t, one, c), how)
		}
		b.clock.Advance(9 * time.Second)
		for how, c := range cookies {
			expect(t, how+", after nine seconds", state(t, two, c), how)
		}
	})
}

// A session of another host ends with the one that has handed over to it, also if it
// begins while that is being ended, and when that makes room for a newer one. It ends alone
// too.
func TestParent(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		store := b.store()
		parent, pc := b.start(t, store)
		begin := func() (session.Session, session.Cookie) {
			t.Helper()
			child := b.begun()
			child.Parent = parent.ID
			begun, c, err := b.store().Start(t.Context(), child, life)
			testkit.Must(t, err)
			return begun, c
		}
		one, c1 := begin()
		testkit.Must(t, store.Revoke(t.Context(), b.user, one.ID, session.SignedOut))
		expect(t, "the parent of one that was ended", state(t, b.store(), pc), "live")
		expect(t, "the child", state(t, b.store(), c1), "signed_out")
		_, c2 := begin()
		var c3 session.Cookie
		var once sync.Once
		slow := b.over(testkit.DynamoDBThrough(t, b.endpoint, func(call, _ string) bool {
			if call == "UpdateItem" {
				once.Do(func() { _, c3 = begin() }) // after the list was read
			}
			return false
		}))
		testkit.Must(t, slow.Revoke(t.Context(), b.user, parent.ID, session.SignedOut))
		for name, c := range map[string]session.Cookie{"the parent": pc, "its child": c2, "a child that began meanwhile": c3} {
			expect(t, name, state(t, b.store(), c), "signed_out")
		}
		parent, pc = b.start(t, store)
		b.clock.Advance(time.Minute)
		_, c4 := begin()
		for range session.Most - 1 {
			b.start(t, store)
		}
		expect(t, "the oldest", state(t, b.store(), pc), "replaced")
		expect(t, "its child", state(t, b.store(), c4), "replaced")
	})
}
