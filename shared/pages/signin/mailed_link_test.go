package signin_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/shared/signin"
	"portico/shared/testkit"
)

// askLink asks for a link in a browser, and returns it.
func (b *browser) askLink(email string) string {
	b.stage.t.Helper()
	b.stage.shows(b.follow(b.post("/sign-in", "email", email)), 200, "Send me a link instead")
	b.stage.shows(b.follow(b.post("/sign-in/ask-link")), 200, "Look into your mailbox")
	m := b.stage.mail()
	if m.to != email || m.template != "sign_in_link" || !strings.HasPrefix(m.link, b.stage.desk.Public+"/sign-in/link?token=") {
		b.stage.t.Fatalf("the mail %+v", m)
	}
	return m.link
}

var codeForm = regexp.MustCompile(`<strong>([0-9A-Z]{4}-[0-9A-Z]{4})</strong>`)

// E1, E2: reading the link changes nothing; the form behind it signs in once, within ten
// minutes, in the browser that has asked.
func TestMailedLink(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.browser().signUp("ada@example.com")
	b := s.browser()
	link := b.askLink("ada@example.com")
	for range 100 {
		b.get(link)
		b.send(http.MethodHead, link, nil)
	}
	s.shows(b.get(link), 200, "ada@example.com")
	var in atomic.Int32
	var group sync.WaitGroup
	for range 5 {
		one := s.browser()
		one.cookies["__Host-portico-flow"] = b.cookies["__Host-portico-flow"]
		group.Go(func() {
			if p := one.post(link); p.location == "/account" {
				in.Add(1)
				s.shows(one.follow(p), 200, "Your account")
			}
		})
	}
	group.Wait()
	if in.Load() != 1 {
		t.Errorf("%d requests signed in", in.Load())
	}
	s.shows(b.post(link), 404, "This link does not work")
	s.clock.Advance(5 * time.Minute)
	link = b.askLink("ada@example.com")
	s.clock.Advance(10 * time.Minute)
	s.shows(b.get(link), 404, "Get a new link")
	s.shows(b.post(link), 404, "Get a new link")
	s.shows(b.get("/sign-in/link?token=x"), 404, "Get a new link")
	if method := testkit.Value[string](t, s.db, `SELECT method FROM user_event WHERE action = 'session.start' ORDER BY id DESC LIMIT 1`); method != "link" {
		t.Errorf("the history names %q", method)
	}
}

// E3: in another browser the link signs nobody in. It shows a code, which the browser that
// has asked accepts, and no other one.
func TestMailedLinkElsewhere(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.browser().signUp("ada@example.com")
	asked, other := s.browser(), s.browser()
	link := asked.askLink("ada@example.com")
	other.post("/sign-in", "email", "ada@example.com") // it has an attempt of its own
	for _, p := range []page{other.get(link), other.post(link), s.browser().post(link)} {
		if s.shows(p, 200, "Type this code there"); p.header.Get("Set-Cookie") != "" {
			t.Error("it sets a cookie")
		}
	}
	code := codeForm.FindStringSubmatch(other.get(link).text)
	if code == nil {
		t.Fatal("there is no code")
	}
	s.shows(other.post("/sign-in/code", "mailed_code", code[1]), 422, "This is not the code")
	s.shows(asked.post("/sign-in/code", "mailed_code", "AAAA-AAAA"), 422, "This is not the code")
	s.shows(asked.follow(asked.post("/sign-in/code", "mailed_code", strings.ToLower(code[1]))), 200, "Your account")
	s.shows(other.get(link), 404, "This link does not work")
}

// A link is as good as a password, so a change of that makes it useless; and it is for
// signing in only.
func TestMailedLinkAfterAChange(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.browser().signUp("ada@example.com")
	b := s.browser()
	link := b.askLink("ada@example.com")
	b.post("/reset", "email", "ada@example.com")
	reset := s.mail().link
	s.shows(s.browser().follow(s.browser().post(reset, "password", "another fine sentence")), 200, "Your password is changed")
	s.shows(b.post(link), 404, "This link does not work")
	_, token, _ := strings.Cut(reset, "token=")
	s.shows(b.post("/sign-in/link?token="+token), 404, "This link does not work")
}

// The browser that has asked goes on with its attempt if the person begins again, so the
// mail that has come still works. Who else asks for the address keeps no mail back from the
// person, but gets the address only one.
func TestMailedLinkAskedAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.browser().signUp("ada@example.com")
	b := s.browser()
	for range 3 {
		eve := s.browser()
		eve.from = "127.0.0.2"
		eve.askLink("ada@example.com")
	}
	link := b.askLink("ada@example.com")
	b.post("/sign-in", "email", "ada@example.com")
	b.post("/sign-in/ask-link")
	if n := len(s.mails()); n != 3 {
		t.Errorf("%d mails, want that to sign up and one link for each who asks", n)
	}
	code := codeForm.FindStringSubmatch(s.browser().get(link).text)
	s.shows(b.follow(b.post("/sign-in/code", "mailed_code", code[1])), 200, "Your account")
}

// The addresses of one IPv6 network are one who asks, and a mailbox gets no more than five
// links in five minutes.
func TestMailedLinkBombing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.browser().signUp("ada@example.com")
	ask := func(from string) {
		v := visitor
		v.Origin.SourceIP = netip.MustParseAddr(from)
		f, _, err := s.desk.Attempts.Begin(t.Context(), signin.Flow{Host: s.host, Email: "ada@example.com"})
		testkit.Must(t, err)
		testkit.Must(t, s.desk.AskLink(t.Context(), f, "en", v))
	}
	before := len(s.mails())
	for i := range 10 {
		ask(fmt.Sprintf("2001:db8::%d", i+1))
	}
	if n := len(s.mails()) - before; n != 1 {
		t.Errorf("one network got %d mails sent", n)
	}
	for i := range 10 {
		ask(fmt.Sprintf("2001:db8:0:%d::1", i+1))
	}
	if n := len(s.mails()) - before; n != 5 {
		t.Errorf("many networks got %d mails sent", n)
	}
	s.clock.Advance(5 * time.Minute)
	ask("2001:db8:0:10::1")
	if n := len(s.mails()) - before; n != 6 {
		t.Errorf("%d mails after five minutes", n)
	}
}

// P4: a known and an unknown address get the same pages, and one mail each.
func TestMailedLinkToUnknownAddress(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.browser().signUp("ada@example.com")
	s.clock.Advance(5 * time.Minute)
	way := func(email string) (pages []string) {
		b, before := s.browser(), len(s.mails())
		for _, p := range []page{b.post("/sign-in", "email", email), b.post("/sign-in/ask-link"), b.get("/sign-in/code"), b.post("/sign-in/code", "mailed_code", "AAAA-AAAA")} {
			p.header.Del("Date")
			pages = append(pages, attempt.ReplaceAllString(strings.ReplaceAll(fmt.Sprint(p.status, p.header, p.text), email, "it"), ""))
		}
		if n := len(s.mails()) - before; n != 1 {
			t.Errorf("%s got %d mails", email, n)
		}
		return pages
	}
	known, unknown := way("ada@example.com"), way("eve@example.com")
	for i := range known {
		if known[i] != unknown[i] {
			t.Errorf("page %d differs:\n%s\n%s", i, known[i], unknown[i])
		}
	}
	if last := s.mail(); last.template != "verify_address" {
		t.Errorf("the unknown address got %s", last.template)
	}
}

// Ten wrong codes end the attempt.
func TestMailedLinkGuessed(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.browser().signUp("ada@example.com")
	b := s.browser()
	link := b.askLink("ada@example.com")
	for range 9 {
		s.shows(b.post("/sign-in/code", "mailed_code", "AAAA-AAAA"), 422, "This is not the code")
	}
	b.post("/sign-in/code", "mailed_code", "AAAA-AAAA")
	code := codeForm.FindStringSubmatch(s.browser().get(link).text)
	s.shows(b.follow(b.post("/sign-in/code", "mailed_code", code[1])), 200, "E-mail address")
}
