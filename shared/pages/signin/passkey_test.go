package signin_test

import (
	"testing"

	"github.com/descope/virtualwebauthn"

	"portico/shared/account"
	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/passkey"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/testkit"
)

// device is an authenticator with a passkey of a person.
type device struct {
	virtualwebauthn.Authenticator
	stage *stage
	party virtualwebauthn.RelyingParty
	key   virtualwebauthn.Credential
}

// withPasskey gives a person a passkey.
func (s *stage) withPasskey(email string) *device {
	s.t.Helper()
	login, err := identity.Find(s.t.Context(), s.db.Identity, email)
	testkit.Must(s.t, err)
	d := &device{virtualwebauthn.NewAuthenticator(), s, virtualwebauthn.RelyingParty{Name: account.Issuer, ID: "localhost", Origin: s.desk.Public}, virtualwebauthn.Credential{}}
	d.Options.UserHandle = login.User.UUID[:]
	for len(d.key.ID) == 0 || len(d.key.Key.AttestationData()) != 77 { // virtualwebauthn leaves out leading zeros
		d.key = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	who := passkey.User{ID: login.User, Email: email}
	options, c, err := s.desk.Passkeys.Enrol(who)
	testkit.Must(s.t, err)
	asked, err := virtualwebauthn.ParseAttestationOptions(string(options))
	testkit.Must(s.t, err)
	made, err := s.desk.Passkeys.Enrolled(who, c, []byte(virtualwebauthn.CreateAttestationResponse(d.party, d.Authenticator, d.key, *asked)))
	testkit.Must(s.t, err)
	made.ID, made.Name = id.New[id.Passkey](s.clock.Now()), "Key"
	testkit.Must(s.t, s.db.Identity.AsUser(s.t.Context(), login.User, func(tx pg.Tx) error {
		return identity.AddPasskey(s.t.Context(), tx, login.User, made, audit.Origin{}, s.clock.Now())
	}))
	return d
}

// enter answers the attempt of a browser.
func (d *device) enter(b *browser) page {
	d.stage.t.Helper()
	token, err := secret.ParseToken(b.cookies["__Host-portico-flow"])
	testkit.Must(d.stage.t, err)
	f, err := d.stage.desk.Attempts.Find(d.stage.t.Context(), token, d.stage.host)
	testkit.Must(d.stage.t, err)
	ceremony, err := d.stage.desk.AskPasskey(f)
	testkit.Must(d.stage.t, err)
	asked, err := virtualwebauthn.ParseAssertionOptions(ceremony.Options)
	testkit.Must(d.stage.t, err)
	d.key.Counter++
	return b.post("/sign-in/passkey", "challenge", ceremony.Sealed, "response", virtualwebauthn.CreateAssertionResponse(d.party, d.Authenticator, d.key, *asked))
}

// An attempt without an address has no count but its own: however many wrong answers there
// were in others, a passkey signs in. Nothing else does there, and all other pages of
// signing in lead to the beginning.
func TestAttemptsOfNobody(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.browser().signUp(ada)
	key := s.withPasskey(ada)
	for range 12 {
		b := s.browser()
		b.post("/sign-in/passkey")
		s.shows(b.post("/sign-in/passkey", "response", "{}"), 422, "passkey")
	}
	b := s.browser()
	b.post("/sign-in/passkey")
	s.shows(b.follow(key.enter(b)), 200, "Your account")
	for path, fields := range map[string][]string{"/sign-in/password": {"password", secretText}, "/sign-in/code": {"mailed_code", "AAAA-AAAA"}, "/sign-in/ask-link": nil} {
		b := s.browser()
		b.post("/sign-in/passkey")
		if p := b.post(path, fields...); p.status != 303 || p.location != "/sign-in" {
			t.Errorf("%s: %d %s", path, p.status, p.location)
		}
	}
	if n := len(s.mails()); n != 2 { // to sign up, and of the new device
		t.Errorf("%d mails", n)
	}
}

// Who signs in with a passkey of their own, after they have given somebody else's address,
// takes back none of that one's failures.
func TestPasskeyForgivesNobodyElse(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.browser().signUp(ada)
	s.browser().signUp("eve@example.com")
	key := s.withPasskey("eve@example.com")
	s.shows(s.browser().guess(ada, 9), 422, "wrong")
	b := s.browser()
	b.post("/sign-in", "email", ada)
	s.shows(b.follow(key.enter(b)), 200, "eve@example.com")
	s.shows(s.browser().guess(ada, 1), 422, "wrong")
	s.shows(s.browser().signIn(ada, secretText), 429, "Too many tries have failed")
}
