package identity_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/pg"
	"portico/shared/testkit"
)

var key = identity.TOTP{Sealed: []byte("key")}

// try runs fn as a user and returns its error.
func (s *store) try(user id.User, fn func(ctx context.Context, tx pg.Tx) error) error {
	return s.Identity.AsUser(context.Background(), user, func(tx pg.Tx) error { return fn(context.Background(), tx) })
}

// withTOTP makes a user with a confirmed key, whose code of step 10 was used.
func (s *store) withTOTP() id.User {
	s.t.Helper()
	user := s.signUp("ann@example.com").User
	s.as(user, func(ctx context.Context, tx pg.Tx) error {
		return identity.EnrolTOTP(ctx, tx, user, key.Sealed, s.Clock.Now())
	})
	s.as(user, func(ctx context.Context, tx pg.Tx) error {
		return identity.ConfirmTOTP(ctx, tx, user, key, 10, by, s.Clock.Now())
	})
	return user
}

func (s *store) use(user id.User, k identity.TOTP, step int64) (used bool) {
	s.t.Helper()
	s.as(user, func(ctx context.Context, tx pg.Tx) (err error) {
		used, err = identity.UseTOTP(ctx, tx, user, k, step)
		return err
	})
	return used
}

// Of 50 uses of one code at once a single one succeeds (M1).
func TestTOTPCodeIsUsedOnce(t *testing.T) {
	s := newStore(t)
	user := s.withTOTP()
	var wg sync.WaitGroup
	var used atomic.Int32
	for range 50 {
		wg.Go(func() {
			err := s.try(user, func(ctx context.Context, tx pg.Tx) error {
				won, err := identity.UseTOTP(ctx, tx, user, key, 11)
				if won {
					used.Add(1)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if used.Load() != 1 {
		t.Errorf("%d uses succeeded, want 1", used.Load())
	}
}

// A code works after those that were used, never before them, and only with its own key.
func TestTOTPSteps(t *testing.T) {
	s := newStore(t)
	user := s.withTOTP()
	for _, c := range []struct {
		step int64
		key  identity.TOTP
		want bool
	}{
		{10, key, false}, {9, key, false}, {11, identity.TOTP{Sealed: []byte("another")}, false}, {12, key, true}, {11, key, false}, {12, key, false}, {13, key, true},
	} {
		if used := s.use(user, c.key, c.step); used != c.want {
			t.Errorf("step %d with the key %s: %v, want %v", c.step, c.key.Sealed, used, c.want)
		}
	}
}

// A key is a factor once its code was shown. A confirmed one cannot be replaced, only
// removed. Both changes raise the credential version and stand in the history.
func TestTOTPIsConfirmed(t *testing.T) {
	s := newStore(t)
	user := s.signUp("ann@example.com").User
	enrol := func(sealed string) error {
		return s.try(user, func(ctx context.Context, tx pg.Tx) error {
			return identity.EnrolTOTP(ctx, tx, user, []byte(sealed), s.Clock.Now())
		})
	}
	confirm := func(sealed string) error {
		return s.try(user, func(ctx context.Context, tx pg.Tx) error {
			return identity.ConfirmTOTP(ctx, tx, user, identity.TOTP{Sealed: []byte(sealed)}, 10, by, s.Clock.Now())
		})
	}
	remove := func() error {
		return s.try(user, func(ctx context.Context, tx pg.Tx) error {
			return identity.RemoveTOTP(ctx, tx, user, by, s.Clock.Now())
		})
	}
	before := s.find("ann@example.com").CredentialVersion
	testkit.Must(t, enrol("first"))
	testkit.Must(t, enrol("key"))
	if s.use(user, key, 20) {
		t.Error("a key that was not confirmed is a factor")
	}
	if err := confirm("first"); !errors.Is(err, identity.ErrNoTOTP) {
		t.Errorf("a key that was replaced is confirmed: %v", err)
	}
	if s.find("ann@example.com").CredentialVersion != before {
		t.Error("a change that failed has raised the version")
	}
	testkit.Must(t, confirm("key"))
	if err := confirm("key"); !errors.Is(err, identity.ErrNoTOTP) {
		t.Errorf("confirmed again: %v", err)
	}
	if err := enrol("other"); !errors.Is(err, identity.ErrTOTPExists) {
		t.Errorf("a confirmed key is replaced: %v", err)
	}
	s.as(user, func(ctx context.Context, tx pg.Tx) error {
		got, err := identity.GetTOTP(ctx, tx, user)
		if string(got.Sealed) != "key" || got.ConfirmedAt == nil {
			t.Errorf("%+v", got)
		}
		return err
	})
	testkit.Must(t, remove())
	if err := remove(); !errors.Is(err, identity.ErrNoTOTP) {
		t.Errorf("removed again: %v", err)
	}
	if got := s.actions(user)[:2]; !slices.Equal(got, []string{identity.RemoveFactor, identity.EnrolFactor}) || s.find("ann@example.com").CredentialVersion != before+2 {
		t.Errorf("the history is %v", got)
	}
}

// A recovery code works once, also if it is used many times at once (M5). New codes make
// the earlier ones useless.
func TestRecoveryCodes(t *testing.T) {
	s := newStore(t)
	user := s.signUp("ann@example.com").User
	set := func(first int) {
		codes := make([]string, 10)
		for i := range codes {
			codes[i] = fmt.Sprint("code ", first+i)
		}
		s.as(user, func(ctx context.Context, tx pg.Tx) error {
			return identity.SetRecoveryCodes(ctx, tx, user, codes, by, s.Clock.Now())
		})
	}
	use := func(code string) (used bool, left int) {
		s.as(user, func(ctx context.Context, tx pg.Tx) (err error) {
			used, left, err = identity.UseRecoveryCode(ctx, tx, user, code, by, s.Clock.Now())
			return err
		})
		return used, left
	}
	set(0)
	before := s.find("ann@example.com").CredentialVersion
	var wg sync.WaitGroup
	var uses atomic.Int32
	for range 50 {
		wg.Go(func() {
			err := s.try(user, func(ctx context.Context, tx pg.Tx) error {
				used, _, err := identity.UseRecoveryCode(ctx, tx, user, "code 3", by, s.Clock.Now())
				if used {
					uses.Add(1)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if uses.Load() != 1 {
		t.Errorf("%d uses succeeded, want 1", uses.Load())
	}
	if used, left := use("code 3"); used || left != 9 {
		t.Errorf("again: used %v, %d left", used, left)
	}
	if used, left := use("code 99"); used || left != 9 {
		t.Errorf("an unknown code: used %v, %d left", used, left)
	}
	if got := s.actions(user); got[0] != identity.UseFactor || got[1] != identity.EnrolFactor || s.find("ann@example.com").CredentialVersion != before {
		t.Errorf("the history is %v", got)
	}
	set(10)
	if used, left := use("code 4"); used || left != 10 {
		t.Errorf("an earlier code: used %v, %d left", used, left)
	}
	if stored := testkit.Value[int](t, s.Database, `SELECT count(*) FROM user_recovery_code WHERE position('code'::bytea IN hash) > 0`); stored != 0 {
		t.Error("codes are stored")
	}
}
