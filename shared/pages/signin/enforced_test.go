package signin_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"portico/shared/account"
	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/secret"
	"portico/shared/sso"
	"portico/shared/testkit"
)

// An organization with an enforced connection is entered by it alone: the first page leads
// there, a password leads elsewhere, nobody switches in or is handed over, and who is in by
// other means is out. Its break-glass owner, who is told apart by no page, still enters.
func TestEnforcedConnection(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	in, owner := s.browser(), s.browser()
	in.signUp(ada)
	acme := testkit.Value[id.Org](t, s.db, `SELECT id FROM organization WHERE name = 'Acme'`)
	owner.signUp("grace@example.com")
	s.db.Exec(t, `DELETE FROM member WHERE org_id <> $1`, acme)
	glass := id.New[id.Member](s.clock.Now())
	s.db.Insert(t, "member", testkit.Row{"org_id": acme, "id": glass, "user_id": s.user("grace@example.com"), "name": "Grace", "predefined": "owner", "entered_at": s.clock.Now(), "created_at": s.clock.Now(), "updated_at": s.clock.Now()})
	if got := in.session().Org; got != acme {
		t.Fatalf("the session is in %s", got)
	}
	c := s.connection(acme, func(c *sso.Connection) { c.Enforced, c.BreakGlass = true, glass })
	s.hosts = map[string]id.Org{"example.com": acme}
	s.clock.Advance(10 * time.Second)
	own := in.session()
	if !own.Org.IsZero() {
		t.Errorf("the session of before is in %s", own.Org)
	}
	s.shows(in.post("/account/organizations", "organization", acme.String()), 422, "by its own single sign-on only")
	v := account.Visitor{Host: s.host, Origin: audit.Origin{SourceIP: netip.MustParseAddr("203.0.113.7")}}
	if _, err := s.desk.HandOver(t.Context(), own, acme, acmeHost, secret.NewToken().Hash(), v); !errors.Is(err, account.ErrEnforced) {
		t.Errorf("HandOver: %v", err)
	}
	if got := strings.Join(s.entries(acme), ", "); !strings.Contains(got, "session.refuse sso_enforced failure Ada") {
		t.Errorf("the log: %s", got)
	}
	b := s.browser()
	if p := b.post("/sign-in", "email", ada); p.location != "/sign-in/sso" {
		t.Errorf("the first page leads to %q", p.location)
	}
	s.shows(b.get("/sign-in/sso"), 200, `action="/sign-in/sso"`)
	s.shows(b.follow(b.post("/sign-in/password", "password", secretText)), 200, "Your organizations")
	if got := b.session().Org; !got.IsZero() {
		t.Errorf("the password leads into %s", got)
	}
	_, err := b.comes(c, vouched("1", ada))
	testkit.Must(t, err)
	if got := b.session().Org; got != acme {
		t.Errorf("the connection leads into %s", got)
	}
	_, err = s.browser().comes(c, vouched("2", "grace@example.com"))
	testkit.Must(t, err)
	if n := s.alarms(acme); n != 0 {
		t.Errorf("%d entrances by the connection are told of", n)
	}
	b = s.browser()
	b.post("/sign-in", "email", "grace@example.com")
	s.shows(b.follow(b.post("/sign-in/password", "password", secretText)), 200, "Your account")
	if got := b.session().Org; got != acme {
		t.Errorf("the break-glass owner is in %s", got)
	}
	if n := s.alarms(acme); n != 1 {
		t.Errorf("%d jobs tell the owners of the entrance", n)
	}
}

// alarms counts the jobs that tell an organization's owners of entrances by break-glass.
func (s *stage) alarms(of id.Org) int {
	s.t.Helper()
	return testkit.Value[int](s.t, s.db, `SELECT count(*) FROM job WHERE org_id = $1 AND kind = 'sso_connection.tell_of_break_glass'`, of)
}

// The consent page lets no app into an organization for somebody who is not there by its
// enforced connection: not in a session of before, nor by a password.
func TestConsentUnderEnforcement(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	before := s.browser()
	before.signUp(ada)
	acme := before.session().Org
	app, verifier := s.register(nil), strings.Repeat("v", 43)
	if app.code(before, verifier) == "" {
		t.Fatal("without the connection no app is let in")
	}
	c := s.connection(acme, nil)
	s.db.Exec(t, `UPDATE sso_connection SET enforced = true`)
	s.clock.Advance(10 * time.Second)
	after := s.browser()
	after.post("/sign-in", "email", ada)
	after.follow(after.post("/sign-in/password", "password", secretText))
	for name, b := range map[string]*browser{"a session of before": before, "by a password": after} {
		grants := testkit.Value[int](t, s.db, `SELECT count(*) FROM oauth_grant`)
		if p := b.get(app.ask(verifier)); strings.Contains(p.text, `value="allow"`) {
			t.Errorf("%s: it asks for consent: %s", name, main(p.text))
		}
		p := b.post(app.ask(verifier), "decision", "allow")
		if strings.Contains(p.location, "code=") || testkit.Value[int](t, s.db, `SELECT count(*) FROM oauth_grant`) != grants {
			t.Errorf("%s: the app is let in: %d %s", name, p.status, p.location)
		}
	}
	by := s.browser()
	_, err := by.comes(c, vouched("1", ada))
	testkit.Must(t, err)
	if app.code(by, verifier) == "" {
		t.Error("by the connection no app is let in")
	}
}
