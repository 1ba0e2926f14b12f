package signin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"portico/shared/captcha"
	"portico/shared/dynamo"
	"portico/shared/testkit"
)

// guess tries wrong passwords, each in an attempt of its own, and returns the last answer.
func (b *browser) guess(email string, times int) (p page) {
	b.stage.t.Helper()
	for range times {
		p = b.signIn(email, "wrong password")
	}
	return p
}

// After ten failures, in whatever attempts, the next try of an account waits, twice as long
// each time; no hash is made meanwhile, also for the right password. It is the same for an
// address of nobody.
func TestGuessing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.browser().signUp("ada@example.com")
	for _, email := range []string{"ada@example.com", "eve@example.com"} {
		s.shows(s.browser().guess(email, 10), 422, "The address or the password is wrong.")
		for _, want := range []int{30, 60, 120} {
			before := s.desk.Passwords.Made()
			p := s.browser().signIn(email, secretText)
			s.shows(p, http.StatusTooManyRequests, "Too many tries have failed")
			if got, _ := strconv.Atoi(p.header.Get("Retry-After")); (got+15)/30*30 != want { // the clock goes on meanwhile
				t.Errorf("%s waits %d s, want %d", email, got, want)
			}
			if made := s.desk.Passwords.Made() - before; made != 0 {
				t.Errorf("%d hashes were made", made)
			}
			s.clock.Advance(time.Duration(want) * time.Second)
			s.shows(s.browser().guess(email, 1), 422, "wrong")
		}
	}
	s.clock.Advance(15 * time.Minute)
	b := s.browser()
	s.shows(b.follow(b.signIn("ada@example.com", secretText)), 200, "Your account")
	s.shows(s.browser().guess("ada@example.com", 9), 422, "wrong")
	if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM user_event WHERE action = 'session.refuse' AND method = 'password'`); n != 22 {
		t.Errorf("the history has %d refusals, want 22", n)
	}
}

// A password of a known and of an unknown address costs one search for the person, so its
// time tells nobody which it is.
func TestOneSearchForEachPassword(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.browser().signUp("ada@example.com")
	s.db.Exec(t, `CREATE SEQUENCE searches`)
	s.db.Exec(t, `ALTER FUNCTION find_credentials RENAME TO found_credentials`)
	s.db.Exec(t, `CREATE FUNCTION find_credentials(address text)
		RETURNS TABLE (user_id uuid, email text, email_verified_at timestamptz, suspended_at timestamptz, credential_version bigint, phc text, pepper_version integer)
		LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$ SELECT nextval('searches'); SELECT * FROM found_credentials(address) $$`)
	s.db.Exec(t, `GRANT EXECUTE ON FUNCTION find_credentials TO portico_identity`)
	for i, email := range []string{"ada@example.com", "eve@example.com"} {
		s.shows(s.browser().guess(email, 1), 422, "wrong")
		if n := testkit.Value[int](t, s.db, `SELECT last_value FROM searches`); n != i+1 {
			t.Errorf("%s: %d searches so far, want %d", email, n, i+1)
		}
	}
}

// One count is for all methods: the code of a mailed link, the password, and the password
// that a change asks for.
func TestOneCountForAllMethods(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	in := s.browser()
	in.signUp("ada@example.com")
	delete(in.cookies, "__Host-portico-device")
	b := s.browser()
	b.post("/sign-in", "email", "ada@example.com")
	b.post("/sign-in/ask-link")
	for range 4 {
		s.shows(b.post("/sign-in/code", "mailed_code", "AAAA-AAAA"), 422, "aria-invalid")
	}
	s.shows(s.browser().guess("ada@example.com", 4), 422, "wrong")
	for range 2 {
		s.shows(in.post("/account/password", "current", "wrong password", "password", "depart slowly"), 422, "not your present password")
	}
	s.shows(b.post("/sign-in/code", "mailed_code", "AAAA-AAAA"), http.StatusTooManyRequests, "Too many tries have failed")
	s.shows(s.browser().signIn("ada@example.com", secretText), http.StatusTooManyRequests, "Too many tries have failed")
	s.shows(in.post("/account/password", "current", secretText, "password", "depart slowly"), http.StatusTooManyRequests, "Too many tries have failed")
	s.shows(in.get("/account"), 200, "Your account") // nobody is signed out by a stranger
}

// A device with which the person has signed in has a count of its own, for 90 days: a
// stranger locks nobody out of it, and it gives a stranger no more tries.
func TestKnownDevice(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	own, other := s.browser(), s.browser()
	own.signUp("ada@example.com")
	other.signUp("bob@example.com") // knows a device, but not this person's
	s.shows(s.browser().guess("ada@example.com", 10), 422, "wrong")
	s.shows(other.signIn("ada@example.com", secretText), http.StatusTooManyRequests, "Too many tries")
	own.post("/sign-out")
	s.shows(own.follow(own.signIn("ada@example.com", secretText)), 200, "Your account")
	s.shows(s.browser().signIn("ada@example.com", secretText), http.StatusTooManyRequests, "Too many tries")
	own.post("/sign-out")
	s.shows(own.guess("ada@example.com", 10), 422, "wrong")
	s.shows(own.signIn("ada@example.com", secretText), http.StatusTooManyRequests, "Too many tries")
	for _, forged := range []string{"x", "", strings.Repeat("A", 300), own.cookies["__Host-portico-device"] + "A"} {
		b := s.browser()
		b.cookies["__Host-portico-device"] = forged
		s.shows(b.signIn("ada@example.com", secretText), http.StatusTooManyRequests, "Too many tries")
	}
	s.clock.Advance(90 * 24 * time.Hour)
	s.shows(s.browser().guess("ada@example.com", 10), 422, "wrong")
	s.shows(own.signIn("ada@example.com", secretText), http.StatusTooManyRequests, "Too many tries")
}

// A sign-in with a device that is not known is mailed, each one; from a known one, or a
// refused one, it is not.
func TestNewDevice(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	own := s.browser()
	own.signUp("ada@example.com")
	news := func() (n int) {
		for _, m := range s.mails() {
			if m.template == "new_device" && m.to == "ada@example.com" && m.locale == "en" && m.link == s.desk.Public+"/account" {
				n++
			}
		}
		return n
	}
	own.signIn("ada@example.com", secretText)
	s.browser().guess("ada@example.com", 1)
	if news() != 0 {
		t.Errorf("%d mails for a known device and a wrong password", news())
	}
	one, two := s.browser(), s.browser()
	for i, b := range []*browser{one, two, one, two} {
		s.shows(b.follow(b.signIn("ada@example.com", secretText)), 200, "Your account")
		if want := min(i+1, 2); news() != want {
			t.Errorf("%d mails, want %d", news(), want)
		}
	}
	for i := range 5 { // others on the same device
		one.signUp(fmt.Sprintf("bob%d@example.com", i))
	}
	s.shows(one.follow(one.signIn("ada@example.com", secretText)), 200, "Your account")
	if news() != 3 {
		t.Errorf("%d mails, want 3: the device has forgotten who signed in long ago", news())
	}
}

// With a vendor five failures demand a CAPTCHA, for known and unknown addresses alike.
// Without a solution no hash is made and nothing counted.
func TestGuessingDemandsCaptcha(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if r.PostForm.Get("response") == "wrong" {
			_, _ = w.Write([]byte(`{"success": false, "error-codes": ["invalid-input-response"]}`))
			return
		}
		_, _ = w.Write([]byte(`{"success": true}`))
	}))
	t.Cleanup(vendor.Close)
	client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	s.frame.Gate.Verifier = captcha.NewVerifier(captcha.Config{Vendor: captcha.HCaptcha, Endpoint: vendor.URL, SiteKey: "site", Secret: "s"}, dynamo.NewTable(client, table, "id"), s.clock)
	s.browser().signUp("ada@example.com")
	for _, email := range []string{"ada@example.com", "eve@example.com"} {
		b := s.browser()
		s.shows(b.guess(email, 5), 422, "wrong")
		before := s.desk.Passwords.Made()
		for _, field := range [][]string{nil, {"h-captcha-response", ""}, {"h-captcha-response", "wrong"}} {
			for range 6 {
				p := b.post("/sign-in/password", append(field, "password", secretText)...)
				s.shows(p, 422, `class="h-captcha"`)
			}
			s.shows(b.follow(b.post("/sign-in", "email", email)), 200, "Enter your password")
		}
		if made := s.desk.Passwords.Made() - before; made != 0 {
			t.Errorf("%s: %d hashes without a CAPTCHA", email, made)
		}
		for i := range 5 {
			s.shows(b.post("/sign-in/password", "password", "wrong password", "h-captcha-response", fmt.Sprint(email, i)), 422, "The address or the password is wrong.")
		}
		s.shows(b.post("/sign-in/password", "password", secretText, "h-captcha-response", email+"-last"), http.StatusTooManyRequests, "Too many tries")
	}
	s.clock.Advance(30 * time.Second)
	b := s.browser()
	b.post("/sign-in", "email", "ada@example.com")
	s.shows(b.follow(b.post("/sign-in/password", "password", secretText, "h-captcha-response", "right")), 200, "Your account")
}
