package signin_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/pg"
	"portico/shared/session"
	"portico/shared/signin"
	"portico/shared/testkit"
)

// Somebody new comes with an account where the mailbox is, completes the one here, and comes back
// with it, also when the address there has changed: what counts is the account (F1).
func TestSignInWithProvider(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	e := s.elsewhere()
	b := s.browser()
	s.shows(b.get("/sign-in"), 200, `action="/sign-in/google"`)
	who := gmail
	s.shows(b.follow(e.signIn(b, "google", who)), 200, `value="Ada of `)
	s.shows(b.post("/sign-up/complete", "name", "Ada"), 422, `aria-describedby="organization-fault"`)
	s.shows(b.post("/sign-up/complete", "name", "", "organization", "Acme"), 422, `aria-describedby="name-fault"`)
	if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM user_login`); n != 0 {
		t.Errorf("%d people were made before the account was complete", n)
	}
	s.shows(b.follow(b.post("/sign-up/complete", "name", "Ada", "organization", "Acme")), 200, who.email)
	if owners := testkit.Value[string](t, s.db, `SELECT o.name || ' ' || m.predefined || ' ' || u.email FROM member m JOIN organization o ON o.id = m.org_id JOIN user_account u ON u.id = m.user_id`); owners != "Acme owner "+who.email {
		t.Errorf("the organization: %s", owners)
	}
	b = s.browser()
	who.email = "new@elsewhere.example"
	s.shows(b.follow(e.signIn(b, "google", who)), 200, "Your account")
	s.shows(b.get("/account/linked"), 200, "new@elsewhere.example")
	if history := testkit.Value[string](t, s.db, `SELECT string_agg(action || ' ' || method, ', ' ORDER BY id) FROM user_event`); history != "user.verify_email , provider_account.link google, session.start provider, session.start provider" {
		t.Errorf("the history: %s", history)
	}
}

// F2: somebody new whose provider does not run the mailbox proves the address by mail: they
// may have had it years ago. An attempt of an earlier version completes nothing either.
func TestNewcomerWithForeignMailbox(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	e := s.elsewhere()
	for name, who := range map[string]them{
		"github": foreign,
		"google": {subject: "3", email: "eve@example.com", verified: true, hosted: "evil.example"},
	} {
		b := s.browser()
		s.shows(b.follow(e.signIn(b, name, who)), 200, "Look into your mailbox")
		s.shows(b.post("/sign-up/complete", "name", "Ada", "organization", "Acme"), 404, "This link does not work")
		if m := s.mail(); m.to != who.email || m.template != "verify_address" || b.cookies["__Host-portico"] != "" {
			t.Errorf("%s: the mail %+v", name, m)
		}
	}
	if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM user_login`); n != 0 {
		t.Errorf("%d people were made", n)
	}
	_, token, err := s.desk.Attempts.Begin(t.Context(), signin.Flow{
		Host: strings.TrimPrefix(s.desk.Public, "http://"), Asked: `{"provider":"github","named":{"Subject":"2","Email":"ada@example.com","Name":"Ada","Verified":true}}`,
	})
	testkit.Must(t, err)
	b := s.browser()
	b.cookies["__Host-portico-flow"] = token.Text()
	s.invite(foreign.email)
	s.shows(b.get("/sign-up/complete"), 404, "This link does not work")
	s.shows(b.post("/sign-up/complete", "name", "Ada"), 404, "This link does not work")
}

// A stranger adds somebody who is about to complete an account: they still make an
// organization of their own, and are in it.
func TestAddedBeforeCompletion(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	e := s.elsewhere()
	b := s.browser()
	s.shows(b.follow(e.signIn(b, "google", gmail)), 200, "organization")
	s.invite(gmail.email)
	s.shows(b.follow(b.post("/sign-up/complete", "name", "Ada", "organization", "Mine")), 200, gmail.email)
	if got := b.in(); got != "Mine" {
		t.Errorf("the session is in %q", got)
	}
}

// invite makes somebody who has no login a member of an organization.
func (s *stage) invite(email string) {
	s.t.Helper()
	now := s.clock.Now()
	user := id.New[id.User](now)
	s.db.AddUser(s.t, user, email)
	s.db.Insert(s.t, "member", testkit.Row{"org_id": s.db.NewOrg(s.t), "id": id.New[id.Member](now), "user_id": user, "name": "Ada", "predefined": "viewer", "created_at": now, "updated_at": now})
}

// F2: an account elsewhere becomes that of a person by its address only if the provider says
// that it is proven, and runs the mailbox. The person is told.
func TestLinkedByAddress(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		provider string
		who      them
		status   int
		text     string
	}{
		"gmail":                       {"google", them{subject: "1", email: "Ada@gmail.com", verified: true}, 0, ""},
		"a customer's domain":         {"google", them{subject: "1", email: "ada@acme.example", verified: true, hosted: "acme.example"}, 0, ""},
		"another customer's domain":   {"google", them{subject: "1", email: "ada@acme.example", verified: true, hosted: "evil.example"}, 403, "You have an account already"},
		"a mailbox of somebody else":  {"google", foreign, 403, "You have an account already"},
		"proven at GitHub":            {"github", foreign, 403, "You have an account already"},
		"not proven":                  {"google", them{subject: "1", email: "ada@gmail.com"}, 403, "Your address is not proven there"},
		"nothing about a proof":       {"google", them{subject: "1", email: "ada@gmail.com", verified: true, claims: map[string]any{"email_verified": nil}}, 403, "Your address is not proven there"},
		"not proven at GitHub":        {"github", them{subject: "1", email: "ada@gmail.com"}, 403, "Your address is not proven there"},
		"an address that is none":     {"google", them{subject: "1", email: "ada", verified: true}, 403, "Your address is not proven there"},
		"an address with a control":   {"github", them{subject: "1", email: "ada@gmail.com\x00", verified: true}, 403, "Your address is not proven there"},
		"an account that has no name": {"github", them{subject: "0", email: "ada@gmail.com", verified: true}, 400, "This did not work"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			e := s.elsewhere()
			email := strings.ToLower(tt.who.email)
			if !strings.HasSuffix(email, ".com") && !strings.HasSuffix(email, ".example") {
				email = "ada@gmail.com"
			}
			s.browser().signUp(email)
			before := len(s.mails())
			b := s.browser()
			p := e.signIn(b, tt.provider, tt.who)
			links := testkit.Value[int](t, s.db, `SELECT count(*) FROM user_identity`)
			if tt.status != 0 {
				if s.shows(p, tt.status, tt.text); b.cookies["__Host-portico"] != "" || links != 0 || len(s.mails()) != before {
					t.Errorf("the cookies %v, %d links, %d mails", b.cookies, links, len(s.mails())-before)
				}
				return
			}
			s.shows(b.follow(p), 200, email)
			if m := s.mails()[before]; m.template != "account_linked" || m.to != email || m.link != s.desk.Public+"/account/linked" || links != 1 {
				t.Errorf("the mail %+v, %d links", m, links)
			}
		})
	}
}

// F3: what somebody has set up with an address that they never proved goes when its owner
// comes with an account elsewhere: password, linked account, session.
func TestPreHijack(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	e := s.elsewhere()
	ctx := t.Context()
	begun, err := identity.Begin(ctx, s.db.App, s.db.Identity, gmail.email, "Eve", s.clock.Now())
	testkit.Must(t, err)
	hash, err := s.desk.Passwords.Hash(ctx, "the password of Eve")
	testkit.Must(t, err)
	testkit.Must(t, s.db.Identity.AsUser(ctx, begun.User, func(tx pg.Tx) error {
		if err := identity.SetPassword(ctx, tx, begun.User, identity.Password{PHC: hash.PHC, PepperVersion: hash.Pepper}, audit.Origin{}, s.clock.Now()); err != nil {
			return err
		}
		return identity.Link(ctx, tx, begun.User, identity.ProviderAccount{Connection: "github", Issuer: e.URL, Subject: "666", Email: "eve@example.com"}, audit.Origin{}, s.clock.Now())
	}))
	eve := s.browser()
	_, cookie, err := s.desk.Sessions.Start(ctx, session.Session{User: begun.User, Host: strings.TrimPrefix(s.desk.Public, "http://")}, time.Hour)
	testkit.Must(t, err)
	eve.cookies["__Host-portico"] = cookie.Text()

	ada := s.browser()
	s.shows(ada.follow(e.signIn(ada, "google", gmail)), 200, "Complete your account")
	s.shows(ada.follow(ada.post("/sign-up/complete", "name", "Ada", "organization", "Acme")), 200, gmail.email)

	s.clock.Advance(10 * time.Second) // what an environment remembers of sessions
	s.shows(eve.follow(eve.get("/account")), 200, "E-mail address")
	s.shows(s.browser().signIn(gmail.email, "the password of Eve"), 422, "The address or the password is wrong")
	if p := e.signIn(eve, "github", them{subject: "666", email: gmail.email, verified: true}); p.status != 403 || eve.cookies["__Host-portico"] != "" {
		t.Errorf("Eve's linked account: %d %s", p.status, main(p.text))
	}
	if left := testkit.Value[string](t, s.db, `SELECT string_agg(subject, ' ') FROM user_identity`); left != "1" {
		t.Errorf("the linked accounts: %s", left)
	}
}

// F1: the same number at another provider, or at another issuer, is somebody else. An
// account that takes over the address of another person stays what it was.
func TestOtherSubjects(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	e := s.elsewhere()
	ada, eve := s.browser(), s.browser()
	ada.follow(e.signIn(ada, "google", gmail))
	ada.post("/sign-up/complete", "name", "Ada", "organization", "Acme")
	eve.signUpConfirmed("eve@example.com")
	s.shows(eve.follow(e.link(eve, "github", them{subject: "1", email: "eve@example.com", verified: true})), 200, "eve@example.com")
	eve = s.browser()
	s.shows(eve.follow(e.signIn(eve, "github", them{subject: "1", email: gmail.email, verified: true})), 200, "eve@example.com")
	other := s.elsewhere() // another issuer
	stranger := s.browser()
	s.shows(stranger.follow(other.signIn(stranger, "google", them{subject: "1", email: "someone@gmail.com", verified: true})), 200, "Complete your account")
}

// F4, F8: an answer counts once, in the browser that has asked, for the provider that was
// asked. Whatever else comes uses nothing up.
func TestAnswersOfOthers(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	e := s.elsewhere()
	known := s.browser()
	known.follow(e.signIn(known, "google", gmail))
	known.post("/sign-up/complete", "name", "Ada", "organization", "Acme")
	b := s.browser()
	asked := e.begin(b, "google")
	with := func(change func(url.Values)) string {
		query := e.answer(asked, gmail)
		change(query)
		return "/sign-in/google/callback?" + query.Encode()
	}
	other := s.browser()
	theirs := e.answer(e.begin(other, "google"), gmail)
	before := e.used
	for name, path := range map[string]string{
		"nothing":                  "/sign-in/google/callback",
		"another state":            with(func(q url.Values) { q.Set("state", "x") }),
		"no state":                 with(func(q url.Values) { q.Del("state") }),
		"another browser's answer": "/sign-in/google/callback?" + theirs.Encode(),
		"another provider's page":  strings.Replace(with(func(url.Values) {}), "google", "github", 1),
	} {
		if p := b.get(path); p.status != 400 || p.header.Get("Set-Cookie") != "" || !strings.Contains(p.text, "This did not work") {
			t.Errorf("%s: %d %s", name, p.status, main(p.text))
		}
	}
	stranger := s.browser()
	s.shows(stranger.get(with(func(url.Values) {})), 400, "This did not work")
	if e.used != before {
		t.Errorf("%d codes were used", e.used-before)
	}
	path := with(func(url.Values) {})
	var in atomic.Int32
	var group sync.WaitGroup
	for range 10 {
		one := s.browser()
		one.cookies["__Host-portico-flow"] = b.cookies["__Host-portico-flow"]
		group.Go(func() {
			if one.get(path).location == "/account" {
				in.Add(1)
			}
		})
	}
	group.Wait()
	if in.Load() != 1 || e.used != before+1 {
		t.Errorf("%d signed in, with %d codes", in.Load(), e.used-before)
	}
	s.shows(b.get(path), 400, "This did not work")
	s.shows(b.get(with(func(url.Values) {})), 400, "This did not work") // also with a fresh code
	s.clock.Advance(10 * time.Minute)
	s.shows(other.get("/sign-in/google/callback?"+theirs.Encode()), 400, "This did not work")
}

// Each of these answers ends the way to the provider: the person begins again.
func TestAnswersThatProveNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	e := s.elsewhere()
	for name, tt := range map[string]struct {
		change func(url.Values)
		claims map[string]any
		status int
		text   string
	}{
		"cancelled":           {func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") }, nil, 200, "You have cancelled"},
		"another error":       {func(q url.Values) { q.Del("code"); q.Set("error", "<b>server_error") }, nil, 400, "This did not work"},
		"another issuer":      {func(q url.Values) { q.Set("iss", "https://evil.example") }, nil, 400, "This did not work"},
		"no issuer":           {func(q url.Values) { q.Del("iss") }, nil, 400, "This did not work"},
		"a code of nobody":    {func(q url.Values) { q.Set("code", "x") }, nil, 400, "This did not work"},
		"a token for another": {func(url.Values) {}, map[string]any{"aud": "them"}, 400, "This did not work"},
		"a token of another":  {func(url.Values) {}, map[string]any{"iss": "https://evil.example"}, 400, "This did not work"},
		"an earlier token":    {func(url.Values) {}, map[string]any{"nonce": "x"}, 400, "This did not work"},
	} {
		b := s.browser()
		who := gmail
		who.claims = tt.claims
		asked := e.begin(b, "google")
		query := e.answer(asked, who)
		tt.change(query)
		p := b.get("/sign-in/google/callback?" + query.Encode())
		if s.shows(p, tt.status, tt.text); !strings.Contains(p.text, `href="/sign-in"`) || strings.Contains(p.text, "<b>") {
			t.Errorf("%s: %s", name, main(p.text))
		}
		s.shows(b.get("/sign-in/google/callback?"+e.answer(asked, gmail).Encode()), 400, "This did not work")
	}
	e.Close()
	b := s.browser()
	asked := e.begin(b, "google")
	s.shows(b.get("/sign-in/google/callback?"+e.answer(asked, gmail).Encode()), 503, "The other site does not answer")
	if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM user_login`); n != 0 {
		t.Errorf("%d people were made", n)
	}
}

// Where sign-up is closed, a provider lets in whom an organization has added, if it runs the
// mailbox. Otherwise the person proves the address by mail: somebody may have had it before.
func TestProviderInvitedOnly(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	e := s.elsewhere()
	s.desk.Open = false
	for _, email := range []string{gmail.email, foreign.email} {
		s.invite(email)
	}
	b := s.browser()
	s.shows(e.signIn(b, "google", them{subject: "3", email: "eve@gmail.com", verified: true}), 403, "No organization has invited you yet")
	s.shows(b.post("/sign-up/complete", "name", "Eve", "organization", "Eves"), 404, "This link does not work")
	p := b.follow(e.signIn(b, "google", gmail))
	if s.shows(p, 200, "Complete your account"); strings.Contains(p.text, "organization") {
		t.Errorf("it asks for an organization:\n%s", main(p.text))
	}
	s.shows(b.follow(b.post("/sign-up/complete", "name", "Ada", "organization", "Mine")), 200, "has added you")
	b = s.browser()
	s.shows(b.follow(e.signIn(b, "github", foreign)), 200, "Look into your mailbox")
	if m := s.mail(); m.to != foreign.email || m.template != "verify_address" || b.cookies["__Host-portico"] != "" {
		t.Errorf("the mail %+v", m)
	}
	if n := testkit.Value[int](t, s.db, `SELECT count(*) FROM organization WHERE name = 'Mine'`); n != 0 {
		t.Error("an organization was made")
	}
}

// A provider without a client is not offered.
func TestProviderNotOffered(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	b.signUp("ada@example.com")
	for _, p := range []page{b.get("/account/linked"), s.browser().get("/sign-in")} {
		if strings.Contains(p.text, "Google") || strings.Contains(p.text, "GitHub") {
			t.Errorf("it offers one:\n%s", main(p.text))
		}
	}
	s.shows(b.post("/sign-in/google"), 404, "This is not offered here")
	s.shows(b.post("/account/linked/add", "provider", "github"), 404, "This is not offered here")
	s.shows(b.post("/account/linked/add", "provider", "evil"), 404, "This is not offered here")
	if p := b.get("/sign-in/google"); p.status != http.StatusMethodNotAllowed {
		t.Errorf("GET begins: %d", p.status)
	}
}
