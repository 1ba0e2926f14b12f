package stack_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"portico/infra/local/aws"
)

// post sends a form, as a browser without script does, and follows no redirect.
func post(t *testing.T, path string, form url.Values) (status int, location string) {
	t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.PostForm(shared.URL+path, form)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("Location")
}

// Each button makes something become of a mail, and the page shows it.
func TestMailboxButtons(t *testing.T) {
	get(t, shared, "/mail", "Buttons")
	page := "/_local/mailbox/" + shared.Mailbox().List()[0].ID
	for _, event := range []string{aws.DeliveryDelay, aws.Delivery, aws.Bounce, aws.Complaint} {
		if status, location := post(t, page+"/events", url.Values{"event": {event}}); status != 303 || location != page {
			t.Errorf("%s: %d %s", event, status, location)
		}
		if m := shared.Mailbox().List()[0]; m.State() != event {
			t.Errorf("%s: the last event is %s", event, m.State())
		}
		if _, body := call(t, "GET", shared.URL+page); !strings.Contains(body, event+"</span>") {
			t.Errorf("%s is not shown in %s", event, body)
		}
	}
	for path, want := range map[string]int{page + "/events": 400, "/_local/mailbox/nope/events": 404} {
		if status, _ := post(t, path, url.Values{"event": {"Open"}}); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	if got := len(shared.Mailbox().List()[0].Events); got != 6 { // with Send and Delivery
		t.Errorf("%d events", got)
	}
}

// What a person sets is what SES does, and settings that make no sense change
// nothing.
func TestMailAccountPage(t *testing.T) {
	const path = "/_local/mailbox/account"
	before := shared.Account()
	t.Cleanup(func() { shared.SetAccount(before) })
	form := url.Values{"quota": {"500"}, "rate": {"14"}, "enforcement": {"PROBATION"}, "held": {"on"}}
	if status, location := post(t, path, form); status != 303 || location != "/_local/mailbox" {
		t.Errorf("%d %s", status, location)
	}
	want := aws.Account{Max24HourSend: 500, MaxSendRate: 14, Enforcement: "PROBATION", Held: true}
	if shared.Account() != want {
		t.Errorf("%+v", shared.Account())
	}
	get(t, shared, "/mail", "Held")
	if m := shared.Mailbox().List()[0]; m.Subject != "Held" || m.State() != aws.Sent {
		t.Errorf("%s is %s", m.Subject, m.State())
	}
	if _, body := call(t, "GET", shared.URL+"/_local/mailbox"); !strings.Contains(body, "PROBATION. Mails are held.") {
		t.Error("the mailbox does not tell of the settings")
	}
	for field, value := range map[string]string{"quota": "-2", "rate": "1.5", "enforcement": "FINE"} {
		bad := url.Values{}
		for name := range form {
			bad.Set(name, form.Get(name))
		}
		bad.Set(field, value)
		if status, _ := post(t, path, bad); status != 400 || shared.Account() != want {
			t.Errorf("%s=%s: %d %+v", field, value, status, shared.Account())
		}
	}
	post(t, path, url.Values{"quota": {"-1"}, "rate": {"14"}, "enforcement": {"HEALTHY"}, "paused": {"on"}})
	sent := len(shared.Mailbox().List())
	_, _ = call(t, "GET", shared.URL+"/mail?arg=Paused")
	if mails := shared.Mailbox().List(); len(mails) != sent || slices.ContainsFunc(mails, func(m aws.Mail) bool { return m.Subject == "Paused" }) {
		t.Error("a paused account sent a mail")
	}
}
