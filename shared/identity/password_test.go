package identity_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"portico/shared/identity"
	"portico/shared/pg"
)

// A new password replaces the one before, raises the credential version and stands in the
// history, all or nothing.
func TestSetPassword(t *testing.T) {
	s, ctx := newStore(t), context.Background()
	before := s.signUp("ann@example.com")
	set := func(tx pg.Tx) error {
		return identity.SetPassword(ctx, tx, before.User, identity.Password{PHC: "second", PepperVersion: 2}, by, s.Clock.Now())
	}
	failure := errors.New("the work failed")
	if err := s.Identity.AsUser(ctx, before.User, func(tx pg.Tx) error { return errors.Join(set(tx), failure) }); !errors.Is(err, failure) {
		t.Fatal(err)
	}
	if got := s.find("ann@example.com"); got != before || len(s.actions(before.User)) != 2 {
		t.Errorf("a change that failed has left %+v and the history %v", got, s.actions(before.User))
	}
	s.as(before.User, func(_ context.Context, tx pg.Tx) error { return set(tx) })
	got := s.find("ann@example.com")
	if got.PHC != "second" || got.PepperVersion != 2 || got.CredentialVersion != before.CredentialVersion+1 {
		t.Errorf("%+v", got)
	}
	if got := s.actions(before.User); !slices.Equal(got, []string{identity.ChangePassword, identity.ChangePassword, identity.VerifyEmail}) {
		t.Errorf("the history is %v", got)
	}
}

// Another hash of the same password is no change of a credential. It never replaces the
// hash of a newer password.
func TestRehash(t *testing.T) {
	s := newStore(t)
	before := s.signUp("ann@example.com")
	rehash := func(old, to string) {
		s.as(before.User, func(ctx context.Context, tx pg.Tx) error {
			return identity.Rehash(ctx, tx, before.User, old, identity.Password{PHC: to, PepperVersion: 2})
		})
	}
	rehash("first", "again")
	if got := s.find("ann@example.com"); got.PHC != "again" || got.PepperVersion != 2 || got.CredentialVersion != before.CredentialVersion {
		t.Errorf("%+v", got)
	}
	rehash("first", "stale")
	if got := s.find("ann@example.com"); got.PHC != "again" {
		t.Errorf("%+v", got)
	}
}
