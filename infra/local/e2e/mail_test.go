package e2e

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/infra/local/aws"
	"portico/shared/testkit"
)

// unique names a run of a test: the stack keeps the mails of earlier ones, and what
// became of their addresses.
func unique(t *testing.T) string { return strings.ToLower(t.Name() + "." + rand.Text()[:8]) }

// Who is added as a member finds a mail in the mailbox, sent by the function of the
// queue high.
func TestNewMemberGetsMail(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, shared)
	address := "ada." + unique(t) + "@example.com"
	c.Do("POST", "/v1/members", `{"email":"`+address+`","name":"Ada","role":"developer"}`, http.StatusCreated, &struct{}{})
	var got []aws.Mail
	testkit.Await(t, "the mail", func() bool {
		got = slices.DeleteFunc(shared.Mailbox().List(), func(m aws.Mail) bool { return !slices.Contains(m.To, address) })
		return len(got) > 0
	})
	m := got[0]
	if len(got) != 1 || !strings.Contains(m.Subject, t.Name()) || !strings.Contains(m.Text, "developer") || !strings.Contains(m.From, "notices@mail.portico.localhost") || m.ConfigurationSet != "portico-product" {
		t.Errorf("%d mails, the first is from %s, with %s: %s\n%s", len(got), m.From, m.ConfigurationSet, m.Subject, m.Text)
	}
	testkit.Await(t, "the log", func() bool { // SES reports it as delivered
		return count(t, shared, `SELECT count(*) FROM mail WHERE status = 'delivered' AND provider_id IS NOT NULL AND recipient = '`+address+`'`) == 1
	})
}

// What staff publish instead of a template is what is sent, half a minute later at
// most; after it was rolled back the template's own words are.
func TestPublishedTemplateIsSent(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, shared)
	c.Do("PATCH", "/v1/organization", `{"version":1,"settings":{"locale":"de"}}`, http.StatusOK, &struct{}{})
	reply, err := shared.Invoke(t.Context(), "bootstrap", []byte(`{"command":"create_staff_key","name":"Ada"}`))
	testkit.Must(t, err)
	var made struct {
		StaffKey string `json:"staff_key"`
	}
	testkit.Must(t, json.Unmarshal(reply, &made))
	staff := func(path, body string) {
		t.Helper()
		if status, reply, _ := c.Try("POST", "/v1/staff/mail-templates/member_added/"+path, body, "Authorization", "Bearer "+made.StaffKey); status/100 != 2 {
			t.Fatalf("%s: %d %s", path, status, reply)
		}
	}
	tried, own := 0, unique(t)
	subject := func() string { // of a mail that is sent now
		tried++
		address := fmt.Sprintf("ada%d.%s@example.com", tried, own)
		c.Do("POST", "/v1/members", `{"email":"`+address+`","name":"Ada","role":"developer"}`, http.StatusCreated, &struct{}{})
		found := ""
		testkit.Await(t, "the mail", func() bool {
			for _, m := range shared.Mailbox().List() {
				if slices.Contains(m.To, address) {
					found = m.Subject
				}
			}
			return found != ""
		})
		return found
	}
	staff("versions", `{"locale":"de","subject":"Servus bei {{.Data.Organization}}","html":"<p class=\"text\">{{.Data.Role}}</p>","text":"{{.Data.Role}}"}`)
	staff("publish", `{"locale":"de","version":1}`)
	becomes := func(start string) {
		t.Helper()
		var last time.Time
		testkit.Await(t, "a mail with the subject "+start, func() bool {
			if time.Since(last) < time.Second { // each try adds a member
				return false
			}
			last = time.Now()
			return strings.HasPrefix(subject(), start)
		})
	}
	becomes("Servus bei ")
	staff("roll-back", `{"locale":"de","version":1}`)
	becomes("Sie sind jetzt Mitglied")
	if n := count(t, shared, `SELECT count(*) FROM mail WHERE template_version = 'override-1' AND locale = 'de'`); n == 0 {
		t.Error("the log does not say which version was sent")
	}
}

// A mail that bounces stops mail to its address for every organization, and a webhook
// endpoint is told, through topic, queue and function as the template wires them.
func TestBounceSuppresses(t *testing.T) {
	t.Parallel()
	c, other := newCustomer(t, shared), newCustomer(t, shared)
	rec := newReceiver(t, nil)
	c.Do("POST", "/v1/webhook-endpoints", `{"url":"`+rec.URL+`","event_types":["mail.*"]}`, http.StatusCreated, &struct{}{})
	address := "bounce+" + unique(t) + "@simulator.amazonses.com"
	member := `{"email":"` + address + `","name":"Ada","role":"developer"}`
	mails := func(status string) int {
		return count(t, shared, `SELECT count(*) FROM mail WHERE status = '`+status+`' AND recipient = '`+address+`'`)
	}
	c.Do("POST", "/v1/members", member, http.StatusCreated, &struct{}{})
	testkit.Await(t, "the bounce", func() bool { return mails("bounced") == 1 })
	testkit.Await(t, "the webhook", func() bool {
		return slices.ContainsFunc(rec.All(), func(r testkit.Received) bool { return strings.Contains(string(r.Body), `"mail.bounced"`) })
	})
	other.Do("POST", "/v1/members", member, http.StatusCreated, &struct{}{})
	testkit.Await(t, "the next mail", func() bool { return mails("suppressed") == 1 })
}
