package identity_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/job"
	"portico/shared/job/jobtest"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// work does the jobs that are due.
func (s *store) work() {
	s.t.Helper()
	kinds, err := job.NewRegistry(identity.CopyAddressKind(s.App, s.Clock))
	testkit.Must(s.t, err)
	jobtest.Drain(s.t, &job.Runner{
		DB: s.App, Worker: s.Worker, Database: pg.Home, Queue: job.High, Kinds: kinds, Clock: s.Clock, Log: observe.NewLog(&testkit.Log{}, "test"),
		Random: func() float64 { return 0 },
	})
}

// change changes an address in a transaction that ends with an error.
func (s *store) change(user id.User, email string, ends error) error {
	s.t.Helper()
	return s.try(user, func(ctx context.Context, tx pg.Tx) error {
		return errors.Join(identity.ChangeAddress(ctx, tx, s.App, user, email, by, s.Clock.Now()), ends)
	})
}

func (s *store) addressIn(d *testkit.Database, user id.User) string {
	s.t.Helper()
	return testkit.Value[string](s.t, d, `SELECT email FROM user_account WHERE id = $1`, user)
}

// A new address is the user's at once, and soon in the other databases. The old one is free.
func TestChangeAddress(t *testing.T) {
	s := newStore(t)
	other := s.withOther()
	user := s.signUp("old@example.com").User
	other.AddUser(t, user, "old@example.com")
	before := s.find("old@example.com")
	testkit.Must(t, s.change(user, "new@example.com", nil))
	after := s.find("NEW@example.com")
	if after.User != user || after.CredentialVersion != before.CredentialVersion+1 || after.PHC != before.PHC || after.EmailVerifiedAt.IsZero() {
		t.Errorf("%+v", after)
	}
	if got := s.find("old@example.com"); !got.User.IsZero() || s.actions(user)[0] != identity.ChangeEmail {
		t.Errorf("with the old address %+v signs in; the history is %v", got, s.actions(user))
	}
	testkit.Must(t, s.change(user, "newer@example.com", nil))
	s.work()
	if got := s.addressIn(other, user); got != "newer@example.com" {
		t.Errorf("the other database has %s", got)
	}
	if got := s.begin("old@example.com"); got.User == user || got.Known {
		t.Errorf("the old address is still taken: %+v", got)
	}
}

// A job that is there before the change is committed waits for it. If the change fails, the
// job ends, and no database has the new address.
func TestChangeAddressIsCopiedAfterItsCommit(t *testing.T) {
	s := newStore(t)
	other := s.withOther()
	user := s.signUp("old@example.com").User
	other.AddUser(t, user, "old@example.com")
	waiting := func() int { return testkit.Value[int](t, s.Database, `SELECT count(*) FROM job`) }
	s.as(user, func(ctx context.Context, tx pg.Tx) error {
		err := identity.ChangeAddress(ctx, tx, s.App, user, "new@example.com", by, s.Clock.Now())
		s.work()
		if got := s.addressIn(other, user); got != "old@example.com" || waiting() != 1 {
			t.Errorf("before the commit the other database has %s, and %d jobs wait", got, waiting())
		}
		return err
	})
	s.Advance(t, 10*time.Second)
	s.work()
	if got := s.addressIn(other, user); got != "new@example.com" || waiting() != 0 {
		t.Errorf("after the commit the other database has %s, and %d jobs wait", got, waiting())
	}
	failure := errors.New("the work failed")
	if err := s.change(user, "lost@example.com", failure); !errors.Is(err, failure) || waiting() != 1 {
		t.Fatalf("%v, and %d jobs wait", err, waiting())
	}
	s.work()
	s.Advance(t, 10*time.Minute)
	s.work()
	if here, there := s.addressIn(s.Database, user), s.addressIn(other, user); here != "new@example.com" || there != here || waiting() != 0 {
		t.Errorf("after a failure home has %s, the other database %s, and %d jobs wait", here, there, waiting())
	}
}

// An address that another user has, in whatever database, cannot be taken. One's own can be
// written in another way.
func TestChangeAddressOfAnother(t *testing.T) {
	s := newStore(t)
	other := s.withOther()
	user := s.signUp("ann@example.com").User
	s.signUp("bob@example.com")
	other.AddUser(t, id.New[id.User](time.Now()), "cid@example.com")
	before := s.find("ann@example.com")
	for _, taken := range []string{"BOB@example.com", "cid@example.com"} {
		if err := s.change(user, taken, nil); !errors.Is(err, identity.ErrAddressTaken) {
			t.Errorf("%s: %v", taken, err)
		}
	}
	if s.find("ann@example.com") != before {
		t.Error("a refused change has changed something")
	}
	testkit.Must(t, s.change(user, "Ann@Example.com", nil))
	if got := s.find("ann@example.com"); got.User != user || got.Email != "Ann@Example.com" {
		t.Errorf("%+v", got)
	}
}

// Of two users who take an address at the same time one gets it.
func TestChangeAddressTogether(t *testing.T) {
	s := newStore(t)
	ann, bob := s.signUp("ann@example.com").User, s.signUp("bob@example.com").User
	first := make(chan error, 1)
	s.as(ann, func(ctx context.Context, tx pg.Tx) error {
		testkit.Must(t, identity.ChangeAddress(ctx, tx, s.App, ann, "new@example.com", by, s.Clock.Now()))
		go func() { first <- s.change(bob, "new@example.com", nil) }()
		testkit.Await(t, "the other one to wait", func() bool {
			return testkit.Value[bool](t, s.Database, `
				SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND usename = 'portico_identity')`)
		})
		return nil
	})
	if err := <-first; !errors.Is(err, identity.ErrAddressTaken) {
		t.Errorf("the second has got: %v", err)
	}
	if s.find("new@example.com").User != ann || s.find("bob@example.com").User != bob {
		t.Error("the address is not the first one's")
	}
}

// No role of the API changes the address of a user who can sign in.
func TestCopyAddressLeavesLogins(t *testing.T) {
	s := newStore(t)
	user := s.signUp("ann@example.com").User
	if _, err := s.App.Shared().Exec(context.Background(), `SELECT copy_address($1, 'taken@example.com')`, user); err != nil {
		t.Fatal(err)
	}
	if got := s.addressIn(s.Database, user); got != "ann@example.com" {
		t.Errorf("the address is %s", got)
	}
}
