package inspect_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/google/go-cmp/cmp"

	"portico/shared/fault"
	"portico/shared/mail/inspect"
)

// world has a key and the records of DNS.
type world struct {
	t       *testing.T
	key     ed25519.PrivateKey
	records map[string]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	record := "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
	return &world{t, key, map[string]string{
		"s._domainkey.mail.acme.example.com": record, "s._domainkey.other.example": record,
		"_dmarc.mail.acme.example.com": "v=DMARC1; p=quarantine",
	}}
}

func (w *world) lookup(name string) ([]string, error) {
	if text, ok := w.records[name]; ok {
		return []string{text}, nil
	}
	return nil, &net.DNSError{Name: name, IsNotFound: true}
}

const (
	headers = "From: Acme <notices@mail.acme.example.com>\r\nTo: ada@example.org\r\nSubject: Hi\r\n" +
		"List-Unsubscribe: <https://acme.example.com/u/x>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
	passed = "Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=x@bounce.mail.acme.example.com\r\n"
)

var all = []string{"From", "To", "Subject", "List-Unsubscribe", "List-Unsubscribe-Post"}

// sign returns a message signed for a domain.
func (w *world) sign(domain string, covered []string) string {
	w.t.Helper()
	var out bytes.Buffer
	err := dkim.Sign(&out, strings.NewReader(headers+"\r\nHello\r\n"), &dkim.SignOptions{Domain: domain, Selector: "s", Signer: w.key, HeaderKeys: covered})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.String()
}

func (w *world) inspect(message string) inspect.Report {
	w.t.Helper()
	r, err := inspect.Message([]byte(message), w.lookup)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// A mail as it should be has no problems, whatever line ends it was pasted with.
func TestGoodMail(t *testing.T) {
	w := newWorld(t)
	message := passed + w.sign("mail.acme.example.com", all)
	want := inspect.Report{
		From:       "mail.acme.example.com",
		Signatures: []inspect.Signature{{Domain: "mail.acme.example.com", Headers: all, Valid: true, Aligned: true}},
		SPF:        inspect.SPF{Result: "pass", Domain: "bounce.mail.acme.example.com", Aligned: true},
		DMARC:      inspect.DMARC{Policy: "quarantine", Passes: true},
	}
	for _, pasted := range []string{message, strings.ReplaceAll(message, "\r\n", "\n")} {
		if diff := cmp.Diff(want, w.inspect(pasted)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

// Each fault of a mail is named.
func TestFaultsAreNamed(t *testing.T) {
	for name, tt := range map[string]struct {
		make   func(*world) string
		want   string
		passes bool
	}{
		"not signed":              {func(*world) string { return passed + headers + "\r\nHello\r\n" }, "No valid DKIM signature", true},
		"signed by somebody else": {func(w *world) string { return passed + w.sign("other.example", all) }, "No valid DKIM signature", true},
		"changed on the way":      {func(w *world) string { return passed + w.sign("mail.acme.example.com", all) + "More\r\n" }, "is not valid", true},
		"no key published": {func(w *world) string {
			delete(w.records, "s._domainkey.mail.acme.example.com")
			return passed + w.sign("mail.acme.example.com", all)
		}, "is not valid", true},
		"the button is not covered": {func(w *world) string { return passed + w.sign("mail.acme.example.com", all[:4]) }, "covers List-Unsubscribe-Post", true},
		"the link is not covered":   {func(w *world) string { return passed + w.sign("mail.acme.example.com", all[:3]) }, "covers List-Unsubscribe (h=)", true},
		"SPF fails": {func(w *world) string {
			return strings.Replace(passed, "pass", "fail", 1) + w.sign("mail.acme.example.com", all)
		}, "SPF is fail", true},
		"SPF of the mail service": {func(w *world) string {
			return strings.Replace(passed, "bounce.mail.acme.example.com", "ses.example", 1) + w.sign("mail.acme.example.com", all)
		}, "does not align", true},
		"SPF is not recorded": {func(w *world) string { return w.sign("mail.acme.example.com", all) }, "no result of SPF", true},
		"no DMARC record": {func(w *world) string {
			w.records["_dmarc.mail.acme.example.com"] = "x"
			return passed + w.sign("mail.acme.example.com", all)
		}, "no DMARC record", true},
		"DMARC is not satisfied": {func(*world) string { return headers + "\r\nHello\r\n" }, "does not satisfy DMARC (policy quarantine)", false},
		"SPF that the sender claims": {func(w *world) string {
			return strings.Replace(passed, "spf=pass", "spf=fail", 1) + passed + headers + "\r\nHello\r\n"
		}, "SPF is fail", false},
		"strict alignment": {func(w *world) string {
			w.records["_dmarc.mail.acme.example.com"] = "v=DMARC1; p=reject; aspf=s"
			return passed + headers + "\r\nHello\r\n"
		}, "does not satisfy DMARC (policy reject)", false},
	} {
		w := newWorld(t)
		r := w.inspect(tt.make(w))
		if problems := strings.Join(r.Problems, "\n"); !strings.Contains(problems, tt.want) || r.DMARC.Passes != tt.passes {
			t.Errorf("%s: passes %v, problems:\n%s\nwant %q", name, r.DMARC.Passes, problems, tt.want)
		}
	}
}

// The policy of the organization's domain counts if the domain has none.
func TestPolicyOfTheOrganization(t *testing.T) {
	w := newWorld(t)
	delete(w.records, "_dmarc.mail.acme.example.com")
	w.records["_dmarc.example.com"] = "v=DMARC1; p=none; sp=reject"
	if r := w.inspect(passed + w.sign("mail.acme.example.com", all)); r.DMARC.Policy != "reject" || !r.DMARC.Passes {
		t.Errorf("%+v", r.DMARC)
	}
}

// What is no mail is a fault of the field; nothing panics, and look-ups are bounded.
func TestBadInput(t *testing.T) {
	w := newWorld(t)
	for _, message := range []string{"", "hello", "From: x\r\n\r\n", "To: a@b.example\r\n\r\nx", "From: a@b.example, c@d.example\r\n\r\n", "From: a@b.example\r\nFrom: c@d.example\r\n\r\n", strings.Repeat("x", inspect.MaxMessage+1)} {
		_, err := inspect.Message([]byte(message), w.lookup)
		if f := fault.Of(err); f == nil || f.Kind != fault.Invalid || f.Fields[0].Name != "message" {
			t.Errorf("%.40q: %v", message, err)
		}
	}
	lookups := 0
	many := strings.Repeat("DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; h=From; bh=eA==; b=eA==\r\n", 500) + headers + "\r\nHello\r\n"
	r, err := inspect.Message([]byte(many), func(name string) ([]string, error) { lookups++; return w.lookup(name) })
	if err != nil || lookups > 20 || len(r.Problems) == 0 {
		t.Errorf("%d look-ups (%v)", lookups, err)
	}
	for i := range headers { // cut and broken headers
		_, _ = inspect.Message([]byte(fmt.Sprintf("DKIM-Signature: v=1; %s\r\n%s", headers[:i], headers[i:]+"\r\nx")), w.lookup)
	}
}
