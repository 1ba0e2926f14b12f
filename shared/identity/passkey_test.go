package identity_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/pg"
)

func (s *store) passkeys(user id.User) (list []identity.Passkey) {
	s.t.Helper()
	s.as(user, func(ctx context.Context, tx pg.Tx) (err error) {
		list, err = identity.Passkeys(ctx, tx, user)
		return err
	})
	return list
}

// addPasskey enrols a passkey with that credential id.
func (s *store) addPasskey(user id.User, credential string) error {
	now := s.Clock.Now().Truncate(time.Microsecond)
	return s.Identity.AsUser(context.Background(), user, func(tx pg.Tx) error {
		return identity.AddPasskey(context.Background(), tx, user, identity.Passkey{
			ID: id.New[id.Passkey](now), CredentialID: []byte(credential), PublicKey: []byte("key"), AAGUID: uuid.Max, Name: "phone", Transports: []string{"internal"}, BackupEligible: true,
		}, by, now)
	})
}

// Enrolling and removing a passkey change the credential version and stand in the history;
// one authenticator is enrolled once, and a person has a bounded number.
func TestPasskeys(t *testing.T) {
	s := newStore(t)
	ann, bob := s.signUp("ann@example.com"), s.signUp("bob@example.com")
	if err := s.addPasskey(ann.User, "first"); err != nil {
		t.Fatal(err)
	}
	list := s.passkeys(ann.User)
	if len(list) != 1 || string(list[0].CredentialID) != "first" || string(list[0].PublicKey) != "key" || list[0].AAGUID != uuid.Max || list[0].Name != "phone" ||
		!slices.Equal(list[0].Transports, []string{"internal"}) || !list[0].BackupEligible || list[0].BackedUp || !list[0].UsedAt.IsZero() || list[0].CreatedAt.IsZero() {
		t.Errorf("%+v", list)
	}
	if got := s.find("ann@example.com"); got.CredentialVersion != ann.CredentialVersion+1 || s.actions(ann.User)[0] != identity.EnrolPasskey {
		t.Errorf("%+v with the history %v", got, s.actions(ann.User))
	}
	for name, user := range map[string]id.User{"again": ann.User, "by another person": bob.User} {
		if err := s.addPasskey(user, "first"); !errors.Is(err, identity.ErrPasskeyExists) {
			t.Errorf("%s: %v", name, err)
		}
	}
	change := func(user id.User, passkey id.Passkey) error {
		return s.Identity.AsUser(context.Background(), user, func(tx pg.Tx) error {
			if err := identity.RenamePasskey(context.Background(), tx, user, passkey, "tablet"); err != nil {
				return err
			}
			return identity.DeletePasskey(context.Background(), tx, user, passkey, by, s.Clock.Now())
		})
	}
	if err := change(bob.User, list[0].ID); !errors.Is(err, identity.ErrPasskeyNotFound) {
		t.Errorf("another person removes it: %v", err)
	}
	if err := change(ann.User, list[0].ID); err != nil || len(s.passkeys(ann.User)) != 0 || s.actions(ann.User)[0] != identity.RemovePasskey {
		t.Errorf("%v; left are %+v", err, s.passkeys(ann.User))
	}
	for i := range identity.MostPasskeys {
		if err := s.addPasskey(ann.User, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.addPasskey(ann.User, "one more"); !errors.Is(err, identity.ErrTooManyPasskeys) {
		t.Errorf("one more: %v", err)
	}
}

// Of 50 signatures with the same count one is newer; a copy that counts less never is. An
// authenticator that does not count is always newer.
func TestUsePasskey(t *testing.T) {
	s, ctx := newStore(t), context.Background()
	ann := s.signUp("ann@example.com")
	if err := s.addPasskey(ann.User, "first"); err != nil {
		t.Fatal(err)
	}
	p := s.passkeys(ann.User)[0]
	use := func(count int64) (newer bool) {
		p := p
		p.SignCount, p.BackedUp = count, true
		err := s.Identity.AsUser(ctx, ann.User, func(tx pg.Tx) (err error) {
			newer, err = identity.UsePasskey(ctx, tx, ann.User, p, s.Clock.Now())
			return err
		})
		if err != nil {
			t.Error(err)
		}
		return newer
	}
	for range 2 {
		if !use(0) {
			t.Error("without a count it is not newer")
		}
	}
	var newer atomic.Int64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if use(7) {
				newer.Add(1)
			}
		})
	}
	all.Wait()
	if newer.Load() != 1 || use(6) || use(0) || !use(8) {
		t.Errorf("%d of 50 were newer, or an older one was", newer.Load())
	}
	if got := s.passkeys(ann.User)[0]; got.SignCount != 8 || !got.BackedUp || got.UsedAt.IsZero() {
		t.Errorf("%+v", got)
	}
}
