package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"portico/infra/local/aws"
	"portico/shared/testkit"
)

// An endpoint that answers 410 is disabled by the dispatcher, and who may change
// endpoints finds a mail about it in the mailbox, in the own language; who may not gets
// none.
func TestDisabledEndpointIsMailed(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, shared)
	name := strings.ToLower(t.Name())
	owner, reader := "owner."+name+"@example.com", "reader."+name+"@example.com"
	c.Do("POST", "/v1/members", `{"email":"`+owner+`","name":"Ada","role":"owner","locale":"de"}`, http.StatusCreated, &struct{}{})
	c.Do("POST", "/v1/members", `{"email":"`+reader+`","name":"Bob","role":"viewer"}`, http.StatusCreated, &struct{}{})
	rec := newReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	endpoint, _ := c.endpoint(rec.URL)
	c.publish(`1`)
	mails := func(to, template string) []aws.Mail {
		return slices.DeleteFunc(shared.Mailbox().List(), func(m aws.Mail) bool { return !slices.Contains(m.To, to) || !strings.Contains(m.Text, template) })
	}
	var got []aws.Mail
	testkit.Await(t, "the mail", func() bool { got = mails(owner, rec.URL); return len(got) > 0 })
	if m := got[0]; len(got) != 1 || !strings.Contains(m.Subject, "abgeschaltet") || !strings.Contains(m.HTML, `lang="de"`) {
		t.Errorf("%d mails, the first is %s\n%s", len(got), m.Subject, m.Text)
	}
	var shown struct{ Status string }
	c.Do("GET", "/v1/webhook-endpoints/"+endpoint, "", http.StatusOK, &shown)
	if shown.Status != "disabled" {
		t.Errorf("the endpoint is %s", shown.Status)
	}
	if n := count(t, shared, `SELECT count(*) FROM mail WHERE template = 'endpoint_disabled' AND recipient = '`+reader+`'`); n != 0 {
		t.Error("who may not change endpoints is told")
	}
}
