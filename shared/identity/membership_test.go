package identity_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/member"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// A user enters the organizations of all databases, but none that is closed, and none where
// only rows are left of one that has moved.
func TestMemberships(t *testing.T) {
	s, ctx := newStore(t), context.Background()
	other := s.withOther()
	user := s.signUp("ann@example.com").User
	other.AddUser(t, user, "ann@example.com")
	home, elsewhere, closed, left := s.NewOrg(t), other.NewOrg(t), s.NewOrg(t), s.NewOrg(t)
	s.NewOrg(t) // of others
	want := []identity.Membership{
		{Org: home, Name: s.nameOf(s.Database, home), Member: s.addMember(s.Database, home, user)},
		{Org: elsewhere, Name: s.nameOf(other, elsewhere), Member: s.addMember(other, elsewhere, user)},
	}
	s.addMember(s.Database, closed, user)
	s.addMember(s.Database, left, user)
	s.Exec(t, `UPDATE organization SET deleted_at = portico_now() WHERE id = $1`, closed)
	s.Place(t, left, "left", "acme")
	got, err := identity.Memberships(ctx, s.App, user)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if got, err := identity.Memberships(ctx, s.App, s.signUp("new@example.com").User); err != nil || len(got) != 0 {
		t.Errorf("a new user: %v, %v", got, err)
	}
	wire := testkit.NewWire(t, other.URL("portico_app"))
	wire.Stop()
	testkit.Must(t, s.App.Add(ctx, "away", wire.URL))
	got, err = identity.Memberships(ctx, s.App, user)
	if diff := cmp.Diff(want, got); diff != "" || err == nil || !strings.Contains(err.Error(), "away") {
		t.Errorf("while a database is away: %v\n%s", err, diff)
	}
}

func (s *store) nameOf(d *testkit.Database, org id.Org) string {
	s.t.Helper()
	return testkit.Value[string](s.t, d, `SELECT name FROM organization WHERE id = $1`, org)
}

// An organization sees how its members sign in, without secrets, and resets their second
// factors, also if it lives in another database. The history says that.
func TestFactorsOfMembers(t *testing.T) {
	s, ctx := newStore(t), context.Background()
	other := s.withOther()
	for database, d := range map[string]*testkit.Database{pg.Home: s.Database, "acme": other} {
		t.Run(database, func(t *testing.T) {
			org, user := d.NewOrg(t), id.New[id.User](s.Clock.Now())
			if d == other {
				s.Insert(t, "organization", testkit.Row{"id": org, "name": "left"})
				s.Place(t, org, "left", "acme")
				other.AddUser(t, user, database+"@example.com")
			}
			s.AddUser(t, user, database+"@example.com")
			testkit.Credentials(t, s.Database, user)
			m := s.addMember(d, org, user)
			factors := func() (f identity.Factors) {
				t.Helper()
				testkit.Must(t, s.App.InOrg(ctx, org, func(tx pg.Tx) (err error) {
					f, err = identity.FactorsOf(ctx, tx, org, m)
					return err
				}))
				return f
			}
			var then []id.User
			reset := func() (removed bool) {
				t.Helper()
				testkit.Must(t, s.App.InOrg(ctx, org, func(tx pg.Tx) (err error) {
					removed, err = identity.ResetFactors(ctx, tx, org, m, s.Clock.Now(), func(_ pg.Tx, of id.User) error { then = append(then, of); return nil })
					return err
				}))
				return removed
			}
			want := identity.Factors{EmailVerified: true, Password: true, TOTP: true, Passkeys: 1, RecoveryCodes: 1, Identities: 1}
			if diff := cmp.Diff(want, factors(), cmpopts.IgnoreFields(identity.Factors{}, "LastSignInAt")); diff != "" {
				t.Error(diff)
			}
			if !reset() || reset() || !slices.Equal(then, []id.User{user}) {
				t.Errorf("the first reset removes the factors, the second finds none: %v", then)
			}
			want = identity.Factors{EmailVerified: true, Password: true, Identities: 1}
			if diff := cmp.Diff(want, factors(), cmpopts.IgnoreFields(identity.Factors{}, "LastSignInAt")); diff != "" {
				t.Error(diff)
			}
			if got := s.find(database + "@example.com"); got.CredentialVersion != 2 || s.actions(user)[0] != identity.ResetFactor {
				t.Errorf("version %d, history %v", got.CredentialVersion, s.actions(user))
			}
		})
	}
}

// An organization cannot reach the factors of anybody else: neither in Go nor in the
// database itself.
func TestFactorsOfOthers(t *testing.T) {
	s, ctx := newStore(t), context.Background()
	mine, theirs, user := s.NewOrg(t), s.NewOrg(t), id.New[id.User](s.Clock.Now())
	s.AddUser(t, user, "ann@example.com")
	testkit.Credentials(t, s.Database, user)
	m := s.addMember(s.Database, theirs, user)
	err := s.App.InOrg(ctx, mine, func(tx pg.Tx) error { _, err := identity.FactorsOf(ctx, tx, mine, m); return err })
	if !errors.Is(err, member.ErrNotFound) {
		t.Errorf("%v", err)
	}
	for _, sql := range []string{`SELECT * FROM factors_of($1)`, `SELECT reset_factors_of($1, gen_random_uuid())`} {
		err := s.App.InOrg(ctx, mine, func(tx pg.Tx) error { return pg.Exec(ctx, tx, "test", sql, user) })
		if err == nil || !strings.Contains(err.Error(), "is not a member of the bound organization") {
			t.Errorf("%s: %v", sql, err)
		}
		if _, err := s.App.Shared().Exec(ctx, sql, user); err == nil || !strings.Contains(err.Error(), "no organization bound") {
			t.Errorf("unbound: %s: %v", sql, err)
		}
	}
	if rows := s.UserRows(t, user); rows["user_totp"] != 1 || rows["user_passkey"] != 1 || rows["user_recovery_code"] != 1 {
		t.Errorf("%v", rows)
	}
}
