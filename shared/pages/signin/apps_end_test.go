package signin_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"portico/shared/id"
	"portico/shared/oauth"
	"portico/shared/pages/token"
	"portico/shared/testkit"
)

// tokens lets the app in and returns what it gets.
func (a *client) tokens(b *browser) *oauth2.Token {
	a.stage.t.Helper()
	v := oauth2.GenerateVerifier()
	got, err := a.Exchange(a.stage.t.Context(), a.code(b, v), oauth2.VerifierOption(v))
	testkit.Must(a.stage.t, err)
	return got
}

// What people do when somebody else may have their account ends all that apps have of them,
// in two processes within ten seconds, and the log of the organization says so. Signing out,
// and a second factor more, do not.
func TestAppsEndWithAllSessions(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]struct {
		do   func(s *stage, b *browser)
		ends bool
	}{
		"a new password": {func(s *stage, b *browser) {
			b.post("/account/password", "current", secretText, "password", "depart slowly")
		}, true},
		"a reset": {func(s *stage, b *browser) {
			b.post("/reset", "email", ada)
			b.post(s.last("reset_password", ada).link, "password", "depart slowly")
		}, true},
		"all sessions ended":        {func(s *stage, b *browser) { b.post("/account/revoke-sessions") }, true},
		"an address that goes back": {func(s *stage, b *browser) { b.post(b.move()) }, true},
		"the person suspended": {func(s *stage, b *browser) {
			undo := b.move()
			s.db.AddUser(s.t, id.New[id.User](s.clock.Now()), ada)
			s.shows(b.post(undo), 409, "Somebody else")
		}, true},
		"a new address": {func(s *stage, b *browser) { b.move() }, false},
		"signed out":    {func(s *stage, b *browser) { b.post("/sign-out") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			a, b, bob := s.register(nil), s.browser(), s.browser()
			b.signUp(ada)
			bob.signUp("bob@example.com")
			got, others := a.tokens(b), a.tokens(bob)
			there := s.process(s.desk.Box)
			processes := []*oauth.Apps{s.apps, there.apps}
			for _, p := range processes {
				_, err := p.Caller(t.Context(), got.AccessToken)
				testkit.Must(t, err)
			}
			one.do(s, b)
			s.clock.Advance(10 * time.Second)
			for i, p := range processes {
				if _, err := p.Caller(t.Context(), got.AccessToken); errors.Is(err, oauth.ErrToken) != one.ends {
					t.Errorf("process %d: %v", i, err)
				}
				if _, err := p.Caller(t.Context(), others.AccessToken); err != nil {
					t.Errorf("process %d, of another person: %v", i, err)
				}
			}
			log := testkit.Value[string](t, s.db, `SELECT coalesce(string_agg(after->>'reason', ','), '') FROM audit_entry WHERE action = 'oauth_grant.revoke'`)
			revoked := testkit.Value[int](t, s.db, `SELECT count(revoked_at)::int FROM oauth_grant`)
			if (log == "all") != one.ends || (revoked == 1) != one.ends {
				t.Errorf("the log says %q; %d are revoked", log, revoked)
			}
			status, _ := a.send(token.Path, a.ClientID+":"+a.ClientSecret, "grant_type", "refresh_token", "refresh_token", got.RefreshToken)
			if (status == http.StatusBadRequest) != one.ends {
				t.Errorf("the refresh token: %d", status)
			}
		})
	}
}

// A session that has just ended lets no app in, also not in a process that still knows it;
// and of what was let in while all ended nothing stays.
func TestAppsEndAgainstConsents(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a, b := s.register(nil), s.browser()
	b.signUp(ada)
	stale := s.process(s.desk.Box).browser()
	stale.cookies["__Host-portico"] = b.cookies["__Host-portico"]
	s.shows(stale.get(a.ask("v")), 200, "Let it in")
	b.post("/account/revoke-sessions")
	if p := stale.post(a.ask("v"), "decision", "allow"); p.status != http.StatusSeeOther || p.location != "/sign-in" {
		t.Errorf("a session that has ended: %d %s", p.status, p.location)
	}

	s.shows(b.follow(b.signIn(ada, secretText)), 200, ada)
	cookie, v := b.cookies["__Host-portico"], oauth2.GenerateVerifier()
	locations := make([]string, 20)
	var all sync.WaitGroup
	for i := range locations {
		all.Go(func() {
			one := s.browser()
			one.cookies["__Host-portico"] = cookie
			locations[i] = one.post(a.ask(v), "decision", "allow").location
		})
	}
	testkit.Must(t, s.desk.SignOutEverywhere(t.Context(), s.user(ada), visitor))
	all.Wait()
	for _, to := range locations {
		if !strings.HasPrefix(to, callback) {
			continue
		}
		code := a.answer(page{status: http.StatusSeeOther, location: to}).Get("code")
		if got, err := a.Exchange(t.Context(), code, oauth2.VerifierOption(v)); err == nil {
			t.Errorf("an app is still let in: %v", got)
		}
	}
}

// Grants over the maximum are revoked before the organization stops to see them: wherever
// the process dies, each grant whose tokens work is in its list.
func TestKillsOfConsent(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	a, b := s.register(nil), s.browser()
	b.signUp(ada)
	var access []string
	for range 20 {
		access = append(access, a.tokens(b).AccessToken)
	}
	all := func() (listed, working int) {
		fresh := s.process(s.desk.Box).apps
		for _, text := range access {
			if g, err := fresh.Grants.Access(t.Context(), text, s.desk.Public); err == nil {
				working++
				listed += testkit.Value[int](t, s.db, `SELECT count(*)::int FROM oauth_grant WHERE id = $1 AND revoked_at IS NULL`, g.ID)
			}
		}
		return listed, working
	}
	if listed, working := all(); listed != 20 || working != 20 {
		t.Fatalf("%d of %d are listed", listed, working)
	}
	s.db.Exec(t, `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the commit fails'; END $$`)
	s.db.Exec(t, `CREATE CONSTRAINT TRIGGER fail AFTER DELETE ON oauth_grant DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()`)
	if p := b.post(a.ask("v"), "decision", "allow"); p.location != "" {
		t.Errorf("the commit failed, and it leads to %s", p.location)
	}
	if listed, working := all(); listed != working || working != 19 {
		t.Errorf("the commit failed: %d of %d are listed", listed, working)
	}
	s.db.Exec(t, `DROP TRIGGER fail ON oauth_grant`)
	access = append(access, a.tokens(b).AccessToken)
	if listed, working := all(); listed != 20 || working != 20 {
		t.Errorf("afterwards: %d of %d are listed", listed, working)
	}
}
