package signin_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/provider"
	"portico/shared/secret"
	"portico/shared/staff"
	"portico/shared/testkit"
)

// hire makes the person with an address staff.
func (s *stage) hire(email string) id.User {
	s.t.Helper()
	var user id.User
	testkit.Must(s.t, s.db.App.PlatformIn(s.t.Context(), pg.Home, func(tx pg.Tx) (err error) {
		if user, err = staff.Find(s.t.Context(), tx, email); err == nil {
			_, _, err = staff.Set(s.t.Context(), tx, user, "Grace Hopper", staff.Operator, s.clock.Now())
		}
		return err
	}))
	return user
}

// enterAsStaff answers the attempt of a browser on the page of staff.
func (d *device) enterAsStaff(b *browser) page {
	t := d.stage.t
	t.Helper()
	b.post("/admin/passkey")
	token, err := secret.ParseToken(b.cookies["__Host-portico-staff-flow"])
	testkit.Must(t, err)
	f, err := d.stage.door.Find(t.Context(), token)
	testkit.Must(t, err)
	ceremony, err := d.stage.door.AskPasskey(f)
	testkit.Must(t, err)
	asked, err := virtualwebauthn.ParseAssertionOptions(ceremony.Options)
	testkit.Must(t, err)
	d.key.Counter++
	return b.post("/admin/passkey", "challenge", ceremony.Sealed, "response", virtualwebauthn.CreateAssertionResponse(d.party, d.Authenticator, d.key, *asked))
}

// Staff sign in with a passkey, for eight hours at most and not longer than half an hour
// without a use. Nobody else does, and neither session is one of the other kind.
func TestStaffSignIn(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	b.signUp(ada)
	key := s.withPasskey(ada)
	s.shows(key.enterAsStaff(b), 403, "You are not signed in")
	s.shows(b.get("/admin"), 200, "Use a passkey")
	user := s.hire(ada)
	s.clock.Advance(10 * time.Second)
	s.shows(b.get("/admin"), 200, "Use a passkey") // a customer's session is none of staff
	s.shows(b.follow(key.enterAsStaff(b)), 200, "You are Grace Hopper, level operator.")
	if log := testkit.Value[string](t, s.db, `SELECT string_agg(actor_name || ' ' || (after ->> 'factors'), ', ') FROM audit_entry WHERE action = 'staff.enter'`); log != `Grace Hopper ["passkey"]` {
		t.Errorf("the platform's log has %s", log)
	}

	other := s.browser()
	other.cookies["__Host-portico"] = b.cookies["__Host-portico-staff"]
	if p := other.get("/account"); p.location != "/sign-in" {
		t.Errorf("a session of staff is one of a customer: %d %s", p.status, main(p.text))
	}
	other.cookies["__Host-portico-staff"] = b.cookies["__Host-portico"]
	s.shows(other.get("/admin"), 200, "Use a passkey")

	for range 15 {
		s.clock.Advance(29 * time.Minute)
		s.shows(b.get("/admin"), 200, "You are Grace Hopper")
	}
	s.clock.Advance(46 * time.Minute)
	s.shows(b.get("/admin"), 200, "Use a passkey")
	s.shows(b.follow(key.enterAsStaff(b)), 200, "You are Grace Hopper")
	s.clock.Advance(31 * time.Minute)
	s.shows(b.get("/admin"), 200, "Use a passkey")

	s.shows(b.follow(key.enterAsStaff(b)), 200, "You are Grace Hopper")
	taken := b.cookies["__Host-portico-staff"]
	s.shows(b.follow(b.post("/admin/sign-out")), 200, "Use a passkey")
	b.cookies["__Host-portico-staff"] = taken
	s.clock.Advance(10 * time.Second)
	s.shows(b.get("/admin"), 200, "Use a passkey")

	s.shows(b.follow(key.enterAsStaff(b)), 200, "You are Grace Hopper")
	s.db.Exec(t, `UPDATE staff SET disabled_at = portico_now() WHERE user_id = $1`, user)
	s.clock.Advance(10 * time.Second)
	s.shows(b.get("/admin"), 200, "Use a passkey")
	s.shows(key.enterAsStaff(b), 403, "You are not signed in")
}

// The provider of the company lets in whoever of staff has proven the address that it names
// here, and has seen it proven. A customer's attempt is none of staff.
func TestStaffSignInByCompany(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.shows(s.browser().post("/admin/company"), 403, "You are not signed in")
	e := s.elsewhere()
	s.door.Company = provider.NewOIDC(e.URL, provider.Client{ID: "us", Secret: "secret", Redirect: s.server.URL + "/admin/callback"}, nil, e.Client().Transport, s.clock)
	b := s.browser()
	b.signUp(ada)
	s.browser().signUp("bob@example.com")
	s.hire(ada)
	come := func(b *browser, who them) page {
		asked := e.sent(b.post("/admin/company"))
		return b.get("/admin/callback?" + e.answer(asked, who).Encode())
	}
	s.shows(b.get("/admin"), 200, "Use the company account")
	s.shows(b.follow(come(b, them{subject: "7", email: ada, verified: true})), 200, "You are Grace Hopper")
	for name, who := range map[string]them{
		"not proven there": {subject: "6", email: ada},
		"another account":  {subject: "6", email: ada, verified: true},
		"not staff":        {subject: "8", email: "bob@example.com", verified: true},
		"unknown":          {subject: "9", email: "eve@example.com", verified: true},
		"no address":       {subject: "9", verified: true},
	} {
		one := s.browser()
		if s.shows(come(one, who), 403, "You are not signed in"); one.cookies["__Host-portico-staff"] != "" {
			t.Errorf("%s: there is a session", name)
		}
	}
	one := s.browser()
	s.shows(one.follow(come(one, them{subject: "7", email: "grace@example.net"})), 200, "You are Grace Hopper") // the address has changed there
	told := slices.DeleteFunc(s.mails(), func(m sent) bool { return m.template != "account_linked" || m.to != ada })
	if len(told) != 1 {
		t.Errorf("%d mails tell of the linked account", len(told))
	}
	one = s.browser()
	asked := e.sent(one.post("/admin/company"))
	answer := e.answer(asked, them{subject: "7", email: ada, verified: true})
	s.shows(s.browser().get("/admin/callback?"+answer.Encode()), 403, "You are not signed in") // another browser
	s.shows(one.get("/admin/callback?"+url.Values{"code": answer["code"], "state": {"x"}}.Encode()), 403, "You are not signed in")
	s.shows(one.follow(one.get("/admin/callback?"+answer.Encode())), 200, "You are Grace Hopper")
	s.shows(one.get("/admin/callback?"+answer.Encode()), 403, "You are not signed in") // again

	customer := s.browser()
	back := e.answer(e.begin(customer, "google"), them{subject: "7", email: ada, verified: true})
	customer.cookies["__Host-portico-staff-flow"] = customer.cookies["__Host-portico-flow"]
	if p := customer.get("/admin/callback?" + back.Encode()); p.status != 403 || strings.Contains(p.text, "Grace") {
		t.Errorf("a customer's attempt let staff in: %d", p.status)
	}
}
