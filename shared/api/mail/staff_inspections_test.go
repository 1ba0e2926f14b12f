package mail_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
	"golang.org/x/net/dns/dnsmessage"

	"portico/shared/api/apitest"
	"portico/shared/mail/inspect"
	"portico/shared/testkit"
)

const inspections = "/v1/staff/mail-inspections"

func source(t *testing.T, text string) string {
	t.Helper()
	body, err := json.Marshal(map[string]string{"source": text})
	testkit.Must(t, err)
	return string(body)
}

// A mail that arrived is judged by the records of DNS; what is no mail is a fault of
// the field, and a name server that does not answer is no fault of ours.
func TestInspections(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, staff := h.Organization("Acme"), h.NewStaff()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	testkit.Must(t, err)
	h.Names.Set("s._domainkey.mail.acme.example.com", "v=DKIM1; k=ed25519; p="+base64.StdEncoding.EncodeToString(public))
	h.Names.Set("_dmarc.mail.acme.example.com", "v=DMARC1; p=quarantine")
	const head = "From: Acme <notices@mail.acme.example.com>\r\nTo: ada@example.org\r\nSubject: Hi\r\n"
	var signed bytes.Buffer
	signed.WriteString("Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=x@bounce.mail.acme.example.com\r\n")
	testkit.Must(t, dkim.Sign(&signed, strings.NewReader(head+"\r\nHello\r\n"), &dkim.SignOptions{Domain: "mail.acme.example.com", Selector: "s", Signer: key}))
	good := source(t, signed.String())
	many := strings.Repeat("DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; h=From; bh=eA==; b=eA==\r\n", 500) + head + "\r\nHello\r\n"

	for _, tt := range []struct {
		name, body string
		as         apitest.Caller
		want       string
	}{
		{"good", good, staff, `200 "from":"mail.acme.example.com" "valid":true "policy":"quarantine" "passes":true "problems":[]`},
		{"not signed", source(t, head+"\r\nHello"), staff, `200 "signatures":[] "passes":false "No valid DKIM signature`},
		{"five hundred signatures", source(t, many), staff, `200 "passes":false`},
		{"of no domain", source(t, "From: a@b\x00c.example\r\n\r\nx"), staff, `422 body.source`},
		{"no mail", source(t, "hello"), staff, `422 body.source`},
		{"of nobody", source(t, "To: ada@example.org\r\n\r\nx"), staff, `422 body.source`},
		{"empty", source(t, ""), staff, `422 body.source`},
		{"missing", `{}`, staff, `422 body.source`},
		{"too large", source(t, strings.Repeat("x", inspect.MaxMessage+1)), staff, `422 body.source`},
		{"a name without end", source(t, "From: a@"+strings.Repeat("x.", 5000)+"example\r\n\r\nx"), staff, `200 "policy":""`},
		{"as a customer", good, acme, `403 staff_only`},
	} {
		t.Run(tt.name, func(t *testing.T) { apitest.Want(t, tt.as.Do("POST", inspections, tt.body), tt.want) })
	}
	h.Names.Fail(dnsmessage.RCodeServerFailure, false)
	apitest.Want(t, staff.Do("POST", inspections, good), `200 "valid":false "policy":""`)
}
