package signin_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/secret"
	"portico/shared/signin"
	"portico/shared/testkit"
)

// An attempt is found with all that it was begun with, by its cookie and at its host
// only, for ten minutes. The table does not have the cookie.
func TestFind(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		begun, token := b.begin()
		got, err := b.Find(ctx, token, host)
		if testkit.Must(t, err); fmt.Sprint(got) != fmt.Sprint(begun) || got.State != signin.Identified {
			t.Errorf("found:\n%+v\nbegun:\n%+v", got, begun)
		}
		open, openToken, err := b.Begin(ctx, signin.Flow{Host: host})
		if testkit.Must(t, err); open.State != signin.Started {
			t.Errorf("without an address: %+v", open)
		}
		if _, err := b.Find(ctx, openToken, "acme.example.com"); !errors.Is(err, signin.ErrOver) {
			t.Errorf("at another host: %v", err)
		}
		if _, err := b.Find(ctx, secret.NewToken(), host); !errors.Is(err, signin.ErrOver) {
			t.Errorf("another cookie: %v", err)
		}
		b.hides(token.Text(), openToken.Text())
		b.clock.Advance(10*time.Minute - time.Second)
		_, err = b.Find(ctx, token, host)
		testkit.Must(t, err)
		b.clock.Advance(time.Second)
		if _, err := b.Find(ctx, token, host); !errors.Is(err, signin.ErrOver) {
			t.Errorf("after ten minutes: %v", err)
		}
		if _, err := b.Identify(ctx, begun, "bob@example.com", id.User{}); !errors.Is(err, signin.ErrOver) {
			t.Errorf("a step after ten minutes: %v", err)
		}
		if _, err := b.Try(ctx, begun); !errors.Is(err, signin.ErrOver) {
			t.Errorf("a try after ten minutes: %v", err)
		}
	})
}

// steps are all steps but entering; they are tried from each state.
var steps = map[string]func(b *bed, f signin.Flow) (signin.Flow, error){
	"identify": func(b *bed, f signin.Flow) (signin.Flow, error) {
		return b.Identify(b.t.Context(), f, "bob@example.com", b.user)
	},
	"prove": func(b *bed, f signin.Flow) (signin.Flow, error) {
		p := b.proof(signin.TOTP)
		if f.State == signin.Enrol {
			p.Version++ // by setting it up
		}
		return b.Prove(b.t.Context(), f, p)
	},
	"second": func(b *bed, f signin.Flow) (signin.Flow, error) {
		return b.Demand(b.t.Context(), f, signin.Second)
	},
	"enrol": func(b *bed, f signin.Flow) (signin.Flow, error) { return b.Demand(b.t.Context(), f, signin.Enrol) },
	"kill": func(b *bed, f signin.Flow) (signin.Flow, error) {
		return signin.Flow{State: signin.Dead}, b.Kill(b.t.Context(), f)
	},
}

// From each state only the steps of the design are possible.
func TestSteps(t *testing.T) {
	want := map[signin.State]map[string]signin.State{
		signin.Started:    {"identify": signin.Identified, "prove": signin.Proved, "kill": signin.Dead},
		signin.Identified: {"identify": signin.Identified, "prove": signin.Proved, "kill": signin.Dead},
		signin.Proved:     {"second": signin.Second, "enrol": signin.Enrol, "kill": signin.Dead},
		signin.Second:     {"prove": signin.Second, "kill": signin.Dead},
		signin.Enrol:      {"prove": signin.Enrol, "kill": signin.Dead},
		signin.Dead:       {},
	}
	onEach(t, func(t *testing.T, b *bed) {
		for state, possible := range want {
			for name, do := range steps {
				b := &bed{Store: b.Store, t: t, user: b.user}
				got, err := do(b, b.in(state))
				switch to, ok := possible[name]; {
				case ok && (err != nil || got.State != to):
					t.Errorf("%s from %s: %+v, %v", name, state, got, err)
				case !ok && !errors.Is(err, signin.ErrStep) && !errors.Is(err, signin.ErrOver):
					t.Errorf("%s from %s: %+v, %v", name, state, got, err)
				}
			}
		}
	})
}

// in returns an attempt in a state.
func (b *bed) in(state signin.State) signin.Flow {
	b.t.Helper()
	ctx := b.t.Context()
	f, _ := b.begin()
	var err error
	switch state {
	case signin.Started:
		f, _, err = b.Begin(ctx, signin.Flow{Host: host})
	case signin.Proved, signin.Second, signin.Enrol:
		if f = b.proved(signin.Password); state != signin.Proved {
			f, err = b.Demand(ctx, f, state)
		}
	case signin.Dead:
		testkit.Must(b.t, b.Kill(ctx, f))
	}
	testkit.Must(b.t, err)
	return f
}

// Of many requests at once that take a step one wins, and an attempt that was read
// before another step cannot take one.
func TestConcurrentSteps(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		for name, state := range map[string]signin.State{"prove": signin.Identified, "second": signin.Proved, "identify": signin.Started, "kill": signin.Enrol} {
			f := b.in(state)
			if n := winners(20, func() error { _, err := steps[name](b, f); return err }); n != 1 {
				t.Errorf("%s: %d won", name, n)
			}
		}
		f, token := b.begin()
		proved, err := b.Prove(t.Context(), f, b.proof(signin.Password))
		testkit.Must(t, err)
		if _, err := b.Identify(t.Context(), f, "bob@example.com", id.User{}); !errors.Is(err, signin.ErrStep) {
			t.Errorf("with the state before: %v", err)
		}
		if got, err := b.Find(t.Context(), token, host); err != nil || fmt.Sprint(got) != fmt.Sprint(proved) {
			t.Errorf("found:\n%+v, %v\nproved:\n%+v", got, err, proved)
		}
	})
}

// A second factor is the same person's, with the credentials that were proved first; one
// that was set up in between is a change of these. The connection of the first one stays.
func TestSecondProof(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		other, changed, nobody := b.proof(signin.TOTP), b.proof(signin.TOTP), b.proof(signin.Password)
		other.User, changed.Version, nobody.User = id.New[id.User](time.Now()), 4, id.User{}
		if _, err := b.Prove(t.Context(), b.in(signin.Second), other); !errors.Is(err, signin.ErrStep) {
			t.Errorf("another person's: %v", err)
		}
		if _, err := b.Prove(t.Context(), b.in(signin.Second), changed); !errors.Is(err, signin.ErrChanged) {
			t.Errorf("after a change: %v", err)
		}
		if _, err := b.Prove(t.Context(), b.in(signin.Started), nobody); !errors.Is(err, signin.ErrStep) {
			t.Errorf("nobody's: %v", err)
		}
		if f, err := b.Prove(t.Context(), b.in(signin.Enrol), changed); err != nil || f.Version != 4 || fmt.Sprint(f.Factors) != "[password totp]" {
			t.Errorf("set up: %+v, %v", f, err)
		}
		changed.Version = 5
		if _, err := b.Prove(t.Context(), b.in(signin.Enrol), changed); !errors.Is(err, signin.ErrChanged) {
			t.Errorf("set up after another change: %v", err)
		}
		sso := b.proof(signin.SSO)
		sso.Connection = "sso_1"
		f, err := b.Prove(t.Context(), b.in(signin.Started), sso)
		testkit.Must(t, err)
		f, err = b.Demand(t.Context(), f, signin.Second)
		testkit.Must(t, err)
		if f, err = b.Prove(t.Context(), f, b.proof(signin.TOTP)); err != nil || f.Connection != "sso_1" || f.ProvedAt.IsZero() {
			t.Errorf("after single sign-on: %+v, %v", f, err)
		}
	})
}

// Of many guesses at once ten are compared; then the attempt is over. What is right is
// no failure, and the tenth may be right.
func TestFailures(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		f, token := b.begin()
		if n := winners(30, func() error { _, err := b.Try(ctx, f); return err }); n != 10 {
			t.Errorf("%d guesses were compared", n)
		}
		if _, err := b.Find(ctx, token, host); !errors.Is(err, signin.ErrOver) {
			t.Errorf("after ten failures: %v", err)
		}
		f, token = b.begin()
		for range 9 {
			_, err := b.Try(ctx, f)
			testkit.Must(t, err)
		}
		f, err := b.Try(ctx, f)
		testkit.Must(t, err)
		f, err = b.Prove(ctx, f, b.proof(signin.Password))
		testkit.Must(t, err)
		f, err = b.Demand(ctx, f, signin.Second)
		testkit.Must(t, err)
		if n := winners(5, func() error { _, err := b.Try(ctx, f); return err }); n != 1 {
			t.Errorf("%d guesses of the second factor were compared", n)
		}
		if _, err := b.Find(ctx, token, host); !errors.Is(err, signin.ErrOver) {
			t.Errorf("after ten failures of both factors: %v", err)
		}
	})
}

// Two factors of the same class are not two.
func TestStrength(t *testing.T) {
	for want, lists := range map[int][][]signin.Method{
		0: {{}},
		1: {{signin.Password}, {signin.Link, signin.Link}, {signin.Password, signin.Link, signin.Provider, signin.SSO}, {signin.TOTP, signin.RecoveryCode}},
		2: {{signin.Password, signin.TOTP}, {signin.Link, signin.RecoveryCode}, {signin.Passkey}, {signin.SSO, signin.Passkey}},
	} {
		for _, methods := range lists {
			if got := signin.Strength(methods); got != want {
				t.Errorf("%v: %d, want %d", methods, got, want)
			}
		}
	}
}
