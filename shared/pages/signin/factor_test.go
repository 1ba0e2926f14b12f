package signin_test

import (
	"encoding/base32"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/shared/account"
	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/session"
	"portico/shared/signin"
	"portico/shared/testkit"
	"portico/shared/totp"
)

const ada = "ada@example.com"

var (
	keyField  = regexp.MustCompile(`name="key" value="([^"]+)"`)
	keyText   = regexp.MustCompile(`<code>([A-Z2-7]{32})</code>`)
	codeTexts = regexp.MustCompile(`<code>([0-9A-Z-]{29})</code>`)
)

// find returns the first group of a pattern in a page.
func (s *stage) find(p page, form *regexp.Regexp) string {
	s.t.Helper()
	found := form.FindStringSubmatch(p.text)
	if found == nil {
		s.t.Fatalf("%d: there is no %s in\n%s", p.status, form, main(p.text))
	}
	return found[1]
}

// app is an authenticator app.
type app struct {
	stage *stage
	key   totp.Key
}

// code is what the app shows.
func (a app) code() string { return a.key.Code(totp.StepAt(a.stage.clock.Now())) }

// next waits for the next code.
func (a app) next() string {
	a.stage.clock.Advance(30 * time.Second)
	return a.code()
}

// confirm shows that the mailbox is the person's, from the page that demands it, and
// returns where that leads.
func (b *browser) confirm(p page) page {
	b.stage.t.Helper()
	path, _, _ := strings.Cut(p.location, "?")
	b.stage.shows(b.follow(p), 200, "Confirm that the mailbox is yours")
	b.stage.shows(b.follow(b.post(path, "send", "yes", "to", "/account/totp")), 200, "We have sent you a mail")
	mail := b.stage.mail()
	if mail.template != "confirm_factor" || mail.to != ada {
		b.stage.t.Errorf("the mail: %+v", mail)
	}
	b.stage.shows(b.post(path, "mailed_code", "00000000", "to", "/account/totp"), 422, `aria-describedby="mailed_code-fault"`)
	return b.post(path, "mailed_code", strings.ToLower(mail.code[:4])+"-"+mail.code[4:], "to", "/account/totp")
}

// scan sets up an app with the key that a page shows, and returns where that leads.
func (b *browser) scan(p page, path string) (app, page) {
	b.stage.t.Helper()
	b.stage.shows(p, 200, "<svg")
	raw, err := base32.StdEncoding.DecodeString(b.stage.find(p, keyText))
	testkit.Must(b.stage.t, err)
	a := app{b.stage, totp.Key(raw)}
	kept := b.stage.find(p, keyField)
	again := b.post(path, "key", kept, "app_code", "000000")
	b.stage.shows(again, 422, `aria-describedby="app_code-fault"`)
	b.stage.shows(again, 422, b.stage.find(p, keyText)) // the same key
	return a, b.post(path, "key", kept, "app_code", a.code())
}

// withApp signs a person up who has an app. The browser stays signed in.
func (s *stage) withApp() (*browser, app) {
	s.t.Helper()
	b := s.browser()
	b.signUp(ada)
	a, done := b.scan(b.follow(b.confirm(b.get("/account/totp"))), "/account/totp")
	s.shows(b.follow(done), 200, "Recovery codes")
	return b, a
}

// makeCodes makes recovery codes.
func (b *browser) makeCodes() (list []string) {
	b.stage.t.Helper()
	p := b.post("/account/recovery-codes")
	for _, found := range codeTexts.FindAllStringSubmatch(p.text, -1) {
		list = append(list, found[1])
	}
	if p.status != 200 || len(list) != 10 {
		b.stage.t.Fatalf("%d: %d codes\n%s", p.status, len(list), main(p.text))
	}
	return list
}

// changes lists the mails about changes of factors.
func (s *stage) changes() (list []string) {
	for _, m := range s.mails() {
		if m.template == "factor_changed" {
			list = append(list, m.change)
		}
	}
	return list
}

// actions lists the history of the only person, without sessions.
func (s *stage) actions() string {
	s.t.Helper()
	return testkit.Value[string](s.t, s.db, `SELECT coalesce(string_agg(action || ' ' || method, ', ' ORDER BY id), '') FROM user_event WHERE action NOT LIKE 'session.%' AND action NOT LIKE 'user.%'`)
}

func (s *stage) demandMFA() {
	s.db.Exec(s.t, `UPDATE organization SET settings = '{"require_mfa": true}'`)
}

// Somebody sets up an app, which ends other sessions, signs in with its code, and with a
// recovery code when the app is lost.
func TestSignInWithApp(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b, a := s.withApp()
	codes := b.makeCodes()
	other := s.browser()
	second := other.signIn(ada, secretText)
	s.shows(other.follow(second), 200, "Enter your code")
	s.shows(other.post("/sign-in/second", "code", a.code()), 422, "wrong or was used before") // M1
	s.shows(other.post("/sign-in/second", "code", ""), 422, `aria-describedby="code-fault"`)
	s.shows(other.follow(other.post("/sign-in/second", "code", a.next())), 200, "Your account")
	lost := s.browser()
	s.shows(lost.follow(lost.signIn(ada, secretText)), 200, "one of your recovery codes")
	s.shows(lost.follow(lost.post("/sign-in/second", "code", strings.ToLower(codes[3]))), 200, "(9)")
	if got := s.changes(); got[len(got)-1] != "code_used" {
		t.Errorf("the mails: %v", got)
	}
	again := s.browser()
	again.signIn(ada, secretText)
	s.shows(again.post("/sign-in/second", "code", codes[3]), 422, "wrong or was used before") // M5
	fresh := lost.makeCodes()
	for code, status := range map[string]int{codes[4]: 422, fresh[4]: 303} {
		old := s.browser()
		old.signIn(ada, secretText)
		if p := old.post("/sign-in/second", "code", code); p.status != status {
			t.Errorf("a code of the list %v: %d", slices.Contains(fresh, code), p.status)
		}
	}
	if got := fmt.Sprint(s.changes()); got != "[totp_added codes_made code_used codes_made code_used]" {
		t.Errorf("the mails: %s", got)
	}
	if got := s.actions(); got != "factor.enrol totp, factor.enrol recovery_code, factor.use recovery_code, factor.enrol recovery_code, factor.use recovery_code" {
		t.Errorf("the history: %s", got)
	}
}

// A new factor ends all other sessions, and gives this one a new secret.
func TestEnrolmentEndsOtherSessions(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b, other := s.browser(), s.browser()
	b.signUp(ada)
	s.shows(other.follow(other.signIn(ada, secretText)), 200, "Your account")
	p := b.follow(b.confirm(b.get("/account/totp")))
	before := b.cookies["__Host-portico"]
	_, done := b.scan(p, "/account/totp")
	s.shows(b.follow(done), 200, "Recovery codes")
	s.shows(other.follow(other.get("/account")), 200, "E-mail address")
	thief := s.browser()
	thief.cookies["__Host-portico"] = before
	s.shows(thief.follow(thief.get("/account")), 200, "E-mail address")
}

// Of 50 uses of one code at once, each in an attempt of its own, one signs in (M1, M5).
func TestOneOfManyUsesOfACode(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b, a := s.withApp()
	codes := b.makeCodes()
	login, err := identity.Find(t.Context(), s.db.Identity, ada)
	testkit.Must(t, err)
	for name, code := range map[string]string{"TOTP": a.next(), "recovery code": codes[0]} {
		var entered, wrong atomic.Int32
		var group sync.WaitGroup
		for range 50 {
			one := s.browser()
			one.cookies["__Host-portico-flow"] = s.second(login).Text()
			known, err := s.desk.Remember(login.User, account.Visitor{}) // so each has a count of failures of its own
			testkit.Must(t, err)
			one.cookies["__Host-portico-device"] = known
			group.Go(func() {
				switch p := one.post("/sign-in/second", "code", code); {
				case p.status == http.StatusSeeOther && p.location == "/account":
					entered.Add(1)
				case p.status == http.StatusUnprocessableEntity:
					wrong.Add(1)
				default:
					t.Errorf("%s: %d %s", name, p.status, p.location)
				}
			})
		}
		group.Wait()
		if entered.Load() != 1 || wrong.Load() != 49 {
			t.Errorf("%s: %d entered, %d were wrong", name, entered.Load(), wrong.Load())
		}
	}
}

// second begins an attempt in which the password was proved.
func (s *stage) second(login identity.Login) secret.Token {
	s.t.Helper()
	f, token, err := s.desk.Attempts.Begin(s.t.Context(), signin.Flow{Host: s.host, Email: ada})
	testkit.Must(s.t, err)
	f, err = s.desk.Attempts.Prove(s.t.Context(), f, signin.Proof{User: login.User, Version: login.CredentialVersion, Method: signin.Password})
	testkit.Must(s.t, err)
	_, err = s.desk.Attempts.Demand(s.t.Context(), f, signin.Second)
	testkit.Must(s.t, err)
	return token
}

// Ten wrong codes end an attempt; a right one then does not sign in.
func TestWrongCodesEndTheAttempt(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	_, a := s.withApp()
	b := s.browser()
	b.signIn(ada, secretText)
	for range 9 {
		s.shows(b.post("/sign-in/second", "code", "000000"), 422, "wrong or was used before")
	}
	last := s.browser()
	last.cookies["__Host-portico-flow"] = b.cookies["__Host-portico-flow"]
	s.shows(b.follow(b.post("/sign-in/second", "code", "000000")), 200, "E-mail address")
	s.shows(last.follow(last.post("/sign-in/second", "code", a.next())), 200, "E-mail address")
	s.shows(b.follow(b.get("/account")), 200, "E-mail address")
}

// A stranger who tries passwords keeps nobody from the second factor, which has a count of
// its own; entering forgives both. Wrong codes stand in the history.
func TestSecondFactorHasItsOwnCount(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	_, a := s.withApp()
	login, err := identity.Find(t.Context(), s.db.Identity, ada)
	testkit.Must(t, err)
	half := func() *browser {
		b := s.browser()
		b.cookies["__Host-portico-flow"] = s.second(login).Text()
		return b
	}
	s.shows(s.browser().guess(ada, 10), 422, "wrong")
	b := half()
	s.shows(b.follow(b.post("/sign-in/second", "code", a.next())), 200, "Your account")
	s.shows(s.browser().guess(ada, 9), 422, "wrong")
	for range 10 {
		s.shows(half().post("/sign-in/second", "code", "000000"), 422, "wrong or was used before")
	}
	s.shows(half().post("/sign-in/second", "code", "000000"), 429, "Too many tries have failed")
	if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM user_event WHERE action = 'session.refuse' AND method = 'totp'`); n != 10 {
		t.Errorf("the history has %d wrong codes, want 10", n)
	}
}

// The mailed code is counted for the account also in a session, and stands in the history.
func TestMailedCodeIsCountedInASession(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	b.signUp(ada)
	for range 10 {
		s.shows(b.post("/account/confirm", "mailed_code", "AAAAAAAA"), 422, "mailed_code-fault")
	}
	s.shows(b.post("/account/confirm", "mailed_code", "AAAAAAAA"), 429, "Too many tries have failed")
	if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM user_event WHERE action = 'session.refuse' AND method = 'link'`); n != 10 {
		t.Errorf("the history has %d wrong codes, want 10", n)
	}
}

// open are the pages for everybody.
var open = []string{"/sign-in", "/sign-out", "/sign-up", "/sign-up/sent", "/sign-up/confirm", "/reset", "/reset/sent", "/reset/confirm", "/reset/done", "/reset/address", "/sign-in/link", "/sign-in/hand-off", "/sign-in/take-over"}

// M4: who has shown the first of two factors sees the pages of the attempt and those for
// everybody, and no other, and no page gives them a session.
func TestHalfSignedIn(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.withApp()
	for state, allowed := range map[string][]string{
		"second": {"/sign-in/second", "/sign-in/passkey", "/sign-in/code"},
		"enrol":  {"/sign-in/confirm", "/sign-in/code"},
	} {
		if state == "enrol" {
			s.db.Exec(t, `DELETE FROM user_totp`)
			s.demandMFA()
		} else {
			s.db.Exec(t, `UPDATE organization SET settings = '{}'`)
		}
		half := s.browser()
		s.shows(half.signIn(ada, secretText), 303, "")
		flow := half.cookies["__Host-portico-flow"]
		s.shows(half.get(allowed[0]), 200, "") // the step that is left
		if half.cookies["__Host-portico"] != "" {
			t.Errorf("%s: there is a session after one factor", state)
		}
		seen := 0
		for _, p := range s.site.Pages() {
			for _, method := range p.Methods() {
				b := s.browser()
				b.cookies = map[string]string{"__Host-portico-flow": flow, "__Host-portico": flow}
				got := b.send(method, p.Path, nil)
				shown := got.status == http.StatusOK || got.status == http.StatusUnprocessableEntity
				if shown {
					seen++
				}
				if shown && !slices.Contains(allowed, p.Path) && !slices.Contains(open, p.Path) {
					t.Errorf("%s: %s %s is shown: %d", state, method, p.Path, got.status)
				}
				if strings.HasPrefix(got.location, "/account") || got.status >= http.StatusInternalServerError {
					t.Errorf("%s: %s %s: %d %s", state, method, p.Path, got.status, got.location)
				}
				if c := b.cookies["__Host-portico"]; c != "" && c != flow {
					t.Errorf("%s: %s %s gives a session", state, method, p.Path)
				}
			}
		}
		if seen < 10 {
			t.Errorf("%s: only %d pages are shown", state, seen)
		}
	}
}

// M3, E5: the same class of factors twice is not two. Neither the password again, nor a
// mailed link, nor a new password replaces the second factor.
func TestSameClassTwice(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	_, a := s.withApp()
	b := s.browser()
	b.signIn(ada, secretText)
	s.shows(b.follow(b.get("/sign-in/password")), 200, "Enter your code")
	s.shows(b.follow(b.post("/sign-in/password", "password", secretText)), 200, "Enter your code")
	s.shows(b.follow(b.post("/sign-in/ask-link")), 200, "mailbox")
	s.shows(b.follow(b.post(s.mail().link)), 200, "Enter your code")
	s.shows(b.follow(b.get("/account")), 200, "E-mail address")
	s.shows(b.follow(b.post("/sign-in/second", "code", a.next())), 200, "Your account")
	link := s.browser()
	s.clock.Advance(5 * time.Minute)
	link.post("/sign-in", "email", ada)
	link.post("/sign-in/ask-link")
	s.shows(link.follow(link.post(s.mail().link)), 200, "Enter your code")
	link.post("/reset", "email", ada)
	s.shows(link.follow(link.post(s.mail().link, "password", "depart slowly")), 200, "Your password is changed")
	s.shows(link.follow(link.signIn(ada, "depart slowly")), 200, "Enter your code")
}

// A password that is stolen sets up no factor, wherever it is tried: the mailed code is
// missing.
func TestStolenPasswordEnrolsNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.browser().signUp(ada)
	for _, base := range []string{"/account", "/sign-in"} {
		thief := s.browser()
		if base == "/sign-in" {
			s.demandMFA()
		}
		thief.signIn(ada, secretText)
		key, code := s.newKey()
		for _, path := range []string{base + "/totp", base + "/passkeys"} {
			for _, p := range []page{thief.get(path), thief.post(path, "key", key, "app_code", code, "passkey_name", "x", "response", "{}")} {
				if p.status != 303 || !strings.HasPrefix(p.location, base+"/confirm") {
					t.Errorf("%s: %d %s", path, p.status, p.location)
				}
			}
		}
		for range 3 {
			s.shows(thief.post(base+"/confirm", "mailed_code", "AAAAAAAA"), 422, "mailed_code-fault")
		}
	}
	if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM user_totp`); n != 0 {
		t.Errorf("%d keys were set up", n)
	}
}

// An organization that demands a second factor lets its members set one up on the way in.
func TestDemandedEnrolment(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.browser().signUp(ada)
	s.demandMFA()
	b := s.browser()
	choice := b.follow(b.confirm(b.follow(b.signIn(ada, secretText))))
	s.shows(choice, 200, "Your organization demands a second factor")
	s.shows(b.follow(b.get("/account")), 200, "E-mail address")
	_, done := b.scan(b.get("/sign-in/totp"), "/sign-in/totp")
	s.shows(b.follow(done), 200, "Recovery codes")
	if got := testkit.Value[string](t, s.db, `SELECT method FROM user_event WHERE action = 'session.start' ORDER BY id DESC LIMIT 1`); got != "link,password,totp" {
		t.Errorf("the session began with %s", got)
	}
	s.db.Exec(t, `DELETE FROM user_totp`)
	link := s.browser() // its first factor is the mailed confirmation
	link.post("/sign-in", "email", ada)
	link.post("/sign-in/ask-link")
	s.shows(link.follow(link.post(s.mail().link)), 200, "Your organization demands a second factor")
	_, done = link.scan(link.get("/sign-in/totp"), "/sign-in/totp")
	s.shows(link.follow(done), 200, "Recovery codes")
}

// M6, M7: who changes factors has signed in with all of them in the last ten minutes. A
// password alone, however recent, removes no second factor.
func TestStepUp(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b, a := s.withApp()
	s.clock.Advance(10 * time.Minute)
	s.shows(b.follow(b.post("/account/password", "current", secretText, "password", "depart slowly")), 200, "Your account")
	for _, path := range []string{"/account/totp/remove", "/account/recovery-codes", "/account/totp", "/account/passkeys", "/account/passkeys/remove", "/account/passkeys/rename"} {
		s.shows(b.follow(b.post(path)), 200, "Sign in again")
	}
	again := b.get("/account/recovery-codes")
	s.shows(b.follow(again), 200, `name="to" value="/account/recovery-codes"`)
	before := b.cookies["__Host-portico"]
	s.shows(b.follow(b.post("/sign-in/again", "to", "/account/recovery-codes")), 200, "Enter your password")
	s.shows(b.get("/account"), 200, ada)
	s.shows(b.follow(b.post("/sign-in/password", "password", "depart slowly")), 200, "Enter your code")
	s.shows(b.follow(b.post("/sign-in/second", "code", a.code())), 200, "Recovery codes")
	thief := s.browser()
	thief.cookies["__Host-portico"] = before
	s.shows(thief.follow(thief.get("/account")), 200, "E-mail address") // K2
	s.shows(b.follow(b.post("/account/totp/remove")), 200, "Set up an authenticator app")
	if got := s.changes(); got[len(got)-1] != "totp_removed" {
		t.Errorf("the mails: %v", got)
	}
	s.shows(b.follow(b.post("/sign-in/again", "to", "https://evil.example/account")), 200, "Enter your password")
	s.shows(b.follow(b.post("/sign-in/password", "password", "depart slowly")), 200, "Your account")
}

// A session with fewer factors than the person has changes none of them, also if it is new.
func TestWeakSessionChangesNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	b.signUp(ada)
	login, err := identity.Find(t.Context(), s.db.Identity, ada)
	testkit.Must(t, err)
	made := identity.Passkey{ID: id.New[id.Passkey](s.clock.Now()), CredentialID: []byte("x"), PublicKey: []byte("x"), Name: "x"}
	testkit.Must(t, s.db.Identity.AsUser(t.Context(), login.User, func(tx pg.Tx) error { // elsewhere
		return identity.AddPasskey(t.Context(), tx, login.User, made, audit.Origin{}, s.clock.Now())
	}))
	key, code := s.newKey()
	for path, fields := range map[string][]string{
		"/account/recovery-codes": nil, "/account/totp": {"key", key, "app_code", code}, "/account/passkeys/remove": {"passkey", made.ID.String()},
	} {
		if p := b.post(path, fields...); p.status != 303 || !strings.HasPrefix(p.location, "/sign-in/again?") {
			t.Errorf("%s: %d %s", path, p.status, p.location)
		}
	}
	if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM user_passkey`); n != 1 || s.actions() != "passkey.enrol " {
		t.Errorf("%d passkeys are left; the history: %s", n, s.actions())
	}
}

// newKey returns a key for an app as a page keeps it, with its code, which only the person
// is shown.
func (s *stage) newKey() (kept, code string) {
	s.t.Helper()
	login, err := identity.Find(s.t.Context(), s.db.Identity, ada)
	testkit.Must(s.t, err)
	made, err := s.desk.NewAppKey(s.t.Context(), account.Standing{Session: session.Session{User: login.User}}, "")
	testkit.Must(s.t, err)
	raw, err := base32.StdEncoding.DecodeString(made.Text)
	testkit.Must(s.t, err)
	return made.Sealed, app{s, totp.Key(raw)}.code()
}
