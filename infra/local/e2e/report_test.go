package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"portico/infra/local/aws"
	"portico/shared/pages/resend"
	"portico/shared/testkit"
)

// resendSecret signs the events of Resend. mailSecret has it, and only the function
// resend reads it in these tests: the others send through SES.
const (
	mailSecret   = "portico-e2e-resend"
	resendSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
)

// staffKey makes a staff key that may only read mails and hand in reports.
func staffKey(t *testing.T) string {
	t.Helper()
	reply, err := shared.Invoke(t.Context(), "bootstrap", []byte(`{"command":"create_staff_key","name":"Bounces","permissions":["mail:read","mail:write"]}`))
	testkit.Must(t, err)
	key := jsonField(t, string(reply), "staff_key")
	if key == "" {
		t.Fatalf("bootstrap answered %s", reply)
	}
	return key
}

// correspondence are the mails to one address, of all organizations, as staff see them.
type correspondence struct {
	t       *testing.T
	caller  customer
	key     string
	address string
}

func newCorrespondence(t *testing.T, caller customer) correspondence {
	t.Helper()
	return correspondence{t, caller, staffKey(t), "ada." + strings.ToLower(t.Name()) + "@example.com"}
}

// staff calls the API with the staff key.
func (p correspondence) staff(method, path, body string) (int, string) {
	p.t.Helper()
	status, reply, _ := p.caller.Try(method, path, body, "Authorization", "Bearer "+p.key)
	return status, reply
}

// statuses returns those of the mails, the newest first.
func (p correspondence) statuses() (all []string) {
	p.t.Helper()
	status, reply := p.staff("GET", "/v1/staff/mails?recipient="+p.address, "")
	var list struct{ Data []struct{ Status string } }
	if err := json.Unmarshal([]byte(reply), &list); status != http.StatusOK || err != nil {
		p.t.Fatalf("%d %s", status, reply)
	}
	for _, m := range list.Data {
		all = append(all, m.Status)
	}
	return all
}

// add makes a mail to the address, by a new member.
func (p correspondence) add(c customer) {
	p.t.Helper()
	c.Do("POST", "/v1/members", `{"email":"`+p.address+`","name":"Ada","role":"developer"}`, http.StatusCreated, &struct{}{})
}

// await waits until the mails have these statuses.
func (p correspondence) await(what, want string) {
	p.t.Helper()
	got := ""
	testkit.Await(p.t, what, func() bool { got = strings.Join(p.statuses(), " "); return got == want })
}

// arrived returns the mail that arrived.
func (p correspondence) arrived() (found aws.Mail) {
	p.t.Helper()
	testkit.Await(p.t, "the mail", func() bool {
		i := slices.IndexFunc(shared.Mailbox().List(), func(m aws.Mail) bool { return slices.Contains(m.To, p.address) })
		if i >= 0 {
			found = shared.Mailbox().List()[i]
		}
		return i >= 0
	})
	return found
}

// A bounce that comes as a mail and is handed in stops mail to its address for every
// organization in every database, also if it is about a mail of an organization that
// has moved.
func TestBounceThatIsHandedIn(t *testing.T) {
	t.Parallel()
	moved, home := newCustomer(t, shared), newCustomer(t, shared)
	p := newCorrespondence(t, home)
	p.add(moved)
	source := p.arrived().Raw
	p.await("the delivery", "delivered")
	var own struct{ ID string }
	moved.Do("GET", "/v1/organization", "", 200, &own)
	if reply, err := shared.Invoke(t.Context(), "move", fmt.Appendf(nil, `{"organization_id":%q,"database":"acme"}`, own.ID)); err != nil {
		t.Fatalf("%s: %v", reply, err)
	}
	m, err := mail.ReadMessage(bytes.NewReader(source))
	testkit.Must(t, err)
	// A second later, because the time has whole seconds, and a report that is older than
	// the delivery would change nothing.
	report := "From: MAILER-DAEMON@mx.example.com\r\nDate: " + time.Now().Add(time.Second).Format(time.RFC1123Z) + "\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.com\r\n\r\n" +
		"Final-Recipient: rfc822; victim@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 user unknown\r\n\r\n" +
		"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nX-Portico-Mail: " + m.Header.Get("X-Portico-Mail") + "\r\n\r\n--b--\r\n"
	body := `{"message":"` + base64.StdEncoding.EncodeToString([]byte(report)) + `"}`
	for range 2 { // twice is like once
		if status, reply := p.staff("POST", "/v1/staff/mail-reports", body); status != 200 {
			t.Fatalf("%d %s", status, reply)
		}
	}
	p.await("the bounce", "bounced")
	p.add(home)
	p.await("the next mail, of another organization", "suppressed bounced")
	if n := count(t, shared, `SELECT count(*) FROM mail_suppression WHERE recipient LIKE 'victim@%'`); n != 0 {
		t.Error("the report chose which address gets no mail")
	}
}

// An event that Resend has signed does the same, through the gateway and the function
// that is deployed; one that it has not signed does nothing.
func TestBounceOfResend(t *testing.T) {
	t.Parallel()
	c, other := newCustomer(t, shared), newCustomer(t, shared)
	p := newCorrespondence(t, c)
	p.add(c)
	sent := p.arrived()
	p.await("the delivery", "delivered")
	m, err := mail.ReadMessage(bytes.NewReader(sent.Raw))
	testkit.Must(t, err)
	now := time.Now()
	event := fmt.Sprintf(`{"type":"email.bounced","created_at":%q,"data":{"email_id":%q,"to":["victim@example.com"],"tags":{"mail_id":%q},"bounce":{"type":"Permanent","subType":"General","message":"no such user"}}}`,
		now.Format(time.RFC3339Nano), sent.ID, m.Header.Get("X-Portico-Mail"))
	webhook, err := standard.NewWebhook(resendSecret)
	testkit.Must(t, err)
	signature, err := webhook.Sign("msg_1", now, []byte(event))
	testkit.Must(t, err)
	post := func(body string) (int, string) {
		status, reply, _ := c.Try("POST", resend.Path, body, "Svix-Id", "msg_1", "Svix-Timestamp", fmt.Sprint(now.Unix()), "Svix-Signature", signature)
		return status, reply
	}
	if status, reply := post(event + " "); status != http.StatusUnauthorized || p.statuses()[0] != "delivered" {
		t.Errorf("an event that was changed: %d %s", status, reply)
	}
	for range 2 {
		if status, reply := post(event); status != http.StatusNoContent {
			t.Fatalf("%d %s", status, reply)
		}
	}
	p.await("the bounce", "bounced")
	p.add(other)
	p.await("the next mail, of another organization", "suppressed bounced")
}
