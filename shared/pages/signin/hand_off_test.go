package signin_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/testkit"
)

const acmeHost = "acme.example.com"

// hand leads a browser from the host of an organization to the site's own and returns the
// answer there. there and here have the cookies that one browser has at both; its session
// at the organization's host is forgotten.
func hand(there, here *browser) page {
	there.stage.t.Helper()
	delete(there.cookies, "__Host-portico")
	away := there.get("/sign-in")
	if away.status != 303 || !strings.HasPrefix(away.location, there.stage.desk.Public+"/sign-in/hand-off?") {
		there.stage.t.Fatalf("it leads to %q: %d", away.location, away.status)
	}
	return here.get(away.location)
}

// arrives follows the way back to the host of an organization.
func (b *browser) arrives(p page) page {
	b.stage.t.Helper()
	to, err := url.Parse(p.location)
	testkit.Must(b.stage.t, err)
	if p.status != 303 || to.Hostname() != b.at || to.Path != "/sign-in/take-over" {
		b.stage.t.Fatalf("it leads to %q: %d\n%s", p.location, p.status, main(p.text))
	}
	return b.get(to.RequestURI())
}

// handOffStage is a stage on which ada, a member of Acme, has two browsers' worth of cookies:
// those at Acme's own host, and those at the site's.
func handOffStage(t *testing.T) (s *stage, acme id.Org, there, here *browser) {
	t.Helper()
	s = newStage(t)
	s.hosts = map[string]id.Org{}
	s.browser().signUp("ada@example.com")
	acme = testkit.Value[id.Org](t, s.db, `SELECT id FROM organization WHERE name = 'Acme'`)
	s.hosts[acmeHost] = acme
	there, here = s.browser(), s.browser()
	there.at = acmeHost
	return s, acme, there, here
}

// A person signs in at the site's own host and comes back to that of an organization,
// with a session that works there only. Signing out there ends both.
func TestHandOff(t *testing.T) {
	t.Parallel()
	s, acme, there, here := handOffStage(t)
	s.shows(here.follow(hand(there, here)), 200, "E-mail address")
	back := here.follow(here.signIn("ada@example.com", secretText))
	s.shows(there.follow(there.arrives(back)), 200, "ada@example.com")
	if page := there.get("/account").text; !strings.Contains(page, s.desk.Public+"/account") || strings.Contains(page, "Delete") {
		t.Errorf("the account there: %s", main(page))
	}
	if got := strings.Join(s.entries(acme), ", "); !strings.HasSuffix(got, "session.start signed_in success Ada 127.0.0.1, session.start handed_over success Ada 127.0.0.1") {
		t.Errorf("the log has %s", got)
	}
	thief := s.browser()
	thief.cookies = there.cookies
	s.shows(thief.follow(thief.get("/account")), 200, "E-mail address") // at the site's own host
	for _, path := range []string{"/account/password", "/account/totp", "/account/organizations", "/sign-up", "/reset", "/sign-in/password"} {
		if p := there.get(path + "?a=b"); p.status != 303 || p.location != s.desk.Public+path+"?a=b" {
			t.Errorf("%s there: %d, leads to %q", path, p.status, p.location)
		}
		if p := there.post(path, "email", "ada@example.com"); p.status != 421 {
			t.Errorf("a form of %s there: %d", path, p.status)
		}
	}
	if p := there.post("/sign-in", "email", "ada@example.com"); p.status != 303 || p.location != "/sign-in" || there.cookies["__Host-portico-flow"] != "" {
		t.Errorf("an attempt there: %d, leads to %q", p.status, p.location)
	}
	s.shows(there.arrives(hand(there, here)), 303, "")
	there.post("/sign-out")
	s.shows(here.follow(here.get("/account")), 200, "E-mail address")
	s.shows(here.follow(hand(there, here)), 200, "E-mail address")
}

// A code works once, for a minute, in the browser that the host has sent, and at this host.
func TestHandOffIsBound(t *testing.T) {
	t.Parallel()
	s, acme, there, here := handOffStage(t)
	s.hosts["other.example.com"] = acme
	s.shows(here.follow(here.signIn("ada@example.com", secretText)), 200, "Your account")
	refused := func(name string, p page) {
		t.Helper()
		if s.shows(p, 200, "Please sign in again"); strings.Contains(p.header.Get("Set-Cookie"), "__Host-portico=") {
			t.Errorf("%s gets a session", name)
		}
	}
	thief := s.browser()
	thief.at = acmeHost
	hand(thief, s.browser())
	refused("the code of another browser", thief.arrives(hand(there, here)))
	there.arrives(hand(there, here))
	used := hand(there, here)
	s.shows(there.arrives(used), 303, "")
	hand(there, here)
	refused("a used code", there.arrives(used))
	late := hand(there, here)
	s.clock.Advance(time.Minute)
	refused("a late code", there.arrives(late))
	elsewhere := s.browser()
	elsewhere.at = "other.example.com"
	back := hand(there, here)
	elsewhere.cookies = there.cookies
	back.location = strings.Replace(back.location, acmeHost, elsewhere.at, 1)
	refused("a code of another host", elsewhere.arrives(back))
	for _, path := range []string{"/sign-in/take-over", "/sign-in/take-over?code=x", "/sign-in/take-over?code=" + strings.Repeat("A", 43)} {
		refused(path, there.get(path))
	}
	changed := hand(there, here)
	s.shows(here.follow(here.post("/account/revoke-sessions")), 200, "E-mail address")
	refused("a code from before all sessions were revoked", there.arrives(changed))
	for _, host := range []string{"", "evil.example.com", acmeHost + ":1", "localhost", acmeHost + "/x", "x@" + acmeHost} {
		s.shows(here.get("/sign-in/hand-off?"+url.Values{"host": {host}}.Encode()), 200, "no organization at this address")
	}
}

// The organization decides who enters, also at its own host, and a session there ends with
// the membership. A host that goes to another organization takes no session with it.
func TestHandOffObeysTheOrganization(t *testing.T) {
	t.Parallel()
	s, acme, there, here := handOffStage(t)
	s.shows(here.follow(here.signIn("ada@example.com", secretText)), 200, "Your account")
	s.shows(there.follow(there.arrives(hand(there, here))), 200, "ada@example.com")
	other := s.join("ada@example.com")
	s.hosts[acmeHost] = other
	if p := there.get("/account"); p.status != 303 || p.location != "/sign-in" {
		t.Errorf("at a host of another organization: %d, leads to %q", p.status, p.location)
	}
	s.hosts[acmeHost] = acme
	s.set(other, `{"require_mfa": true}`)
	s.db.Exec(t, `UPDATE member SET entered_at = portico_now() WHERE org_id = $1`, other)
	strict := s.browser()
	strict.at = "strict.example.com"
	s.hosts[strict.at] = other
	s.shows(hand(strict, here), 200, "demands a second factor")
	stranger := s.db.NewOrg(t)
	s.hosts[strict.at] = stranger
	s.shows(hand(strict, here), 200, "not a member")
	s.shows(there.follow(there.arrives(hand(there, here))), 200, "ada@example.com")
	s.db.Exec(t, `DELETE FROM member WHERE org_id = $1`, acme)
	s.clock.Advance(10 * time.Second)
	if p := there.get("/account"); p.status != 303 || p.location != "/sign-in" {
		t.Errorf("a removed member's session there: %d, leads to %q", p.status, p.location)
	}
	s.shows(hand(there, here), 200, "not a member")
}
