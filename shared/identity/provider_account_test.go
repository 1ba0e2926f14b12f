package identity_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/pg"
	"portico/shared/testkit"
)

var google = identity.ProviderAccount{Connection: "google", Issuer: "https://accounts.google.com", Subject: "1", Email: "ann@gmail.com"}

func (s *store) link(user id.User, a identity.ProviderAccount) error {
	return s.try(user, func(ctx context.Context, tx pg.Tx) error { return identity.Link(ctx, tx, user, a, by, s.Clock.Now()) })
}

func (s *store) linkedTo(a identity.ProviderAccount) id.User {
	s.t.Helper()
	user, err := identity.FindLinked(context.Background(), s.Identity, a)
	testkit.Must(s.t, err)
	return user
}

// An account is found by connection, issuer and subject together (F1), and belongs to one
// user at most.
func TestLink(t *testing.T) {
	s := newStore(t)
	ann, bob := s.signUp("ann@example.com").User, s.signUp("bob@example.com").User
	before := s.find("ann@example.com").CredentialVersion
	testkit.Must(t, s.link(ann, google))
	for what, differs := range map[string]func(*identity.ProviderAccount){
		"connection": func(a *identity.ProviderAccount) { a.Connection = "github" },
		"issuer":     func(a *identity.ProviderAccount) { a.Issuer = "https://evil.example" },
		"subject":    func(a *identity.ProviderAccount) { a.Subject = "2" },
	} {
		other := google
		differs(&other)
		if got := s.linkedTo(other); !got.IsZero() {
			t.Errorf("with another %s it is of %s", what, got)
		}
	}
	if s.linkedTo(google) != ann || s.find("ann@example.com").CredentialVersion != before+1 || s.actions(ann)[0] != identity.LinkAccount {
		t.Errorf("it is of %s; the history is %v", s.linkedTo(google), s.actions(ann))
	}
	for _, user := range []id.User{ann, bob} {
		if err := s.link(user, google); !errors.Is(err, identity.ErrLinked) {
			t.Errorf("linked again: %v", err)
		}
	}
}

// What a provider says of a user is refused if it cannot be stored.
func TestLinkRefuses(t *testing.T) {
	s := newStore(t)
	user := s.signUp("ann@example.com").User
	for _, subject := range []string{"", "a\x00", "\xff", strings.Repeat("x", 256)} {
		bad := google
		bad.Subject = subject
		_, err := identity.FindLinked(context.Background(), s.Identity, bad)
		if linking := s.link(user, bad); !errors.Is(err, identity.ErrProviderAccount) || !errors.Is(linking, identity.ErrProviderAccount) {
			t.Errorf("%q: %v, %v", subject, err, linking)
		}
	}
	for n := range 20 {
		one := google
		one.Subject = fmt.Sprint(n)
		testkit.Must(t, s.link(user, one))
	}
	if err := s.link(user, identity.ProviderAccount{Connection: "github", Issuer: "https://github.com", Subject: "1"}); !errors.Is(err, identity.ErrTooManyLinks) {
		t.Errorf("one too many: %v", err)
	}
}

// The list shows what was used last; a removed account signs nobody in.
func TestUnlink(t *testing.T) {
	s := newStore(t)
	user := s.signUp("ann@example.com").User
	testkit.Must(t, s.link(user, google))
	renamed := google
	renamed.Email = "new@gmail.com"
	used := func() error {
		return s.try(user, func(ctx context.Context, tx pg.Tx) error {
			return identity.UsedLinked(ctx, tx, user, renamed, s.Clock.Now())
		})
	}
	testkit.Must(t, used())
	var list []identity.ProviderAccount
	s.as(user, func(ctx context.Context, tx pg.Tx) (err error) {
		list, err = identity.Linked(ctx, tx, user)
		return err
	})
	if len(list) != 1 || list[0].Email != "new@gmail.com" || list[0].UsedAt == nil || list[0].Subject != "1" {
		t.Fatalf("%+v", list)
	}
	unlink := func(account uuid.UUID) error {
		return s.try(user, func(ctx context.Context, tx pg.Tx) error {
			return identity.Unlink(ctx, tx, user, account, by, s.Clock.Now())
		})
	}
	if err := unlink(uuid.New()); !errors.Is(err, identity.ErrNotLinked) {
		t.Errorf("an unknown account: %v", err)
	}
	testkit.Must(t, unlink(list[0].ID))
	if err := used(); !errors.Is(err, identity.ErrNotLinked) || !s.linkedTo(google).IsZero() {
		t.Errorf("a removed account is used: %v", err)
	}
	if got := s.actions(user); !slices.Equal(got[:2], []string{identity.UnlinkAccount, identity.LinkAccount}) {
		t.Errorf("the history is %v", got)
	}
}
