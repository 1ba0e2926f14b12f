package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"portico/infra/local/aws"
	"portico/shared/testkit"
)

// Who is added as a member finds a mail in the mailbox, sent by the function of the
// queue high.
func TestNewMemberGetsMail(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, shared)
	address := "ada." + strings.ToLower(t.Name()) + "@example.com"
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
	testkit.Await(t, "the log", func() bool {
		return count(t, shared, `SELECT count(*) FROM mail WHERE status = 'sent' AND recipient = '`+address+`'`) == 1
	})
}
