package passkey_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"portico/shared/id"
	"portico/shared/passkey"
)

const host = "console.example.com"

var party = virtualwebauthn.RelyingParty{Name: "Portico", ID: host, Origin: "https://" + host}

func newSite(t *testing.T) *passkey.Site {
	t.Helper()
	s, err := passkey.NewSite("Portico", "https://"+host)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// device is an authenticator with the passkeys that it has made.
type device struct {
	virtualwebauthn.Authenticator
	key virtualwebauthn.Credential
}

// newKey returns a key whose coordinates have 32 bytes: virtualwebauthn 1.0.3 leaves out
// leading zeros, which real authenticators do not.
func newKey() virtualwebauthn.Credential {
	const whole = 77 // bytes of the key in COSE
	for {
		if c := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2); len(c.Key.AttestationData()) == whole {
			return c
		}
	}
}

func newDevice(u passkey.User) *device {
	d := &device{virtualwebauthn.NewAuthenticator(), newKey()}
	d.Options.UserHandle = u.ID.UUID[:]
	return d
}

// enrol makes a passkey of the device, as a browser of a party does.
func (d *device) enrol(t *testing.T, s *passkey.Site, u *passkey.User, as virtualwebauthn.RelyingParty) error {
	t.Helper()
	options, c, err := s.Enrol(*u)
	if err != nil {
		t.Fatal(err)
	}
	asked, err := virtualwebauthn.ParseAttestationOptions(string(options))
	if err != nil {
		t.Fatal(err)
	}
	if d.key.IsExcludedForAttestation(*asked) {
		return errors.New("the device is enrolled")
	}
	p, err := s.Enrolled(*u, c, []byte(virtualwebauthn.CreateAttestationResponse(as, d.Authenticator, d.key, *asked)))
	if err == nil {
		p.ID = id.New[id.Passkey](time.Now())
		u.Passkeys = append(u.Passkeys, p)
	}
	return err
}

// sign answers a challenge.
func (d *device) sign(t *testing.T, s *passkey.Site, as virtualwebauthn.RelyingParty) (passkey.Challenge, string) {
	t.Helper()
	options, c, err := s.Ask()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(options), "allowCredentials") {
		t.Errorf("the options name passkeys: %s", options)
	}
	asked, err := virtualwebauthn.ParseAssertionOptions(string(options))
	if err != nil {
		t.Fatal(err)
	}
	return c, virtualwebauthn.CreateAssertionResponse(as, d.Authenticator, d.key, *asked)
}

func newUser() passkey.User {
	return passkey.User{ID: id.New[id.User](time.Now()), Email: "ada@example.com"}
}

func find(users ...passkey.User) func(id.User) (passkey.User, error) {
	return func(wanted id.User) (passkey.User, error) {
		for _, u := range users {
			if u.ID == wanted {
				return u, nil
			}
		}
		return passkey.User{}, errNobody
	}
}

var errNobody = errors.New("nobody")

func TestEnrolAndSign(t *testing.T) {
	t.Parallel()
	s, u := newSite(t), newUser()
	d := newDevice(u)
	if err := d.enrol(t, s, &u, party); err != nil {
		t.Fatal(err)
	}
	for count := range uint32(3) {
		d.key.Counter = count
		c, response := d.sign(t, s, party)
		proof, err := s.Answered(c, []byte(response), find(newUser(), u))
		if err != nil || proof.User != u.ID || proof.Passkey.ID != u.Passkeys[0].ID || proof.Passkey.SignCount != int64(count) {
			t.Errorf("count %d: %+v (%v)", count, proof, err)
		}
		u.Passkeys[0].SignCount = int64(count)
	}
	if err := d.enrol(t, s, &u, party); err == nil {
		t.Error("the same device was enrolled twice")
	}
}

// What another site, another person, an old challenge or a device without verification
// answers, enrols nothing.
func TestRefusedEnrolments(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, tt := range map[string]struct {
		as   virtualwebauthn.RelyingParty
		does func(*device)
	}{
		"another origin":  {as: virtualwebauthn.RelyingParty{Name: "Portico", ID: host, Origin: "https://evil.example"}},
		"another scheme":  {as: virtualwebauthn.RelyingParty{Name: "Portico", ID: host, Origin: "http://" + host}},
		"a subdomain":     {as: virtualwebauthn.RelyingParty{Name: "Portico", ID: host, Origin: "https://x." + host}},
		"another host":    {as: virtualwebauthn.RelyingParty{Name: "Portico", ID: "evil.example", Origin: "https://" + host}},
		"nobody verified": {as: party, does: func(d *device) { d.Options.UserNotVerified = true }},
		"nobody present":  {as: party, does: func(d *device) { d.Options.UserNotPresent = true }},
	} {
		u := newUser()
		d := newDevice(u)
		if tt.does != nil {
			tt.does(d)
		}
		if err := d.enrol(t, s, &u, tt.as); !errors.Is(err, passkey.ErrRefused) || len(u.Passkeys) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	ada, eve := newUser(), newUser()
	options, c, err := s.Enrol(ada)
	if err != nil {
		t.Fatal(err)
	}
	asked, _ := virtualwebauthn.ParseAttestationOptions(string(options))
	d := newDevice(ada)
	response := virtualwebauthn.CreateAttestationResponse(party, d.Authenticator, d.key, *asked)
	_, other, _ := s.Enrol(ada)
	for name, try := range map[string]func() error{
		"another person":    func() error { _, err := s.Enrolled(eve, c, []byte(response)); return err },
		"another challenge": func() error { _, err := s.Enrolled(ada, other, []byte(response)); return err },
		"no challenge":      func() error { _, err := s.Enrolled(ada, passkey.Challenge{}, []byte(response)); return err },
		"junk":              func() error { _, err := s.Enrolled(ada, c, []byte(`{"id":`)); return err },
		"nothing":           func() error { _, err := s.Enrolled(ada, c, nil); return err },
	} {
		if err := try(); !errors.Is(err, passkey.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Enrolled(ada, c, []byte(response)); err != nil {
		t.Errorf("the honest answer: %v", err)
	}
}

func TestRefusedSignatures(t *testing.T) {
	t.Parallel()
	s, ada, eve := newSite(t), newUser(), newUser()
	d := newDevice(ada)
	d.key.Counter = 5
	if err := d.enrol(t, s, &ada, party); err != nil {
		t.Fatal(err)
	}
	evil := newDevice(eve)
	if err := evil.enrol(t, s, &eve, party); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		as   virtualwebauthn.RelyingParty
		does func(*device)
		want error
	}{
		"another origin":               {as: virtualwebauthn.RelyingParty{ID: host, Origin: "https://evil.example"}, want: passkey.ErrRefused},
		"another host":                 {as: virtualwebauthn.RelyingParty{ID: "evil.example", Origin: party.Origin}, want: passkey.ErrRefused},
		"nobody verified":              {as: party, does: func(d *device) { d.Options.UserNotVerified = true }, want: passkey.ErrRefused},
		"another person's passkey":     {as: party, does: func(d *device) { d.key = evil.key }, want: passkey.ErrRefused},
		"in another person's name":     {as: party, does: func(d *device) { d.Options.UserHandle = eve.ID.UUID[:] }, want: passkey.ErrRefused},
		"in nobody's name":             {as: party, does: func(d *device) { d.Options.UserHandle = nil }, want: passkey.ErrRefused},
		"in the name of junk":          {as: party, does: func(d *device) { d.Options.UserHandle = []byte("x") }, want: passkey.ErrRefused},
		"somebody who is not known":    {as: party, does: func(d *device) { u := newUser(); d.Options.UserHandle = u.ID.UUID[:] }, want: errNobody},
		"another key of the same name": {as: party, does: func(d *device) { d.key.Key = newKey().Key }, want: passkey.ErrRefused},
		"an old count":                 {as: party, does: func(d *device) { d.key.Counter = 4 }, want: passkey.ErrCopied},
		"the same count":               {as: party, want: passkey.ErrCopied},
		"a newer count":                {as: party, does: func(d *device) { d.key.Counter = 6 }},
	} {
		used := *d
		if tt.does != nil {
			tt.does(&used)
		}
		c, response := used.sign(t, s, tt.as)
		if proof, err := s.Answered(c, []byte(response), find(ada, eve)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %+v (%v), want %v", name, proof, err, tt.want)
		}
	}
	d.key.Counter = 7
	_, response := d.sign(t, s, party)
	other, _ := d.sign(t, s, party)
	for name, c := range map[string]passkey.Challenge{"another challenge": other, "no challenge": {}} {
		if _, err := s.Answered(c, []byte(response), find(ada)); !errors.Is(err, passkey.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
