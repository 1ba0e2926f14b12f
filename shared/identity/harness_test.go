package identity_test

import (
	"context"
	"net/netip"
	"testing"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/pg"
	"portico/shared/testkit"
)

var by = audit.Origin{SourceIP: netip.MustParseAddr("192.0.2.1"), UserAgent: "a browser"}

// store is a database with what tests of users need.
type store struct {
	*testkit.Database
	t *testing.T
}

func newStore(t *testing.T) *store {
	t.Helper()
	return &store{testkit.DB(t), t}
}

// as runs fn as a user; it must succeed.
func (s *store) as(user id.User, fn func(ctx context.Context, tx pg.Tx) error) {
	s.t.Helper()
	testkit.Must(s.t, s.Identity.AsUser(context.Background(), user, func(tx pg.Tx) error { return fn(context.Background(), tx) }))
}

// begin begins a sign-up.
func (s *store) begin(email string) identity.Begun {
	s.t.Helper()
	begun, err := identity.Begin(context.Background(), s.App, s.Identity, email, "Ann", s.Clock.Now())
	testkit.Must(s.t, err)
	return begun
}

// find returns who signs in with an address.
func (s *store) find(email string) identity.Login {
	s.t.Helper()
	login, err := identity.Find(context.Background(), s.Identity, email)
	testkit.Must(s.t, err)
	return login
}

// signUp makes a user with a proven address and a password.
func (s *store) signUp(email string) identity.Login {
	s.t.Helper()
	user := s.begin(email).User
	s.as(user, func(ctx context.Context, tx pg.Tx) error {
		login, err := identity.Lock(ctx, tx, user)
		testkit.Must(s.t, err)
		if _, err := identity.Verify(ctx, tx, login, 0, by, s.Clock.Now()); err != nil {
			return err
		}
		return identity.SetPassword(ctx, tx, user, identity.Password{PHC: "first", PepperVersion: 1}, by, s.Clock.Now())
	})
	return s.find(email)
}

// addMember makes a user a member of an organization.
func (s *store) addMember(d *testkit.Database, org id.Org, user id.User) id.Member {
	s.t.Helper()
	m, now := id.New[id.Member](s.Clock.Now()), s.Clock.Now()
	d.Insert(s.t, "member", testkit.Row{"org_id": org, "id": m, "user_id": user, "name": "", "predefined": "owner", "created_at": now, "updated_at": now})
	return m
}

// actions are those in a user's history, the newest first.
func (s *store) actions(user id.User) (list []string) {
	s.t.Helper()
	s.as(user, func(ctx context.Context, tx pg.Tx) error {
		events, err := identity.Events(ctx, tx, user, id.UserEvent{}, 100)
		for _, e := range events {
			list = append(list, e.Action)
		}
		return err
	})
	return list
}

// withOther adds a second database for organizations.
func (s *store) withOther() *testkit.Database {
	s.t.Helper()
	other := testkit.DB(s.t)
	testkit.Must(s.t, s.App.Add(context.Background(), "acme", other.URL("portico_app")))
	return other
}
