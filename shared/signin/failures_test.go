package signin_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/signin"
	"portico/shared/testkit"
)

const firstDelay = 30 * time.Second

// waits returns how long an account has to wait; 0: a failure was counted.
func (b *bed) waits(account string, human bool) time.Duration {
	b.t.Helper()
	err := b.Fail(b.t.Context(), account, human)
	var wait signin.Wait
	if errors.As(err, &wait) {
		return wait.Until.Sub(b.clock.Now()).Round(firstDelay) // the clock goes on meanwhile
	}
	testkit.Must(b.t, err)
	return 0
}

// After five failures a CAPTCHA is needed, after ten the next try waits, twice as long each
// time. What is refused is not counted. A day after the last failure all is forgotten.
func TestFailuresOfAccounts(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		for range 5 {
			testkit.Must(t, b.Fail(ctx, "ann", false))
		}
		for range 3 {
			if err := b.Fail(ctx, "ann", false); !errors.Is(err, signin.ErrHuman) {
				t.Errorf("without a CAPTCHA: %v", err)
			}
		}
		for range 5 {
			testkit.Must(t, b.Fail(ctx, "ann", true))
		}
		for _, want := range []time.Duration{firstDelay, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute} {
			for range 2 {
				if got := b.waits("ann", true); got != want {
					t.Errorf("it waits %s, want %s", got, want)
				}
			}
			b.clock.Advance(want)
			if err := b.Fail(ctx, "ann", false); !errors.Is(err, signin.ErrHuman) {
				t.Errorf("without a CAPTCHA: %v", err)
			}
			if got := b.waits("ann", true); got != 0 {
				t.Errorf("after the delay it waits %s", got)
			}
		}
		testkit.Must(t, b.Fail(ctx, "bob", false))
		b.hides("ann", "bob")
		b.clock.Advance(24 * time.Hour)
		for range 5 {
			testkit.Must(t, b.Fail(ctx, "ann", false))
		}
		if err := b.Fail(ctx, "ann", false); !errors.Is(err, signin.ErrHuman) {
			t.Errorf("a day later: %v", err)
		}
	})
}

// A right secret takes back its failure with the delay that it has set; all of them once
// the person has entered.
func TestForgive(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		testkit.Must(t, b.Forgive(ctx, "ann", false))
		for range 10 {
			testkit.Must(t, b.Fail(ctx, "ann", true))
		}
		testkit.Must(t, b.Forgive(ctx, "ann", false))
		for _, want := range []time.Duration{0, firstDelay} {
			if got := b.waits("ann", true); got != want {
				t.Errorf("it waits %s, want %s", got, want)
			}
		}
		testkit.Must(t, b.Forgive(ctx, "ann", true))
		testkit.Must(t, b.Fail(ctx, "ann", false))
	})
}

// Of many tries at once no more compare a secret than may.
func TestFailuresAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		for human, want := range map[bool]int{false: 5, true: 10} {
			account := fmt.Sprint("ann ", human)
			if n := winners(30, func() error { return b.Fail(t.Context(), account, human) }); n != want {
				t.Errorf("human %t: %d of 30 tried, want %d", human, n, want)
			}
		}
	})
}

// Who is proved to be another person than the one who was counted forgives nothing, whether
// the proof enters or is the first of two.
func TestForgivenByNobodyElse(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	ctx := t.Context()
	proof := signin.Proof{User: h.user, Version: h.version, Method: signin.Password}
	for name, prove := range map[string]func(f signin.Flow) error{
		"first": func(f signin.Flow) error { _, err := h.Prove(ctx, f, proof); return err },
		"enter": func(f signin.Flow) error {
			_, _, err := h.Enter(ctx, signin.Entry{Flow: f, Proof: proof, Life: life, By: by})
			return err
		},
	} {
		for range 5 {
			testkit.Must(t, h.Fail(ctx, name, false))
		}
		f, _ := h.begin()
		f, err := h.Try(ctx, f.CountedAs(name, id.New[id.User](h.clock.Now())))
		testkit.Must(t, err)
		testkit.Must(t, prove(f))
		if err := h.Fail(ctx, name, false); !errors.Is(err, signin.ErrHuman) {
			t.Errorf("%s: the next try: %v", name, err)
		}
	}
}
