package transport_test

import (
	"fmt"
	"math/rand/v2"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/idna"

	"portico/shared/fault"
	"portico/shared/mail/transport"
)

// fragments are what addresses and names are made of.
var fragments = []string{
	"ada", "zoë", "山田", "josé", "a", ".", "..", "@", "\"", "\\", "<", ">", "(", ")", ",", ";", ":", " ", "\t", "\r\n", "\n", "\r", "\x00", "\x7f", "\u0085", "\u2028",
	"Bcc: x@evil.example", "\r\nBcc: x@evil.example\r\n\r\n", "=?utf-8?q?=0D=0ABcc:_x?=", "%0d%0aBcc:x", "example.com", "münchen.de", "例え.jp", "xn--mnchen-3ya.de", "ex ample.com",
	"-a.com", "a-.com", "[127.0.0.1]", "127.0.0.1", "localhost", "\u202e", "ﬀ.com", "a\u00ad.com", "ｅｘａｍｐｌｅ.com", strings.Repeat("x", 70), strings.Repeat("y", 250) + ".com", "\xff", "+tag", "!#$%&'*", "SIZE=1", "RCPT TO:<x@evil.example>", "❤️",
}

func draw(random *rand.Rand, most int) string {
	var text strings.Builder
	for range 1 + random.IntN(most) {
		text.WriteString(fragments[random.IntN(len(fragments))])
	}
	return text.String()
}

// Whatever an address, a name and a subject contain, the mail is refused with a
// fault, or exactly one person gets it, and nothing that was in them became a header
// or a recipient.
func TestHostileAddresses(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for _, s := range standIns(t) {
		random := rand.New(rand.NewPCG(seed, 0))
		if _, err := s.Send(background(t), message("mail_plain")); err != nil {
			t.Fatal(err)
		}
		plain := s.taken()[0]
		sent := 0
		for n := range 300 {
			m := message(fmt.Sprintf("mail_%d", n))
			m.To = transport.Address{Address: draw(random, 3) + "@" + draw(random, 2)}
			if n%3 == 0 { // a good address, so that more than the address is tried
				m.To.Address = "ada@example.com"
			}
			if n%4 < 2 {
				m.To.Name, m.Subject = draw(random, 4), draw(random, 5)
			}
			_, err := s.Send(background(t), m)
			mails := s.taken()
			if err != nil {
				if f := fault.Of(err); f == nil || f.Kind != fault.Invalid || len(mails) > 0 {
					t.Errorf("%s, %+v: %v, %d mails", s.name, m.To, err, len(mails))
				}
				continue
			}
			sent++
			check(t, s.name, m, plain, mails)
		}
		if sent < 20 {
			t.Errorf("%s: only %d of 300 were sent: the generator is too hostile to test what is accepted", s.name, sent)
		}
	}
}

func check(t *testing.T, name string, m transport.Message, plain received, mails []received) {
	t.Helper()
	if len(mails) != 1 {
		t.Errorf("%s, %+v: %d mails", name, m, len(mails))
		return
	}
	got := mails[0]
	local, domain, _ := strings.Cut(m.To.Address, "@")
	ascii, err := idna.Lookup.ToASCII(domain)
	want := mail.Address{Name: shown(m.To.Name), Address: local + "@" + ascii}
	if err != nil || got.To != want || !slices.Equal(got.Recipient, []string{want.Address}) {
		t.Errorf("%s: the mail to %q went to %q, envelope %q (%v)", name, want, got.To, got.Recipient, err)
	}
	if got.Subject != shown(m.Subject) {
		t.Errorf("%s: the subject %q became %q", name, m.Subject, got.Subject)
	}
	if diff := cmp.Diff(plain.Headers, got.Headers); diff != "" {
		t.Errorf("%s: other headers:\n%s", name, diff)
	}
	if diff := cmp.Diff([]string{plain.HTML, plain.Text}, []string{got.HTML, got.Text}); diff != "" {
		t.Errorf("%s: another body:\n%s", name, diff)
	}
}

// shown is a text as it is sent: spaces around it are removed, and what looks like an
// encoded word does no more.
func shown(text string) string { return strings.ReplaceAll(strings.Trim(text, " "), "=?", "= ?") }
