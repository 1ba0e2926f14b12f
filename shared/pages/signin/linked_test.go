package signin_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"portico/shared/account"
	"portico/shared/testkit"
)

// link links an account at a provider to that of a person who has signed in.
func (e *elsewhere) link(b *browser, name string, who them) page {
	e.stage.t.Helper()
	asked := e.sent(b.post("/account/linked/add", "provider", name))
	return b.get("/sign-in/" + name + "/callback?" + e.answer(asked, who).Encode())
}

// signUpConfirmed makes an account, and shows that the mailbox is the person's, as linking
// demands of who has no second factor.
func (b *browser) signUpConfirmed(email string) {
	b.stage.t.Helper()
	b.signUp(email)
	b.stage.shows(b.follow(b.post("/account/linked/add", "provider", "github")), 200, "Confirm that the mailbox is yours")
	b.post("/account/confirm", "send", "yes", "to", "/account/linked")
	b.stage.shows(b.follow(b.post("/account/confirm", "mailed_code", b.stage.mail().code, "to", "/account/linked")), 200, "Linked accounts")
}

var linkedForm = regexp.MustCompile(`name="account" value="([0-9a-f-]{36})"`)

// A person links accounts, signs in with them, and removes them, but not the last way to
// sign in. The history has both, the person is told, and a removal ends other sessions.
func TestLinkedAccounts(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	e := s.elsewhere()
	b, other := s.browser(), s.browser()
	b.signUpConfirmed("ada@example.com")
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
	if m := s.mail(); m.template != "factor_changed" || m.change != "account_unlinked" || m.to != "ada@example.com" {
		t.Errorf("the mail %+v", m)
	}
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
	ada.signUpConfirmed("ada@example.com")
	eve.signUpConfirmed("eve@example.com")
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
	out := s.browser()
	s.shows(out.follow(out.post("/account/linked/add", "provider", "google")), 200, "E-mail address")
}

// Who changes linked accounts has signed in lately, with all factors, also when the way to
// the provider ends. A session that has ended meanwhile links nothing.
func TestLinkedStepUp(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	e := s.elsewhere()
	b, ended := s.browser(), s.browser()
	b.signUpConfirmed("ada@example.com")
	before := b.cookies["__Host-portico"]
	ended.signIn("ada@example.com", secretText)
	s.shows(b.follow(e.link(b, "github", foreign)), 200, "<strong>GitHub</strong>")
	if b.cookies["__Host-portico"] == before {
		t.Error("the session has no new secret")
	}
	s.shows(ended.follow(ended.get("/account")), 200, "E-mail address")

	s.clock.Advance(9*time.Minute + 59*time.Second)
	late := e.sent(b.post("/account/linked/add", "provider", "google"))
	s.clock.Advance(time.Second)
	s.shows(b.follow(b.get("/sign-in/google/callback?"+e.answer(late, gmail).Encode())), 200, "Sign in again")
	s.shows(b.follow(b.post("/account/linked/add", "provider", "google")), 200, "Sign in again")
	s.shows(b.follow(b.post("/account/linked/remove", "account", linkedForm.FindStringSubmatch(b.get("/account/linked").text)[1])), 200, "Sign in again")
	if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM user_identity`); n != 1 {
		t.Errorf("%d linked accounts", n)
	}
}

// A password that is stolen links nothing: the mailed code is missing, also when the way to
// the provider ends.
func TestStolenPasswordLinksNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	e := s.elsewhere()
	s.browser().signUp("ada@example.com")
	thief := s.browser()
	thief.signIn("ada@example.com", secretText)
	s.shows(thief.follow(thief.post("/account/linked/add", "provider", "github")), 200, "Confirm that the mailbox is yours")
	to, token, err := s.desk.Visit(t.Context(), "github", s.user("ada@example.com"), account.Visitor{Host: strings.TrimPrefix(s.desk.Public, "http://")})
	testkit.Must(t, err)
	asked, err := url.Parse(to)
	testkit.Must(t, err)
	thief.cookies["__Host-portico-flow"] = token.Text()
	s.shows(thief.follow(thief.get("/sign-in/github/callback?"+e.answer(asked.Query(), foreign).Encode())), 200, "Confirm that the mailbox is yours")
	if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM user_identity`); n != 0 {
		t.Errorf("%d linked accounts", n)
	}
}
