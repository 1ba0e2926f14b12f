package identity_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// A login is found by its address, whatever its case. A member who never signed in has none.
func TestFind(t *testing.T) {
	s := newStore(t)
	signedUp := s.signUp("ann@example.com")
	s.AddUser(t, id.New[id.User](time.Now()), "invited@example.com")
	got := s.find("ANN@example.com")
	if got != signedUp || got.PHC != "first" || got.PepperVersion != 1 || got.EmailVerifiedAt.IsZero() || got.Email != "ann@example.com" {
		t.Errorf("found %+v", got)
	}
	for _, unknown := range []string{"invited@example.com", "nobody@example.com", ""} {
		if got := s.find(unknown); got != (identity.Login{}) {
			t.Errorf("%q: found %+v", unknown, got)
		}
	}
}

// Asking for an address, or signing up with it, costs the same round trips whether it is
// known or not.
func TestKnownAndUnknownCostTheSame(t *testing.T) {
	s, ctx := newStore(t), context.Background()
	s.signUp("known@example.com")
	s.AddUser(t, id.New[id.User](time.Now()), "invited@example.com")
	wire := testkit.NewWire(t, s.URL("portico_app"))
	people, err := pg.OpenIdentity(ctx, wire.URL)
	testkit.Must(t, err)
	t.Cleanup(people.Close)
	for name, ask := range map[string]func(email string) error{
		"Find": func(email string) error { _, err := identity.Find(ctx, people, email); return err },
		"Begin": func(email string) error {
			_, err := identity.Begin(ctx, s.App, people, email, "", s.Clock.Now())
			return err
		},
	} {
		testkit.Must(t, ask("first@example.com")) // prepares the statement
		wire.Trips()
		for _, email := range []string{"known@example.com", "unknown@example.com", "invited@example.com"} {
			testkit.Must(t, ask(email))
			if trips := wire.Trips(); trips != 1 {
				t.Errorf("%s %s: %d round trips, want 1", name, email, trips)
			}
		}
	}
}

// A sign-up with the address of a member who never signed in is the same user, also if
// another database has the membership. Then the account is at home, too.
func TestBeginIsOnePerson(t *testing.T) {
	s := newStore(t)
	other := s.withOther()
	atHome, elsewhere := id.New[id.User](time.Now()), id.New[id.User](time.Now())
	s.AddUser(t, atHome, "home@example.com")
	other.AddUser(t, elsewhere, "elsewhere@example.com")
	for email, want := range map[string]id.User{"Home@example.com": atHome, "Elsewhere@example.com": elsewhere} {
		for range 2 {
			if got := s.begin(email); got.User != want || got.Known {
				t.Errorf("%s: %+v, want the unknown user %s", email, got, want)
			}
		}
		if rows := s.UserRows(t, want); rows["user_account"] != 1 || rows["user_login"] != 1 {
			t.Errorf("%s: home has %v", email, rows)
		}
	}
	if rows := other.UserRows(t, elsewhere); rows["user_account"] != 1 || rows["user_login"] != 0 {
		t.Errorf("the other database has %v, want no login", rows)
	}
	s.signUp("new@example.com")
	if got := s.begin("NEW@example.com"); !got.Known {
		t.Error("a proven address is not known")
	}
}

// When the address is first proven, credentials that somebody else may have set are
// removed. What the one has set who proves it stays, and so does everything later.
func TestVerify(t *testing.T) {
	for _, c := range []struct {
		what    string
		asked   func(version int64) int64
		removed bool
	}{
		{"by whoever set the credentials", func(version int64) int64 { return version }, false},
		{"asked before somebody changed them", func(version int64) int64 { return version - 1 }, true},
		{"by another way", func(int64) int64 { return 0 }, true},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := newStore(t)
			user := id.New[id.User](time.Now())
			s.AddUser(t, user, "ann@example.com")
			testkit.Credentials(t, s.Database, user)
			s.Exec(t, `UPDATE user_login SET email_verified_at = NULL`)
			verify := func(asked func(int64) int64) (removed bool) {
				s.as(user, func(ctx context.Context, tx pg.Tx) error {
					login, err := identity.Lock(ctx, tx, user)
					testkit.Must(t, err)
					removed, err = identity.Verify(ctx, tx, login, asked(login.CredentialVersion), by, s.Clock.Now())
					return err
				})
				return removed
			}
			if removed := verify(c.asked); removed != c.removed {
				t.Errorf("removed: %v, want %v", removed, c.removed)
			}
			for table, n := range s.UserRows(t, user) {
				want := 1
				switch {
				case table == "user_event":
					want = 2
				case c.removed && table != "user_login" && table != "user_account":
					want = 0
				}
				if n != want {
					t.Errorf("%d rows are left in %s, want %d", n, table, want)
				}
			}
			after := s.find("ann@example.com")
			if after.EmailVerifiedAt.IsZero() || after.CredentialVersion != 2 {
				t.Errorf("%+v", after)
			}
			if removed := verify(func(int64) int64 { return 0 }); removed || s.find("ann@example.com") != after {
				t.Error("a second proof has changed something")
			}
		})
	}
}

// Whoever locks a login waits for the one before, and sees what that one has committed.
func TestLockIsOneAfterTheOther(t *testing.T) {
	s := newStore(t)
	user := s.signUp("ann@example.com").User
	var seen identity.Login
	done := make(chan error, 1)
	s.as(user, func(ctx context.Context, tx pg.Tx) error {
		if _, err := identity.Lock(ctx, tx, user); err != nil {
			return err
		}
		go func() {
			done <- s.Identity.AsUser(ctx, user, func(tx pg.Tx) (err error) {
				seen, err = identity.Lock(ctx, tx, user)
				return err
			})
		}()
		testkit.Await(t, "the other one to wait", func() bool {
			return testkit.Value[bool](t, s.Database, `
				SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND usename = 'portico_identity')`)
		})
		return identity.SetPassword(ctx, tx, user, identity.Password{PHC: "second", PepperVersion: 2}, by, s.Clock.Now())
	})
	testkit.Must(t, <-done)
	if seen.PHC != "second" || seen.PepperVersion != 2 || seen.CredentialVersion != s.find("ann@example.com").CredentialVersion {
		t.Errorf("it has seen %+v", seen)
	}
}

// When a user signs in, the login and the history say so.
func TestSignedIn(t *testing.T) {
	s := newStore(t)
	user := s.signUp("ann@example.com").User
	before := s.find("ann@example.com").CredentialVersion
	s.Advance(t, time.Hour)
	now := s.Clock.Now()
	s.as(user, func(ctx context.Context, tx pg.Tx) error {
		return identity.SignedIn(ctx, tx, user, "password", by, now)
	})
	if at := testkit.Value[time.Time](t, s.Database, `SELECT last_sign_in_at FROM user_login`); !at.Equal(now.Truncate(time.Microsecond)) {
		t.Errorf("last signed in at %s, want %s", at, now)
	}
	if got := s.actions(user); got[0] != identity.StartSession || s.find("ann@example.com").CredentialVersion != before {
		t.Errorf("the history is %v", got)
	}
}

// When a person goes, no row stays. A member stays as one who cannot sign in.
func TestDelete(t *testing.T) {
	s, ctx := newStore(t), context.Background()
	ann, bob, cid := id.New[id.User](time.Now()), id.New[id.User](time.Now()), id.New[id.User](time.Now())
	for email, user := range map[string]id.User{"ann@example.com": ann, "bob@example.com": bob, "cid@example.com": cid} {
		s.AddUser(t, user, email)
		testkit.Credentials(t, s.Database, user)
	}
	s.addMember(s.Database, s.NewOrg(t), bob)
	remove := func(ctx context.Context, tx pg.Tx, user id.User) error { return identity.Delete(ctx, tx, user) }
	s.as(ann, func(ctx context.Context, tx pg.Tx) error { return remove(ctx, tx, ann) })
	s.as(bob, func(ctx context.Context, tx pg.Tx) error { return remove(ctx, tx, bob) })
	for table, n := range s.UserRows(t, ann) {
		if n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
	for table, n := range s.UserRows(t, bob) {
		if want := map[bool]int{true: 1}[table == "user_account"]; n != want {
			t.Errorf("of a member %d rows are left in %s, want %d", n, table, want)
		}
	}
	if rows := slices.Collect(maps.Values(s.UserRows(t, cid))); slices.Contains(rows, 0) {
		t.Errorf("another user has only %v", rows)
	}
	if err := s.Identity.AsUser(ctx, ann, func(tx pg.Tx) error { return remove(ctx, tx, ann) }); !errors.Is(err, identity.ErrNoLogin) {
		t.Errorf("again: %v", err)
	}
}

// A user who can sign in stays when the last membership ends; others do not.
func TestWhoCanSignInStays(t *testing.T) {
	s := newStore(t)
	org := s.NewOrg(t)
	signsIn, invited := s.signUp("ann@example.com").User, id.New[id.User](time.Now())
	s.AddUser(t, invited, "invited@example.com")
	s.addMember(s.Database, org, signsIn)
	s.addMember(s.Database, org, invited)
	s.Exec(t, `DELETE FROM member`)
	if rows := s.UserRows(t, signsIn); rows["user_account"] != 1 || rows["user_login"] != 1 || rows["user_password"] != 1 {
		t.Errorf("whoever can sign in has %v", rows)
	}
	if rows := s.UserRows(t, invited); rows["user_account"] != 0 {
		t.Errorf("whoever never could has %v", rows)
	}
}

// Nobody can be locked or changed who has no login.
func TestNoLogin(t *testing.T) {
	s, ctx := newStore(t), context.Background()
	user := id.New[id.User](time.Now())
	s.AddUser(t, user, "ann@example.com")
	for name, do := range map[string]func(pg.Tx) error{
		"Lock": func(tx pg.Tx) error { _, err := identity.Lock(ctx, tx, user); return err },
		"SetPassword": func(tx pg.Tx) error {
			return identity.SetPassword(ctx, tx, user, identity.Password{PHC: "p"}, by, s.Clock.Now())
		},
	} {
		if err := s.Identity.AsUser(ctx, user, do); !errors.Is(err, identity.ErrNoLogin) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
