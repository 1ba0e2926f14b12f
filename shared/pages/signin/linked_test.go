package signin_test

import (
	"regexp"
	"testing"
	"time"

	"portico/shared/testkit"
)

// link links an account at a provider to that of a person who has signed in.
func (e *elsewhere) link(b *browser, name string, who them) page {
	e.stage.t.Helper()
	asked := e.sent(b.post("/account/linked/add", "provider", name))
	return b.get("/sign-in/" + name + "/callback?" + e.answer(asked, who).Encode())
}

var linkedForm = regexp.MustCompile(`name="account" value="([0-9a-f-]{36})"`)

// A person links accounts, signs in with them, and removes them, but not the last way to
// sign in. The history has both, the person is told, and a removal ends other sessions.
func TestLinkedAccounts(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	e := s.elsewhere()
	b, other := s.browser(), s.browser()
	b.signUp("ada@example.com")
	s.shows(b.follow(e.link(b, "github", foreign)), 200, "<strong>GitHub</strong> ada@example.com")
	if m := s.mail(); m.template != "account_linked" || m.to != "ada@example.com" {
		t.Errorf("the mail %+v", m)
	}
	s.shows(b.follow(e.link(b, "google", them{subject: "9", email: "lovelace@gmail.com"})), 200, "lovelace@gmail.com")
	s.shows(other.follow(e.signIn(other, "google", them{subject: "9", email: "lovelace@gmail.com"})), 200, "ada@example.com")
	s.db.Exec(t, `DELETE FROM user_password`)
	list := linkedForm.FindAllStringSubmatch(b.get("/account/linked").text, -1)
	if len(list) != 2 {
		t.Fatalf("%d linked accounts", len(list))
	}
	s.shows(b.follow(b.post("/account/linked/remove", "account", list[0][1])), 200, "Linked accounts")
	s.shows(other.follow(other.get("/account")), 200, "E-mail address")
	s.shows(b.post("/account/linked/remove", "account", list[1][1]), 409, "This is your only way to sign in")
	s.shows(b.follow(b.post("/account/linked/remove", "account", list[0][1])), 200, "lovelace@gmail.com")
	s.shows(b.follow(b.post("/account/linked/remove", "account", "x")), 200, "lovelace@gmail.com")
	gone := s.browser()
	s.shows(e.signIn(gone, "github", foreign), 403, "You have an account already")
	if history := testkit.Value[string](t, s.db, `SELECT string_agg(action || ' ' || method || ' ' || detail, ', ' ORDER BY id) FROM user_event WHERE action LIKE 'provider_account.%'`); history != "provider_account.link github ada@example.com, provider_account.link google lovelace@gmail.com, provider_account.unlink  " {
		t.Errorf("the history: %s", history)
	}
}

// An account elsewhere is linked by the person who has begun it, in their browser, and to
// one person only.
func TestLinkForOthers(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	e := s.elsewhere()
	ada, eve := s.browser(), s.browser()
	ada.signUp("ada@example.com")
	eve.signUp("eve@example.com")
	s.shows(ada.follow(e.link(ada, "github", foreign)), 200, "GitHub")
	s.shows(e.link(eve, "github", foreign), 409, "It is linked already")
	s.shows(e.link(ada, "github", foreign), 409, "It is linked already")

	asked := e.sent(eve.post("/account/linked/add", "provider", "google"))
	answer := "/sign-in/google/callback?" + e.answer(asked, gmail).Encode()
	s.shows(ada.get(answer), 400, "This did not work") // Eve gives Ada her link
	ada.cookies["__Host-portico-flow"] = eve.cookies["__Host-portico-flow"]
	s.shows(ada.get(answer), 400, "This did not work")
	if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM user_identity WHERE connection = 'google'`); n != 0 {
		t.Error("it was linked")
	}
	s.clock.Advance(11 * time.Minute) // an open browser that somebody finds
	s.shows(eve.post("/account/linked/add", "provider", "google"), 403, "Your sign-in is too long ago")
	s.shows(ada.post("/account/linked/remove", "account", linkedForm.FindStringSubmatch(ada.get("/account/linked").text)[1]), 403, "Your sign-in is too long ago")
	out := s.browser()
	s.shows(out.follow(out.post("/account/linked/add", "provider", "google")), 200, "E-mail address")
}
