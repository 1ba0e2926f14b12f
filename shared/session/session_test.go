package session_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/session"
	"portico/shared/testkit"
)

func stateOf(t testing.TB, err error) string {
	t.Helper()
	var ended session.Ended
	switch {
	case err == nil:
		return "live"
	case errors.Is(err, session.ErrNone):
		return "none"
	case errors.As(err, &ended):
		return string(ended.Why)
	}
	t.Fatal(err)
	return ""
}

func expect(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
}

// A cookie finds its session with all that was stored, at its own host only, and the
// table has nothing of its secret. Other secrets and other people's ids find nothing.
func TestStart(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		begun := b.begun()
		begun.Org, begun.Connection, begun.Factors = id.New[id.Org](time.Now()), "sso_1", []string{"totp", "password"}
		begun.Device = strings.Repeat("é", 500) + "\xff"
		started, c, err := b.store().Start(t.Context(), begun, life)
		testkit.Must(t, err)
		if len(started.Device) != 200 || started.EndsAt.Sub(started.CreatedAt) != life || fmt.Sprint(started.Factors) != "[password totp]" {
			t.Errorf("started: %+v", started)
		}
		got, err := b.store().Get(t.Context(), c, host)
		testkit.Must(t, err)
		got.Factors = slices.Sorted(slices.Values(got.Factors))
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", started) {
			t.Errorf("read:\n%+v\nstarted:\n%+v", got, started)
		}
		if _, err := b.store().Get(t.Context(), c, "acme.example.com"); stateOf(t, err) != "none" {
			t.Errorf("at another host: %v", err)
		}
		for _, item := range b.dump(t) {
			if secret := c.Text()[22:]; strings.Contains(item, secret) || strings.Contains(item, secret[:20]) {
				t.Errorf("the table has the secret: %s", item)
			}
		}
		other, _ := session.Parse(c.Text()[:63] + flip(c.Text()[63:]))
		expect(t, "another secret", state(t, b.store(), other), "none")
		strange := c
		strange.User = id.New[id.User](time.Now())
		expect(t, "another person's id", state(t, b.store(), strange), "none")
	})
}

// A session that is used ends at its latest end, one that is not used after the idle
// time, and both say why for some days. The organization decides how long it lives,
// and the last full sign-in and the beginning count.
func TestEnds(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		store := b.store()
		_, used := b.start(t, store)
		_, unused := b.start(t, store)
		for passed := time.Duration(0); passed < life-time.Hour; passed += time.Hour {
			expect(t, fmt.Sprint("used, after ", passed), state(t, store, used), "live")
			b.clock.Advance(time.Hour)
		}
		expect(t, "unused", state(t, store, unused), "idle")
		expect(t, "used, at last", state(t, store, used), "live")
		b.clock.Advance(time.Hour + time.Second)
		expect(t, "used, after its end", state(t, store, used), "absolute")
		b.clock.Advance(6 * 24 * time.Hour)
		expect(t, "six days later", state(t, b.store(), used), "absolute")
		b.clock.Advance(2 * 24 * time.Hour)
		expect(t, "eight days later", state(t, b.store(), used), "none")

		old := b.begun()
		old.CreatedAt = b.clock.Now().Add(-30*24*time.Hour + time.Hour)
		started, _, err := store.Start(t.Context(), old, life)
		if testkit.Must(t, err); started.EndsAt.After(b.clock.Now().Add(time.Hour)) {
			t.Errorf("begun 30 days ago, but for an hour: ends at %s", started.EndsAt)
		}
		old.CreatedAt, old.SignedInAt = time.Time{}, b.clock.Now().Add(-life)
		if _, _, err := store.Start(t.Context(), old, life); stateOf(t, err) != "absolute" {
			t.Errorf("signed in too long ago: %v", err)
		}
	})
}

// A use changes nothing of a session that has ended or was idle for too long, also if
// the process that is asked has it in memory or is new.
func TestEndedStays(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		store := b.store()
		_, c := b.start(t, store)
		expect(t, "at first", state(t, store, c), "live")
		revoked, revokedCookie := b.start(t, store)
		testkit.Must(t, store.Revoke(t.Context(), b.user, revoked.ID, session.Revoked))
		b.clock.Advance(2 * time.Minute)
		whenEnded := b.dump(t)
		expect(t, "revoked", state(t, b.store(), revokedCookie), "revoked")
		if got := b.dump(t); !slices.Equal(whenEnded, got) {
			t.Errorf("%s became %s", whenEnded, got)
		}
		b.clock.Advance(idle)
		before := slices.Sorted(slices.Values(b.dump(t)))
		for n, asked := range []*session.Store{store, b.store(), store, b.store()} {
			expect(t, fmt.Sprint("asked ", n), state(t, asked, c), "idle")
			b.clock.Advance(time.Minute)
			expect(t, fmt.Sprint("asked ", n), state(t, asked, revokedCookie), "revoked")
		}
		if after := slices.Sorted(slices.Values(b.dump(t))); !slices.Equal(before, after) {
			t.Errorf("%s became %s", before, after)
		}
	})
}

// A session is read once in five seconds, and its last use written once a minute by
// the same call, however many processes use it.
func TestCalls(t *testing.T) {
	t.Parallel()
	moto, ok := testkit.DynamoDBEndpoints(t)["moto"] // dynalite does not return the item with a refusal
	if !ok {
		t.Log("moto is not installed: the calls are not counted")
		return
	}
	b := newBed(t, moto)
	one, calls := b.counted(t)
	two, callsOfTwo := b.counted(t)
	_, c := b.start(t, one)
	calls()
	for second := range 130 {
		for range 3 {
			expect(t, fmt.Sprint("second ", second), state(t, one, c), "live")
		}
		b.clock.Advance(time.Second)
	}
	made := calls()
	writes := slices.DeleteFunc(slices.Clone(made), func(call string) bool { return call != "UpdateItem" })
	// The first call is made by a process that has not read the session yet.
	if len(made) > 27 || len(made) < 20 || len(writes) != 3 {
		t.Errorf("130 seconds cost %d calls, %d of them writes: %v", len(made), len(writes), made)
	}
	expect(t, "in the other process", state(t, two, c), "live")
	b.clock.Advance(40 * time.Second) // since the last write; this process knows nothing of it
	before := b.dump(t)
	expect(t, "in a third process", state(t, b.store(), c), "live")
	if made := callsOfTwo(); len(made) != 1 || !slices.Equal(before, b.dump(t)) {
		t.Errorf("the other process made %v; %s became %s", made, before, b.dump(t))
	}
}

// Of more than twenty sessions the oldest end, and say why. What is stored of ended
// ones is bounded too.
func TestMost(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		store := b.store()
		var cookies []session.Cookie
		for range session.Most + 22 {
			_, c := b.start(t, store)
			cookies = append(cookies, c)
			b.clock.Advance(time.Second)
		}
		list, err := store.List(t.Context(), b.user)
		if testkit.Must(t, err); len(list) != session.Most {
			t.Errorf("%d sessions are live", len(list))
		}
		want := append(append([]string{"none"}, slices.Repeat([]string{"replaced"}, 21)...), slices.Repeat([]string{"live"}, session.Most)...)
		var got []string
		for _, c := range cookies {
			got = append(got, state(t, b.store(), c))
		}
		if !slices.Equal(got, want) {
			t.Errorf("states: %v", got)
		}
	})
}

// A person sees the live sessions, the last used first, and ends one or all, or all
// others. Ending one a second time changes nothing; another person's is not found.
func TestRevoke(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		ctx, store := t.Context(), b.store()
		one, oneCookie := b.start(t, store)
		b.clock.Advance(time.Second)
		two, twoCookie := b.start(t, store)
		_, threeCookie := b.start(t, store)
		testkit.Must(t, store.Revoke(ctx, b.user, one.ID, session.SignedOut))
		testkit.Must(t, store.Revoke(ctx, b.user, one.ID, session.Suspended))
		expect(t, "signed out", state(t, store, oneCookie), "signed_out")
		if err := store.Revoke(ctx, id.New[id.User](time.Now()), two.ID, session.Revoked); !errors.Is(err, session.ErrNone) {
			t.Errorf("another person's: %v", err)
		}
		list, err := store.List(ctx, b.user)
		if testkit.Must(t, err); len(list) != 2 {
			t.Errorf("%d are listed", len(list))
		}
		b.clock.Advance(2 * time.Minute)
		expect(t, "two", state(t, store, twoCookie), "live")
		if list, err = store.List(ctx, b.user); err != nil || len(list) != 2 || list[0].ID != two.ID {
			t.Errorf("listed: %+v, %v", list, err)
		}
		testkit.Must(t, store.RevokeAll(ctx, b.user, two.ID, session.Revoked))
		expect(t, "two, kept", state(t, store, twoCookie), "live")
		expect(t, "three", state(t, store, threeCookie), "revoked")
		testkit.Must(t, store.RevokeAll(ctx, b.user, id.Session{}, session.Suspended))
		expect(t, "two, suspended", state(t, store, twoCookie), "suspended")
		expect(t, "three, as before", state(t, store, threeCookie), "revoked")
	})
}
