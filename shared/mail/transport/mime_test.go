package transport_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/google/go-cmp/cmp"

	"portico/shared/mail/template"
	"portico/shared/mail/transport"
	"portico/shared/testkit"
)

var write = flag.Bool("write", false, "write the golden files")

// Each template as it goes over the wire is as it was when a person last looked at
// it.
func TestGoldenMessages(t *testing.T) {
	set, err := template.Repository()
	testkit.Must(t, err)
	for _, tmpl := range template.All() {
		for _, locale := range set.Locales() {
			m := message("mail_golden")
			r, err := set.Render(template.Content{Template: tmpl, Data: tmpl.Samples[0].Data}, locale, template.Frame{
				Brand: template.Brand{Name: "Acme"}, Organization: "Acme", Unsubscribe: m.Unsubscribe,
			})
			testkit.Must(t, err)
			m.Subject, m.HTML, m.Text = r.Subject, r.HTML, r.Text
			raw, err := m.MIME()
			testkit.Must(t, err)
			again, err := m.MIME()
			if err != nil || !bytes.Equal(raw, again) {
				t.Errorf("%s: two tries differ", tmpl.Name)
			}
			path := filepath.Join("testdata", tmpl.Name+"."+locale+".eml")
			if *write {
				testkit.Must(t, os.MkdirAll("testdata", 0o755))
				testkit.Must(t, os.WriteFile(path, raw, 0o644))
			}
			golden, err := os.ReadFile(path)
			if diff := cmp.Diff(string(golden), string(raw)); err != nil || diff != "" {
				t.Errorf("%s differs (%v); look at it, then run this test with -write (-golden +now):\n%s", path, err, diff)
			}
			for line := range bytes.SplitSeq(raw, []byte("\r\n")) {
				if len(line) > 998 || bytes.ContainsAny(line, "\r\n") {
					t.Errorf("%s: a line has %d bytes, or does not end in CRLF", path, len(line))
				}
			}
		}
	}
}

// With a key the mail is signed. The signature covers both headers of RFC 8058, and
// no header that it covers can be added or changed on the way.
func TestDKIM(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	testkit.Must(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	testkit.Must(t, err)
	for kind, key := range map[string]crypto.Signer{"rsa": rsaKey, "ed25519": edKey} {
		s := smtpServer(t, &transport.DKIM{Domain: "mail.acme.example", Selector: "p1", Key: key})
		_, err := s.Send(background(t), message("mail_1"))
		testkit.Must(t, err)
		raw := s.taken()[0].Raw
		published := public(t, kind, key)
		verify := func(raw []byte) error {
			results, err := dkim.VerifyWithOptions(bytes.NewReader(raw), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
				if name != "p1._domainkey.mail.acme.example" {
					t.Errorf("%s was looked up", name)
				}
				return []string{published}, nil
			}})
			if err != nil || len(results) != 1 {
				t.Fatalf("%s: %v, %v", kind, results, err)
			}
			covered := strings.ToLower(strings.Join(results[0].HeaderKeys, " ") + " ")
			for _, header := range []string{"from ", "to ", "subject ", "list-unsubscribe ", "list-unsubscribe-post "} {
				if results[0].Err == nil && !strings.Contains(covered, header) {
					t.Errorf("%s: h= lacks %s: %s", kind, header, covered)
				}
			}
			return results[0].Err
		}
		if err := verify(raw); err != nil {
			t.Errorf("%s: %v in\n%s", kind, err, raw)
		}
		for what, change := range map[string][2]string{
			"the body":              {"Gr=C3=BC=C3=9Fe", "Gr=C3=BC=C3=9Fe!"},
			"the unsubscribe link":  {"<https://portico.example.com/u/", "<https://evil.example/u/"},
			"a second From":         {"From: ", "From: <x@evil.example>\r\nFrom: "},
			"the one-click promise": {"List-Unsubscribe=One-Click", "List-Unsubscribe=None"},
			"a second Reply-To":     {"From: ", "Reply-To: <x@evil.example>\r\nFrom: "},
		} {
			changed := bytes.Replace(raw, []byte(change[0]), []byte(change[1]), 1)
			if bytes.Equal(changed, raw) {
				t.Fatalf("%s: %s is not there in\n%s", kind, what, raw)
			}
			if verify(changed) == nil {
				t.Errorf("%s: %s can be changed", kind, what)
			}
		}
	}
}

// public returns the DNS record of a key.
func public(t *testing.T, kind string, key crypto.Signer) string {
	t.Helper()
	if ed, ok := key.Public().(ed25519.PublicKey); ok {
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(ed)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	testkit.Must(t, err)
	return "v=DKIM1; k=" + kind + "; p=" + base64.StdEncoding.EncodeToString(der)
}
