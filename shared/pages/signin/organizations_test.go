package signin_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/session"
	"portico/shared/testkit"
)

// user returns the id of the person with an address.
func (s *stage) user(email string) id.User {
	return testkit.Value[id.User](s.t, s.db, `SELECT id FROM user_account WHERE email = $1`, email)
}

// join makes an organization and a person its member, and returns the organization.
func (s *stage) join(email string) id.Org {
	s.t.Helper()
	org, now := s.db.NewOrg(s.t), s.clock.Now()
	s.db.Insert(s.t, "member", testkit.Row{"org_id": org, "id": id.New[id.Member](now), "user_id": s.user(email), "name": "Ada", "predefined": "viewer", "created_at": now, "updated_at": now})
	return org
}

func (s *stage) set(org id.Org, settings string) {
	s.t.Helper()
	s.db.Exec(s.t, `UPDATE organization SET settings = $2 WHERE id = $1`, org, settings)
}

// in returns the organization of a browser's session as its page marks it; "": none.
func (b *browser) in() (name string) {
	b.stage.t.Helper()
	p := b.get("/account/organizations")
	b.stage.shows(p, 200, "Your organizations")
	before, _, found := strings.Cut(p.text, " <strong>this one")
	if !found {
		return ""
	}
	return before[strings.LastIndex(before, "\n")+1:]
}

// session returns the browser's session as pages are given it.
func (b *browser) session() session.Session {
	b.stage.t.Helper()
	cookie, err := session.Parse(b.cookies["__Host-portico"])
	testkit.Must(b.stage.t, err)
	found, err := b.stage.site.Sessions.Get(b.stage.t.Context(), cookie, b.stage.host)
	testkit.Must(b.stage.t, err)
	found, err = b.stage.site.Policies.Stays(b.stage.t.Context(), found)
	testkit.Must(b.stage.t, err)
	return found
}

// entries lists the entries of sessions in an organization's log, the oldest first.
func (s *stage) entries(org id.Org) (list []string) {
	s.t.Helper()
	rows, err := s.db.Admin.Query(s.t.Context(), `SELECT action || ' ' || (after->>'reason') || ' ' || outcome || ' ' || actor_name || ' ' || host(source_ip) FROM audit_entry WHERE org_id = $1 AND action LIKE 'session.%' ORDER BY id`, org)
	testkit.Must(s.t, err)
	defer rows.Close()
	for rows.Next() {
		var text string
		testkit.Must(s.t, rows.Scan(&text))
		list = append(list, text)
	}
	return list
}

// A person goes to another organization, with a new secret, and both logs say so. One that
// demands more, or that the person is no member of, is not entered.
func TestSwitchOrganization(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	b.signUp("ada@example.com")
	first := testkit.Value[id.Org](t, s.db, `SELECT id FROM organization WHERE name = 'Acme'`)
	second, strict, short, strange := s.join("ada@example.com"), s.join("ada@example.com"), s.join("ada@example.com"), s.db.NewOrg(t)
	s.set(strict, `{"require_mfa": true}`)
	s.set(short, `{"session_hours": 1}`)
	if got := b.in(); got != "Acme" {
		t.Errorf("the session is in %q", got)
	}
	before := b.cookies["__Host-portico"]
	s.shows(b.follow(b.post("/account/organizations", "organization", second.String())), 200, "Your organizations")
	thief := s.browser()
	thief.cookies["__Host-portico"] = before
	s.shows(thief.follow(thief.get("/account")), 200, "E-mail address")
	if got, want := fmt.Sprint(s.entries(first)), "[session.start signed_in success Ada 127.0.0.1 session.end switched success Ada 127.0.0.1]"; got != want {
		t.Errorf("the first log has %s", got)
	}
	if got, want := fmt.Sprint(s.entries(second)), "[session.start switched success Ada 127.0.0.1]"; got != want {
		t.Errorf("the second log has %s", got)
	}
	s.shows(b.post("/account/organizations", "organization", strict.String()), 422, "demands a second factor")
	s.clock.Advance(time.Hour)
	s.shows(b.post("/account/organizations", "organization", short.String()), 422, "too long ago")
	for _, none := range []string{"", "x", strange.String(), id.New[id.Org](s.clock.Now()).String(), id.Org{}.String()} {
		s.shows(b.post("/account/organizations", "organization", none), 422, "not a member")
	}
	for org, reason := range map[id.Org]string{strict: "factors", short: "absolute"} {
		if got, want := fmt.Sprint(s.entries(org)), "[session.refuse "+reason+" failure Ada 127.0.0.1]"; got != want {
			t.Errorf("the log has %s, want %s", got, want)
		}
	}
	if got := testkit.Value[string](t, s.db, `SELECT name FROM organization WHERE id = $1`, second); b.in() != got {
		t.Errorf("the session is in %q, want %q", b.in(), got)
	}
}

// Fewer session_hours hold for sessions that have begun already, after ten seconds at
// most, in another process too. More hours hold from the next sign-in on.
func TestSessionHours(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	other := s.process(s.desk.Box)
	b := s.browser()
	b.signUp("ada@example.com")
	acme := testkit.Value[id.Org](t, s.db, `SELECT id FROM organization WHERE name = 'Acme'`)
	s.clock.Advance(time.Hour)
	far := other.browser()
	far.cookies = b.cookies
	s.shows(far.get("/account"), 200, "Your account")
	s.set(acme, `{"session_hours": 1}`)
	s.clock.Advance(10 * time.Second)
	s.shows(far.follow(far.get("/account")), 200, "E-mail address")
	if list, err := s.desk.Sessions.List(t.Context(), s.user("ada@example.com")); err != nil || len(list) != 0 {
		t.Errorf("live: %v, %v", list, err)
	}
	s.set(acme, `{"session_hours": 100}`)
	s.shows(b.follow(b.signIn("ada@example.com", secretText)), 200, "Your account")
	for range 99 {
		s.clock.Advance(time.Hour)
		s.shows(b.get("/account"), 200, "Your account")
	}
	s.clock.Advance(time.Hour)
	s.shows(b.follow(b.get("/account")), 200, "E-mail address")
}

// Whatever takes a session away in one process does so in another within ten seconds.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do   func(s *stage, b *browser)
		left string // where the session still is; "": it has ended
	}{
		"removal":                 {func(s *stage, _ *browser) { s.db.Exec(s.t, `DELETE FROM member`) }, "no organization"},
		"the organization closes": {func(s *stage, _ *browser) { s.db.Exec(s.t, `UPDATE organization SET deleted_at = now()`) }, "no organization"},
		"suspension": {func(s *stage, _ *browser) {
			e := s.entrance()
			testkit.Must(s.t, e.Change(s.t.Context(), s.user("ada@example.com"), id.Session{}, session.Suspended, func(tx pg.Tx) error {
				return pg.Exec(s.t.Context(), tx, "test", `UPDATE user_login SET suspended_at = now()`)
			}))
		}, ""},
		"sign-out":            {func(s *stage, b *browser) { b.follow(b.post("/sign-out")) }, ""},
		"sign-out everywhere": {func(s *stage, b *browser) { b.follow(b.post("/account/revoke-sessions")) }, ""},
		"reset": {func(s *stage, b *browser) {
			b.post("/reset", "email", "ada@example.com")
			s.shows(b.follow(b.post(s.mail().link, "password", "depart slowly")), 200, "changed")
		}, ""},
		"password change": {func(s *stage, b *browser) {
			one := s.browser()
			s.shows(one.follow(one.signIn("ada@example.com", secretText)), 200, "Your account")
			s.shows(one.follow(one.post("/account/password", "current", secretText, "password", "depart slowly")), 200, "Your account")
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			b, far := s.browser(), s.process(s.desk.Box).browser()
			b.signUp("ada@example.com")
			far.cookies["__Host-portico"] = b.cookies["__Host-portico"]
			if got := far.in(); got != "Acme" {
				t.Fatalf("the session is in %q", got)
			}
			if far.session().Org.IsZero() {
				t.Fatal("the session has no organization")
			}
			c.do(s, b)
			s.clock.Advance(10 * time.Second)
			if c.left == "" {
				s.shows(far.follow(far.get("/account")), 200, "E-mail address")
				return
			}
			if got := far.in(); got != "" {
				t.Errorf("the session is in %q", got)
			}
			if got := far.session(); !got.Org.IsZero() {
				t.Errorf("the session has the organization %s", got.Org)
			}
		})
	}
}

// Of many who sign in while all sessions are ended again and again, none is left after the
// last end; nobody has a session that does not stand in the list.
func TestSignOutEverywhereAgainstSignIns(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.browser().signUp("ada@example.com")
	user := s.user("ada@example.com")
	var group sync.WaitGroup
	browsers := make([]*browser, 6)
	for i := range browsers {
		browsers[i] = s.browser()
		browsers[i].post("/sign-in", "email", "ada@example.com")
		group.Go(func() { browsers[i].post("/sign-in/password", "password", secretText) })
	}
	for range 3 {
		testkit.Must(t, s.desk.SignOutEverywhere(t.Context(), user, visitor))
	}
	group.Wait()
	testkit.Must(t, s.desk.SignOutEverywhere(t.Context(), user, visitor))
	for _, b := range browsers {
		if b.cookies["__Host-portico"] == "" {
			continue // all were ended after its proof
		}
		s.shows(b.follow(b.get("/account")), 200, "E-mail address")
	}
	if list, err := s.desk.Sessions.List(t.Context(), user); err != nil || len(list) != 0 {
		t.Errorf("live: %v, %v", list, err)
	}
}

// Ending sessions stands in the person's history and in the organization's log.
func TestLeavingIsWritten(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	one, two := s.browser(), s.browser()
	one.signUp("ada@example.com")
	acme := testkit.Value[id.Org](t, s.db, `SELECT id FROM organization WHERE name = 'Acme'`)
	two.signIn("ada@example.com", secretText)
	other := sessionForm.FindStringSubmatch(one.get("/account").text)[1]
	one.post("/account/revoke-session", "session", other)
	one.post("/account/revoke-session", "session", other) // has ended before
	one.post("/sign-out")
	one.signIn("ada@example.com", secretText)
	one.signIn("ada@example.com", secretText) // in place of the session
	one.post("/account/revoke-sessions")
	history := testkit.Value[string](t, s.db, `SELECT string_agg(action || ' ' || detail, ', ' ORDER BY id) FROM user_event WHERE action LIKE 'session.%'`)
	if want := "session.start , session.start , session.end revoked, session.end signed_out, session.start , session.start , session.revoke revoked"; history != want {
		t.Errorf("the history has %s", history)
	}
	var log []string
	for _, e := range s.entries(acme) {
		log = append(log, strings.Join(strings.Fields(e)[:2], " "))
	}
	if got, want := strings.Join(log, ", "), "session.start signed_in, session.start signed_in, session.end revoked, session.end signed_out, session.start signed_in, session.start signed_in, session.end replaced, session.end revoked"; got != want {
		t.Errorf("the log has %s", got)
	}
}
