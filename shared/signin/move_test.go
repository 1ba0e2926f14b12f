package signin_test

import (
	"errors"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/secret"
	"portico/shared/session"
	"portico/shared/signin"
	"portico/shared/testkit"
)

// A session goes to another organization if it meets what that demands.
func TestSwitch(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	ctx, org := t.Context(), id.New[id.Org](time.Now())
	nothing := func() error { return nil }
	weak, _, err := h.Enter(ctx, h.entry(h.proved(signin.Password)))
	testkit.Must(t, err)
	if _, _, err := h.Switch(ctx, weak, org, true, life, nothing); !errors.Is(err, signin.ErrFactors) {
		t.Errorf("without a second factor: %v", err)
	}
	moved, c, err := h.Switch(ctx, weak, org, false, life, nothing)
	testkit.Must(t, err)
	if got, err := h.Sessions.Get(ctx, c, host); err != nil || got.Org != org || moved.ID != weak.ID {
		t.Errorf("moved: %+v, %v", got, err)
	}
	strong, _, err := h.Enter(ctx, h.entry(h.proved(signin.Password, signin.TOTP)))
	testkit.Must(t, err)
	_, _, err = h.Switch(ctx, strong, org, true, life, nothing)
	testkit.Must(t, err)
	_, err = h.LeaveAll(ctx, h.user, id.Session{}, session.Revoked, by)
	testkit.Must(t, err)
	if _, _, err := h.Switch(ctx, moved, org, false, life, nothing); !errors.Is(err, session.ErrNone) {
		t.Errorf("after it has ended: %v", err)
	}
}

// A person gets a session at an organization's own host that is as old as the one they
// have, unless this has ended, or the credentials have changed meanwhile.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	ctx, org, state, at := t.Context(), id.New[id.Org](time.Now()), secret.NewToken(), "acme.example.com"
	parent, _, err := h.Enter(ctx, h.entry(h.proved(signin.Password)))
	testkit.Must(t, err)
	hand := func() secret.Token {
		t.Helper()
		code, err := h.HandOver(ctx, parent, org, at, state.Hash())
		testkit.Must(t, err)
		return code
	}
	h.clock.Advance(time.Hour)
	lives := func(whole time.Duration) func(signin.HandOff) (time.Duration, error) {
		return func(signin.HandOff) (time.Duration, error) { return whole, nil }
	}
	arrival := signin.Arrival{Code: hand(), State: state, Host: at, Life: lives(life), By: by}
	child, c, err := h.TakeOver(ctx, arrival)
	testkit.Must(t, err)
	if child.ID == parent.ID || child.Org != org || !child.CreatedAt.Equal(parent.CreatedAt) || !child.EndsAt.Equal(parent.EndsAt) || !child.ProvedAt.Equal(parent.ProvedAt) {
		t.Errorf("child: %+v\nof %+v", child, parent)
	}
	if _, err := h.Sessions.Get(ctx, c, at); err != nil {
		t.Error(err)
	}
	if _, err := h.Sessions.Get(ctx, c, host); !errors.Is(err, session.ErrNone) {
		t.Errorf("at the other host: %v", err)
	}
	if _, _, err := h.TakeOver(ctx, arrival); !errors.Is(err, signin.ErrUsed) {
		t.Errorf("a second time: %v", err)
	}
	if _, _, err := h.Switch(ctx, child, org, false, life, func() error { return nil }); !errors.Is(err, signin.ErrStep) {
		t.Errorf("to another organization at that host: %v", err)
	}
	arrival.Code, arrival.Life = hand(), func(signin.HandOff) (time.Duration, error) {
		return life, h.Sessions.Revoke(ctx, h.user, parent.ID, session.SignedOut) // meanwhile
	}
	if _, _, err := h.TakeOver(ctx, arrival); !errors.Is(err, session.ErrNone) {
		t.Errorf("from a session that ends meanwhile: %v", err)
	}
	if _, err := h.entrance(h.client, h.db.Identity).Sessions.Get(ctx, c, at); !errors.Is(err, session.Ended{Why: session.SignedOut}) {
		t.Errorf("the session at the other host, after sign-out: %v", err)
	}
	parent, _, err = h.Enter(ctx, h.entry(h.proved(signin.Password)))
	testkit.Must(t, err)
	h.clock.Advance(time.Hour)
	arrival.Code, arrival.Life = hand(), lives(time.Minute)
	var ended session.Ended
	if _, _, err := h.TakeOver(ctx, arrival); !errors.As(err, &ended) || ended.Why != session.Absolute {
		t.Errorf("to an organization with shorter sessions: %v", err)
	}
	arrival.Code, arrival.Life = hand(), lives(life)
	_, err = h.LeaveAll(ctx, h.user, parent.ID, session.Revoked, by)
	testkit.Must(t, err)
	if _, _, err := h.TakeOver(ctx, arrival); !errors.Is(err, signin.ErrChanged) {
		t.Errorf("after leaving all other sessions: %v", err)
	}
	testkit.Must(t, h.Sessions.Revoke(ctx, h.user, parent.ID, session.SignedOut))
	if _, err := h.HandOver(ctx, parent, org, at, state.Hash()); !errors.Is(err, session.ErrNone) {
		t.Errorf("from a session that has ended: %v", err)
	}
	if list := h.live(); len(list) != 0 {
		t.Errorf("live: %+v", list)
	}
}
