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

// A hand-off works once, for a minute, at its host and in the browser that was sent.
func TestHandOff(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		ctx, now, state := t.Context(), b.clock.Now().Truncate(time.Second), secret.NewToken()
		h := signin.HandOff{
			User: b.user, Org: id.New[id.Org](now), Host: "acme.example.com", Version: 3, Factors: []string{"password", "totp"}, Connection: "sso_1", Session: id.New[id.Session](now),
			CreatedAt: now.Add(-2 * time.Hour), SignedInAt: now.Add(-time.Hour), ProvedAt: now,
		}
		code, err := b.HandOver(ctx, h, state.Hash())
		testkit.Must(t, err)
		b.hides(code.Text(), state.Text())
		if _, err := b.TakeOver(ctx, code, state, "other.example.com"); !errors.Is(err, signin.ErrElsewhere) {
			t.Errorf("at another host: %v", err)
		}
		if _, err := b.TakeOver(ctx, code, secret.NewToken(), h.Host); !errors.Is(err, signin.ErrElsewhere) {
			t.Errorf("in another browser: %v", err)
		}
		if _, err := b.TakeOver(ctx, secret.NewToken(), state, h.Host); !errors.Is(err, signin.ErrNone) {
			t.Errorf("another code: %v", err)
		}
		if n := winners(20, func() error {
			got, err := b.TakeOver(ctx, code, state, h.Host)
			if err == nil && fmt.Sprint(got) != fmt.Sprint(h) {
				t.Errorf("taken:\n%+v\ngiven:\n%+v", got, h)
			}
			return err
		}); n != 1 {
			t.Errorf("%d took it", n)
		}
		if _, err := b.TakeOver(ctx, code, state, h.Host); !errors.Is(err, signin.ErrUsed) {
			t.Errorf("a second time: %v", err)
		}
		code, err = b.HandOver(ctx, h, state.Hash())
		testkit.Must(t, err)
		b.clock.Advance(time.Minute)
		if _, err := b.TakeOver(ctx, code, state, h.Host); !errors.Is(err, signin.ErrNone) {
			t.Errorf("after a minute: %v", err)
		}
	})
}
