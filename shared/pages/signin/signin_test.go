package signin_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/testkit"
)

// Somebody signs up, reads the mail, completes the account, signs out and in again, sees
// both browsers in the list, ends the other session and signs out.
func TestWholeWay(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	one, two := s.browser(), s.browser()
	s.shows(one.get("/sign-in"), 200, "Sign in")
	s.shows(one.follow(one.get("/account")), 200, "Sign in")
	one.signUp("ada@example.com")
	if owners := testkit.Value[string](t, s.db, `SELECT o.name || ' ' || m.predefined || ' ' || u.email FROM member m JOIN organization o ON o.id = m.org_id JOIN user_account u ON u.id = m.user_id`); owners != "Acme owner ada@example.com" {
		t.Errorf("the organization: %s", owners)
	}
	s.shows(one.follow(one.post("/sign-out")), 200, "Sign in")
	if one.cookies["__Host-portico"] != "" {
		t.Error("the cookie is left")
	}
	s.shows(one.follow(one.signIn("Ada@Example.com", secretText)), 200, "Your account")
	s.shows(one.follow(one.get("/sign-in")), 200, "Your account")
	two.headers["User-Agent"] = "Windows Chrome/142.0"
	s.shows(two.follow(two.signIn("ada@example.com", secretText)), 200, "Chrome, Windows")
	account := one.get("/account")
	s.shows(account, 200, "Chrome, Windows")
	other := sessionForm.FindAllStringSubmatch(account.text, -1)
	if len(other) != 1 {
		t.Fatalf("%d other sessions:\n%s", len(other), main(account.text))
	}
	after := one.follow(one.post("/account/revoke-session", "session", other[0][1]))
	if s.shows(after, 200, "Your account"); strings.Contains(after.text, "Chrome, Windows") {
		t.Error("the other session is left")
	}
	s.shows(two.follow(two.get("/account")), 200, "E-mail address")
	s.shows(one.follow(one.post("/account/revoke-sessions")), 200, "E-mail address")
	s.shows(one.follow(one.get("/account")), 200, "E-mail address")
}

// K6: no page of the site acts on a form of another site, and no GET changes anything.
func TestNoPageActsForAnotherSite(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	b.signUp("ada@example.com")
	posts := 0
	for _, p := range s.site.Pages() {
		if p.Act == nil {
			continue
		}
		posts++
		for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
			b.headers = map[string]string{header[0]: header[1]}
			if got := b.post(p.Path, "email", "ada@example.com", "password", secretText); got.status != http.StatusForbidden {
				t.Errorf("%s with %v: %d", p.Path, header, got.status)
			}
		}
	}
	b.headers = nil
	for _, p := range s.site.Pages() {
		if got := b.get(p.Path); got.header.Get("Set-Cookie") != "" {
			t.Errorf("GET %s sets %s", p.Path, got.header.Get("Set-Cookie"))
		}
	}
	s.shows(b.get("/account"), 200, "ada@example.com")
	if posts < 8 {
		t.Errorf("only %d pages have forms", posts)
	}
}

// attempt is the cookie of an attempt, which is drawn.
var attempt = regexp.MustCompile(`__Host-portico-flow=[\w-]{43};`)

// P4: a known and an unknown address get the same pages and cost the same hashes, whatever
// is asked, and one mail each.
func TestUnknownAddresses(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.browser().signUp("ada@example.com")
	type outcome struct {
		pages         []string
		hashes, mails int64
	}
	do := func(email string) (all []outcome) {
		for _, way := range []func(b *browser) []page{
			func(b *browser) []page {
				return []page{b.post("/sign-in", "email", email), b.signIn(email, "wrong password")}
			},
			func(b *browser) []page { p := b.post("/sign-up", "email", email); return []page{p, b.follow(p)} },
			func(b *browser) []page {
				s.clock.Advance(5 * time.Minute) // the same mail comes once in that time
				p := b.post("/reset", "email", email)
				return []page{p, b.follow(p)}
			},
		} {
			hashes, mails := s.desk.Passwords.Made(), len(s.mails())
			o := outcome{}
			for _, p := range way(s.browser()) {
				p.header.Del("Date")
				o.pages = append(o.pages, attempt.ReplaceAllString(strings.ReplaceAll(fmt.Sprint(p.status, p.header, p.text), email, "it"), ""))
			}
			o.hashes, o.mails = s.desk.Passwords.Made()-hashes, int64(len(s.mails())-mails)
			all = append(all, o)
		}
		return all
	}
	known, unknown := do("ada@example.com"), do("eve@example.com")
	for i := range known {
		if fmt.Sprint(known[i]) != fmt.Sprint(unknown[i]) {
			t.Errorf("way %d differs:\n%v\n%v", i, known[i], unknown[i])
		}
	}
	if known[0].hashes != 1 || known[1].mails != 1 || known[2].mails != 1 {
		t.Errorf("%d hashes, %d and %d mails", known[0].hashes, known[1].mails, known[2].mails)
	}
	var sent []string
	for _, m := range s.mails()[1:] {
		sent = append(sent, m.template)
	}
	if got := fmt.Sprint(sent); got != "[sign_up_known_address reset_password verify_address verify_address]" {
		t.Errorf("the mails: %s", got)
	}
}

// A forgotten password is replaced by the mailed link, once, and all sessions end. Reading
// the link changes nothing.
func TestReset(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	old, b := s.browser(), s.browser()
	old.signUp("ada@example.com")
	s.shows(b.follow(b.post("/reset", "email", "ADA@example.com")), 200, "Look into your mailbox")
	link := s.mail().link
	for range 100 {
		b.get(link)
		b.send(http.MethodHead, link, nil)
	}
	s.shows(b.post(link, "password", "short"), 422, "at least 8 characters")
	s.shows(b.follow(b.post(link, "password", "depart slowly")), 200, "Your password is changed")
	if m := s.mail(); m.template != "password_changed" || m.to != "ada@example.com" {
		t.Errorf("the mail: %+v", m)
	}
	s.shows(b.get(link), 404, "This link does not work")
	s.shows(b.post(link, "password", "depart again"), 404, "Get a new link")
	s.shows(old.follow(old.get("/account")), 200, "E-mail address")
	s.shows(b.signIn("ada@example.com", secretText), 422, "wrong")
	s.shows(b.follow(b.signIn("ada@example.com", "depart slowly")), 200, "Your account")
}

// Each change of the password is mailed, however soon it follows; and after it a new link to
// reset is, because the one before does not work.
func TestChangesAreMailed(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	b.signUp("ada@example.com")
	for i, text := range []string{"depart slowly", "arrive slowly", "remain slowly"} {
		for range 2 {
			b.post("/reset", "email", "ada@example.com")
		}
		s.shows(b.follow(b.post(s.mail().link, "password", text)), 200, "Your password is changed")
		resets, changes := 0, 0
		for _, m := range s.mails() {
			switch m.template {
			case "reset_password":
				resets++
			case "password_changed":
				changes++
			}
		}
		if resets != i+1 || changes != i+1 {
			t.Errorf("%d links and %d mails of changes, want %d each", resets, changes, i+1)
		}
	}
}

// E2: a link works for a bounded time and once, also if it is used twice at the same time.
func TestLinks(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	b.post("/sign-up", "email", "ada@example.com")
	link := s.mail().link
	var entered atomic.Int32
	var group sync.WaitGroup
	for range 5 {
		group.Go(func() {
			if p := s.browser().post(link, "name", "Ada", "organization", "Acme", "password", secretText); p.status == 303 {
				entered.Add(1)
			} else if p.status != 404 {
				t.Errorf("%d\n%s", p.status, s.log)
			}
		})
	}
	group.Wait()
	if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM member`); entered.Load() != 1 || n != 1 {
		t.Errorf("%d entered, %d are members", entered.Load(), n)
	}
	s.shows(b.get(link), 404, "This link does not work")
	b.post("/sign-up", "email", "bob@example.com")
	stale := s.mail().link
	b.post("/reset", "email", "ada@example.com")
	reset := s.mail().link
	for _, broken := range []string{"/sign-up/confirm", "/sign-up/confirm?token=", "/sign-up/confirm?token=%00", strings.Replace(reset, "/reset/", "/sign-up/", 1), stale[:len(stale)-2] + "AA", "/reset/confirm?token=x"} {
		s.shows(b.get(broken), 404, "This link does not work")
		s.shows(b.post(broken, "name", "Ada", "organization", "Acme", "password", secretText), 404, "Get a new link")
	}
	s.clock.Advance(10 * time.Minute)
	s.shows(b.get(reset), 404, "This link does not work")
	s.shows(b.get(stale), 200, "bob@example.com")
	s.clock.Advance(50 * time.Minute)
	s.shows(b.post(stale, "name", "Bob", "organization", "Bobs", "password", secretText), 404, "Get a new link")
}

// E4: links lead to the configured host, whatever a request names.
func TestLinksHaveOurHost(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Server", "X-Original-Host", "Forwarded"} {
		b.headers = map[string]string{name: "evil.example"}
		s.clock.Advance(5 * time.Minute)
		b.post("/sign-up", "email", "ada@example.com")
		if link := s.mail().link; !strings.HasPrefix(link, s.desk.Public+"/sign-up/confirm?token=") {
			t.Errorf("%s: %s", name, link)
		}
	}
}

// P7: a change needs the present password, ends the other sessions, gives this one a new
// secret, and is mailed.
func TestChangePassword(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b, other := s.browser(), s.browser()
	b.signUp("ada@example.com")
	s.shows(other.follow(other.signIn("ada@example.com", secretText)), 200, "Your account")
	s.shows(b.post("/account/password", "current", "wrong password", "password", "depart slowly"), 422, "not your present password")
	s.shows(b.post("/account/password", "current", secretText, "password", "password1"), 422, "Many people use")
	s.shows(b.post("/account/password", "current", secretText, "password", "ada@example.com"), 422, "besides parts of your address")
	before := b.cookies["__Host-portico"]
	s.shows(b.follow(b.post("/account/password", "current", secretText, "password", "depart slowly")), 200, "Your account")
	if b.cookies["__Host-portico"] == before || s.mail().template != "password_changed" {
		t.Errorf("the session has its old secret, or the mail is %+v", s.mail())
	}
	s.shows(other.follow(other.get("/account")), 200, "E-mail address")
	thief := s.browser()
	thief.cookies["__Host-portico"] = before
	s.shows(thief.follow(thief.get("/account")), 200, "E-mail address")
	s.shows(b.get("/account"), 200, "Your account")
}

// Bad input comes back with the same page, the field marked and the rest kept; a password
// never comes back.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	for _, path := range []string{"/sign-in", "/sign-up", "/reset"} {
		for _, email := range []string{"", "ada", "ada@", "ada lovelace@example.com", "Ada <ada@example.com>", "ada@example.com\r\nBcc: eve@example.com", "ada@exa\u202emple.com", strings.Repeat("a", 300) + "@example.com", "\xff@example.com"} {
			if p := b.post(path, "email", email); p.status != 422 || !strings.Contains(p.text, `aria-invalid="true" aria-describedby="email-fault"`) {
				t.Errorf("%s with %.40q: %d", path, email, p.status)
			}
		}
	}
	if len(s.mails()) > 0 {
		t.Errorf("%d mails were sent", len(s.mails()))
	}
	b.post("/sign-up", "email", "ada@example.com")
	link := s.mail().link
	for field, wrong := range map[string]string{"name": "", "organization": "A\u202ecme", "password": "password"} {
		form := map[string]string{"name": "Ada L.", "organization": "Acme Ltd.", "password": secretText}
		form[field] = wrong
		p := b.post(link, "name", form["name"], "organization", form["organization"], "password", form["password"])
		if p.status != 422 || !strings.Contains(p.text, `aria-describedby="`+field+`-fault"`) || strings.Count(p.text, `aria-invalid="true"`) != 1 ||
			field != "name" && !strings.Contains(p.text, `value="Ada L."`) || strings.Contains(p.text, secretText) {
			t.Errorf("a wrong %s: %d\n%s", field, p.status, main(p.text))
		}
	}
	s.shows(b.post(link, "name", strings.Repeat("a", 201), "organization", "Acme", "password", secretText), 422, "at most 200 characters")
	s.shows(b.post(link, "name", "Ada", "password", secretText), 422, `aria-describedby="organization-fault"`)
	if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM user_login`); n != 0 {
		t.Errorf("%d people were made", n)
	}
}

// Where sign-up is closed, only those whom an organization has added can complete it, and
// they get no organization of their own. The page answers others alike.
func TestInvitedOnly(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.desk.Open = false
	s.shows(s.browser().get("/sign-up"), 200, "if an organization has added or invited you")
	now := s.clock.Now()
	user := id.New[id.User](now)
	s.db.AddUser(t, user, "bob@example.com")
	s.db.Insert(t, "member", testkit.Row{"org_id": s.db.NewOrg(t), "id": id.New[id.Member](now), "user_id": user, "name": "Bob", "predefined": "viewer", "created_at": now, "updated_at": now})
	stranger, bob := s.browser(), s.browser()
	refused, sent := stranger.post("/sign-up", "email", "eve@example.com"), bob.post("/sign-up", "email", "bob@example.com")
	if refused.status != sent.status || refused.location != sent.location || len(s.mails()) != 2 {
		t.Errorf("%+v, %+v; the mails %+v", refused, sent, s.mails())
	}
	eves := s.mails()[0].link
	s.shows(stranger.get(eves), 403, "No organization has invited you yet")
	s.shows(stranger.post(eves, "name", "Eve", "organization", "Eves", "password", secretText), 403, "No organization has invited you yet")
	link := s.mail().link
	p := bob.get(link)
	if s.shows(p, 200, "so none is made for you"); strings.Contains(p.text, `name="organization"`) {
		t.Errorf("it asks for an organization:\n%s", main(p.text))
	}
	s.shows(bob.follow(bob.post(link, "name", "Bob", "organization", "Mine", "password", secretText)), 200, "has added you")
	if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM organization WHERE name = 'Mine'`); n != 0 {
		t.Error("an organization was made")
	}
	if name := testkit.Value[string](t, s.db, `SELECT name FROM user_account WHERE email = 'bob@example.com'`); name != "Bob" {
		t.Errorf("the name is %q", name)
	}
}

// oldHash is of secretText with weaker parameters, made by Python's argon2-cffi.
const oldHash = "$argon2id$v=19$m=8192,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$rSKjQqKZExjl6iVp6sITUYT7a8zAs/jox8sY9gevpG8"

// An older hash is replaced when its person signs in.
func TestRehash(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.browser().signUp("ada@example.com")
	fresh := testkit.Value[string](t, s.db, `SELECT phc FROM user_password`)
	s.db.Exec(t, `UPDATE user_password SET phc = '`+oldHash+`'`)
	b := s.browser()
	s.shows(b.follow(b.signIn("ada@example.com", secretText)), 200, "Your account")
	if now := testkit.Value[string](t, s.db, `SELECT phc FROM user_password`); now == oldHash || now == fresh || !strings.Contains(now, "t=2") {
		t.Errorf("the hash is %s", now)
	}
	s.shows(b.follow(s.browser().signIn("ada@example.com", secretText)), 200, "Your account")
}

// What people type and what is secret is in no log line.
func TestLogHasNoSecrets(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	b.signUp("ada@example.com")
	b.post("/reset", "email", "ada@example.com")
	b.post(s.mail().link, "password", "password")
	b.signIn("ada@example.com", "wrong password")
	_, token, _ := strings.Cut(s.mail().link, "token=")
	for _, planted := range []string{"ada@", secretText, "wrong password", b.cookies["__Host-portico"], token} {
		if strings.Contains(s.log.String(), planted) {
			t.Errorf("the log has %q", planted)
		}
	}
}

// An attempt fails ten times at most, also by many requests at once; then no hash is made,
// and the person begins again. Nobody signs in without an attempt, or with that of
// another browser.
func TestAttempts(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.browser().signUp("ada@example.com")
	for _, email := range []string{"ada@example.com", "eve@example.com"} {
		b := s.browser()
		b.post("/sign-in", "email", email)
		before := s.desk.Passwords.Made()
		var wrong atomic.Int32
		var group sync.WaitGroup
		for range 15 {
			one := s.browser()
			one.cookies["__Host-portico-flow"] = b.cookies["__Host-portico-flow"]
			group.Go(func() {
				if one.post("/sign-in/password", "password", "guess").status == http.StatusUnprocessableEntity {
					wrong.Add(1)
				}
			})
		}
		group.Wait()
		if made := s.desk.Passwords.Made() - before; made != 10 || wrong.Load() > 10 {
			t.Errorf("%s: %d hashes, %d were told wrong", email, made, wrong.Load())
		}
		s.shows(b.follow(b.post("/sign-in/password", "password", secretText)), 200, "E-mail address")
	}
	b := s.browser()
	s.shows(b.follow(b.get("/sign-in/password")), 200, "E-mail address")
	s.shows(b.follow(b.post("/sign-in/password", "password", secretText)), 200, "E-mail address")
	s.shows(b.follow(b.post("/sign-in", "email", "ada@example.com")), 200, "Enter your password")
	s.clock.Advance(10 * time.Minute)
	s.shows(b.follow(b.post("/sign-in/password", "password", secretText)), 200, "E-mail address")
}

// Who signs in again in a browser ends the session that it had.
func TestSignInAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	b.signUp("ada@example.com")
	before := b.cookies["__Host-portico"]
	s.shows(b.follow(b.signIn("ada@example.com", secretText)), 200, "Your account")
	thief := s.browser()
	thief.cookies["__Host-portico"] = before
	s.shows(thief.follow(thief.get("/account")), 200, "E-mail address")
}
