package signin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/shared/account"
	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/pg"
	"portico/shared/testkit"
)

const fresh = "ada@new.example"

// last returns the last mail of a template to an address.
func (s *stage) last(template, to string) sent {
	s.t.Helper()
	list := s.mails()
	for i := range list {
		if m := list[len(list)-1-i]; m.template == template && m.to == to {
			return m
		}
	}
	s.t.Fatalf("no mail %s to %s: %+v", template, to, list)
	return sent{}
}

// askAddress asks for a new address, and returns its link and that to undo.
func (b *browser) askAddress(old, email string) (confirm, undo string) {
	b.stage.t.Helper()
	b.stage.shows(b.follow(b.post(account.AddressPath, "email", email)), 200, "Look into the new mailbox")
	return b.stage.last("change_address", email).link, b.stage.last("address_change_requested", old).link
}

// move changes the address of a new person and returns the link to undo it.
func (b *browser) move() (undo string) {
	b.stage.t.Helper()
	link, _ := b.askAddress(ada, fresh)
	b.stage.shows(b.follow(b.post(link)), 200, fresh)
	return b.stage.last("address_changed", ada).link
}

// history lists what happened to addresses, in no order of time.
func (s *stage) history() string {
	s.t.Helper()
	return testkit.Value[string](s.t, s.db, `SELECT string_agg(action, ', ' ORDER BY action DESC) FROM user_event WHERE action LIKE 'user.%email'`)
}

// A person asks for a new address, opens the mailed link and signs in with it from then on.
// Both addresses are told; other sessions end, and this one gets a new secret.
func TestChangeAddressOnPages(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b, other := s.browser(), s.browser()
	b.signUp(ada)
	s.shows(other.follow(other.signIn(ada, secretText)), 200, ada)
	s.shows(b.get("/account"), 200, `href="/account/address"`)
	s.shows(b.get(account.AddressPath), 200, ada)
	s.shows(b.post(account.AddressPath, "email", "ADA@example.com"), 422, "This is your address already")
	s.shows(b.post(account.AddressPath, "email", "ada"), 422, `aria-describedby="email-fault"`)
	link, _ := b.askAddress(ada, fresh)
	for range 20 {
		s.shows(b.get(link), 200, fresh)
		b.send(http.MethodHead, link, nil)
	}
	s.shows(b.get("/account"), 200, ada)
	s.shows(other.get("/account"), 200, ada)
	before := b.cookies["__Host-portico"]
	s.shows(b.follow(b.post(link)), 200, fresh)
	thief := s.browser()
	thief.cookies["__Host-portico"] = before
	for _, out := range []*browser{other, thief} {
		s.shows(out.follow(out.get("/account")), 200, "E-mail address")
	}
	s.last("address_changed", ada)
	s.shows(b.post(link), 404, "This link does not work")
	s.shows(b.get(link), 404, "This link does not work")
	if got := s.history(); got != "user.verify_email, user.change_email" {
		t.Errorf("the history: %s", got)
	}
	s.shows(s.browser().signIn(ada, secretText), 422, "wrong")
	s.shows(b.follow(b.signIn(fresh, secretText)), 200, fresh)
	s.shows(b.get(account.AddressPath), 409, "changed your address lately")
	s.shows(b.post(account.AddressPath, "email", "ada@third.example"), 409, "changed your address lately")
	s.clock.Advance(7 * 24 * time.Hour)
	s.shows(b.follow(b.signIn(fresh, secretText)), 200, fresh)
	s.shows(b.get(account.AddressPath), 200, "Change your address")
}

// E6: who has not signed in lately does so again first.
func TestChangeAddressNeedsFreshProof(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	b.signUp(ada)
	mails := len(s.mails())
	s.clock.Advance(10 * time.Minute)
	for _, p := range []page{b.get(account.AddressPath), b.post(account.AddressPath, "email", fresh)} {
		s.shows(b.follow(p), 200, `name="to" value="/account/address"`)
	}
	if len(s.mails()) != mails {
		t.Errorf("the mails: %+v", s.mails()[mails:])
	}
	s.shows(b.follow(b.post("/sign-in/again", "to", account.AddressPath)), 200, "Enter your password")
	s.shows(b.follow(b.post("/sign-in/password", "password", secretText)), 200, "Change your address")
	b.askAddress(ada, fresh)
}

// P4: the page answers alike for a new address that is free, that another account has, and
// that an organization has added: one mail to it, and one to the present address.
func TestChangeAddressTellsNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.browser().signUp("bob@example.com")
	s.db.AddUser(t, id.New[id.User](s.clock.Now()), "cid@example.com")
	b := s.browser()
	b.signUp(ada)
	answers := map[string]string{}
	for email, template := range map[string]string{"eve@example.com": "change_address", "bob@example.com": "change_address_taken", "cid@example.com": "change_address_taken"} {
		mails := len(s.mails())
		p := b.post(account.AddressPath, "email", email)
		after := b.follow(p)
		for _, one := range []page{p, after} {
			one.header.Del("Date")
		}
		var to []string
		for _, m := range s.mails()[mails:] {
			to = append(to, m.template+" "+m.to)
		}
		if got := strings.Join(to, ", "); got != "address_change_requested ada@example.com, "+template+" "+email {
			t.Errorf("%s: the mails are %s", email, got)
		}
		answers[fmt.Sprint(p.status, p.location, p.header, p.text, after.status, after.header, after.text)] = email
	}
	if len(answers) != 1 {
		t.Errorf("the answers differ: %v", answers)
	}
}

// E6: until the new address is proven, everything goes to the old one. A new password, as
// any change of the credentials, ends what was asked for before.
func TestResetBeforeConfirmation(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	b.signUp(ada)
	link, _ := b.askAddress(ada, fresh)
	s.browser().post("/reset", "email", fresh)
	s.last("verify_address", fresh) // the new address has no account
	s.browser().post("/reset", "email", ada)
	reset := s.last("reset_password", ada).link
	s.shows(b.follow(b.post(reset, "password", "depart slowly")), 200, "Your password is changed")
	s.shows(b.follow(b.signIn(ada, "depart slowly")), 200, ada)
	s.shows(b.get(link), 404, "This link does not work")
	s.shows(b.post(link), 404, "This link does not work")
	s.shows(b.get("/account"), 200, ada)
}

// A link works for its purpose only, for ten minutes, and for the person who has asked.
func TestAddressLinks(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b, bob := s.browser(), s.browser()
	b.signUp(ada)
	bob.signUp("bob@example.com")
	link, undo := b.askAddress(ada, fresh)
	for _, other := range []*browser{s.browser(), bob} {
		s.shows(other.get(link), 403, "Open this link where you are signed in")
		s.shows(other.post(link), 403, "Open this link where you are signed in")
	}
	_, confirms, _ := strings.Cut(link, "?")
	_, undoes, _ := strings.Cut(undo, "?")
	for _, wrong := range []string{account.ConfirmAddressPath + "?" + undoes, account.UndoAddressPath + "?" + confirms, account.LinkPath + "?" + confirms, account.LinkPath + "?" + undoes, account.ConfirmAddressPath, account.UndoAddressPath + "?token=x"} {
		s.shows(b.get(wrong), 404, "This link does not work")
		s.shows(b.post(wrong), 404, "This link does not work")
	}
	taken, _ := b.askAddress(ada, "ada@taken.example")
	s.browser().signUp("ada@taken.example")
	s.shows(b.get(taken), 404, "This link does not work")
	s.shows(b.post(taken), 404, "This link does not work")
	s.clock.Advance(10 * time.Minute)
	s.shows(b.post(link), 404, "This link does not work")
	s.shows(b.get("/account"), 200, ada)
}

// The link to the old address puts it back for seven days, once. The thief's sessions end,
// and neither the password nor what was set up since the change signs in any more.
func TestUndoAddress(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	thief, owner := s.browser(), s.browser()
	thief.signUp(ada)
	undo := thief.move()
	login, err := identity.Find(t.Context(), s.db.Identity, fresh)
	testkit.Must(t, err)
	testkit.Must(t, s.db.Identity.AsUser(t.Context(), login.User, func(tx pg.Tx) error {
		return identity.AddPasskey(t.Context(), tx, login.User, identity.Passkey{ID: id.New[id.Passkey](s.clock.Now()), CredentialID: []byte("x"), PublicKey: []byte("x"), Name: "x"}, audit.Origin{}, s.clock.Now())
	}))
	s.clock.Advance(7*24*time.Hour - time.Minute)
	s.shows(owner.get(undo), 200, ada)
	s.shows(owner.follow(owner.post(undo)), 200, "The old address is back")
	s.shows(owner.get(undo), 404, "This link does not work")
	s.shows(owner.post(undo), 404, "This link does not work")
	for _, email := range []string{ada, fresh} {
		s.shows(s.browser().signIn(email, secretText), 422, "wrong")
	}
	if got := s.history(); got != "user.verify_email, user.undo_email, user.change_email, user.change_email" {
		t.Errorf("the history: %s", got)
	}
	s.shows(owner.follow(owner.post(s.last("reset_password", ada).link, "password", "depart slowly")), 200, "Your password is changed")
	s.shows(owner.follow(owner.signIn(ada, "depart slowly")), 200, ada)
}

// The thief is out at once.
func TestUndoAddressEndsSessions(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	thief := s.browser()
	thief.signUp(ada)
	undo := thief.move()
	s.shows(thief.get("/account"), 200, fresh)
	s.shows(s.browser().post(undo), http.StatusSeeOther, "")
	s.shows(thief.follow(thief.get("/account")), 200, "E-mail address")
}

// What was set up before the change stays: a mailbox alone is not enough to get in.
func TestUndoAddressKeepsFactors(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b, a := s.withApp()
	s.clock.Advance(time.Hour)
	b.follow(b.post("/sign-in/again", "to", account.AddressPath))
	s.shows(b.follow(b.post("/sign-in/password", "password", secretText)), 200, "Enter your code")
	s.shows(b.follow(b.post("/sign-in/second", "code", a.code())), 200, "Change your address")
	undo := b.move()
	b.post(undo)
	b.post(s.last("reset_password", ada).link, "password", "depart slowly")
	s.shows(b.follow(b.signIn(ada, "depart slowly")), 200, "Enter your code")
}

// After seven days the old address does not come back.
func TestUndoAddressTooLate(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	b.signUp(ada)
	undo := b.move()
	s.clock.Advance(7 * 24 * time.Hour)
	s.shows(b.get(undo), 404, "This link does not work")
	s.shows(b.post(undo), 404, "This link does not work")
	s.shows(b.follow(b.signIn(fresh, secretText)), 200, fresh)
}

// The link of the first mail stops a change that is only asked for.
func TestKeepAddress(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	b := s.browser()
	b.signUp(ada)
	link, undo := b.askAddress(ada, fresh)
	s.shows(s.browser().follow(s.browser().post(undo)), 200, "The old address is back")
	s.shows(b.follow(b.get("/account")), 200, "E-mail address")
	b.post(s.last("reset_password", ada).link, "password", "depart slowly")
	s.shows(b.follow(b.signIn(ada, "depart slowly")), 200, ada)
	s.shows(b.post(link), 404, "This link does not work")
}

// If somebody has the old address by the time, as a thief could arrange, nobody signs in to
// the account any more.
func TestUndoAddressThatIsTaken(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	thief := s.browser()
	thief.signUp(ada)
	undo := thief.move()
	s.db.AddUser(t, id.New[id.User](s.clock.Now()), ada)
	s.shows(s.browser().post(undo), 409, "Somebody else has this address now")
	s.shows(thief.follow(thief.get("/account")), 200, "E-mail address")
	s.shows(s.browser().signIn(fresh, secretText), 422, "wrong")
	s.clock.Advance(5 * time.Minute)
	s.browser().post("/reset", "email", fresh)
	s.shows(thief.get(s.last("reset_password", fresh).link), 404, "This link does not work")
}
