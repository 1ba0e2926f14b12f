package aws_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	mailtypes "github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"portico/infra/local/aws"
	"portico/infra/local/template"
)

// sesFixture is SES as infra/email.yaml sets it up for example.com.
type sesFixture struct {
	fixture
	t      *testing.T
	client *sesv2.Client
}

const feedbackQueue = "portico-mail-feedback"

func serveSES(t *testing.T) sesFixture {
	t.Helper()
	tpl, err := template.Load("../../../template.yaml", template.Options{Parameters: map[string]string{"MailDomain": "example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	f := serve(t, aws.Options{})
	for _, q := range tpl.Queues {
		f.AddQueue(q.Name, aws.DefaultQueueAttributes())
	}
	f.SetSES(tpl.SES)
	return sesFixture{f, t, sesv2.NewFromConfig(f.config)}
}

// send sends a raw mail and returns SES's id of it.
func (f sesFixture) send(set string, to ...string) (string, error) {
	f.t.Helper()
	in := &sesv2.SendEmailInput{
		FromEmailAddress: sdk.String("notices@mail.example.com"), Destination: &mailtypes.Destination{ToAddresses: to},
		Content:   &mailtypes.EmailContent{Raw: &mailtypes.RawMessage{Data: []byte(rawMail)}},
		EmailTags: []mailtypes.MessageTag{{Name: sdk.String("mail_id"), Value: sdk.String("mail_1")}},
	}
	if set != "" {
		in.ConfigurationSetName = &set
	}
	out, err := f.client.SendEmail(ctx(f.t), in)
	if err != nil {
		return "", err
	}
	return *out.MessageId, nil
}

func (f sesFixture) mustSend(set string, to ...string) string {
	f.t.Helper()
	id, err := f.send(set, to...)
	if err != nil {
		f.t.Fatal(err)
	}
	return id
}

// event is what consumers read of SES's events.
type event struct {
	EventType string
	Mail      struct {
		Timestamp, MessageID, Source string
		Destination                  []string
		HeadersTruncated             bool
		Headers                      []struct{ Name, Value string }
		CommonHeaders                struct{ Subject string }
		Tags                         map[string][]string
	}
	Send     *struct{}
	Reject   struct{ Reason string }
	Delivery struct {
		Timestamp, SMTPResponse string
		Recipients              []string
	}
	Bounce struct {
		Timestamp, BounceType, BounceSubType, FeedbackID string
		BouncedRecipients                                []struct{ EmailAddress, DiagnosticCode string }
	}
	Complaint struct {
		Timestamp, ComplaintFeedbackType string
		ComplainedRecipients             []struct{ EmailAddress string }
	}
	DeliveryDelay struct {
		Timestamp, DelayType string
		DelayedRecipients    []struct{ EmailAddress string }
	}
}

// events receives what is in the queue of feedback, by the SDK.
func (f sesFixture) events() (list []event) {
	f.t.Helper()
	client := sqs.NewFromConfig(f.config)
	url := f.QueueURL(feedbackQueue)
	for {
		out, err := client.ReceiveMessage(ctx(f.t), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
		if err != nil {
			f.t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return list
		}
		for _, m := range out.Messages {
			var e event
			if err := json.Unmarshal([]byte(*m.Body), &e); err != nil {
				f.t.Fatalf("%v in %s", err, *m.Body)
			}
			list = append(list, e)
			if _, err := client.DeleteMessage(ctx(f.t), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				f.t.Fatal(err)
			}
		}
	}
}

// told says what events tell, in short.
func told(events []event) string {
	var list []string
	for _, e := range events {
		text := e.EventType
		switch e.EventType {
		case "Bounce":
			text += " " + e.Bounce.BounceType + " " + e.Bounce.BounceSubType + " " + e.Bounce.BouncedRecipients[0].EmailAddress
		case "Complaint":
			text += " " + e.Complaint.ComplaintFeedbackType + " " + e.Complaint.ComplainedRecipients[0].EmailAddress
		case "Delivery":
			text += " " + strings.Join(e.Delivery.Recipients, " ")
		case "DeliveryDelay":
			text += " " + e.DeliveryDelay.DelayType + " " + e.DeliveryDelay.DelayedRecipients[0].EmailAddress
		case "Reject":
			text += " " + e.Reject.Reason
		}
		list = append(list, text)
	}
	return strings.Join(list, "; ")
}

// The events of a mail name it by SES's id and by its tags, and have the time of
// the stack's clock.
func TestEvents(t *testing.T) {
	f := serveSES(t)
	f.clock.advance(400 * 24 * time.Hour)
	id := f.mustSend("portico-product", "ada@example.org")
	events := f.events()
	if got := told(events); got != "Send; Delivery ada@example.org" {
		t.Fatal(got)
	}
	for _, e := range events {
		at, err := time.Parse(time.RFC3339, e.Mail.Timestamp)
		if d := f.clock.now().Sub(at); err != nil || d < 0 || d > time.Minute {
			t.Errorf("%s: the mail's time is %s", e.EventType, e.Mail.Timestamp)
		}
		want := map[string][]string{"mail_id": {"mail_1"}, "ses:configuration-set": {"portico-product"}, "ses:from-domain": {"mail.example.com"}}
		got := map[string][]string{}
		for name := range want {
			got[name] = e.Mail.Tags[name]
		}
		if d := cmp.Diff(want, got); d != "" || e.Mail.MessageID != id || e.Mail.Source != "notices@mail.example.com" || e.Mail.CommonHeaders.Subject != "Grüße" {
			t.Errorf("%s: %+v %s", e.EventType, e.Mail, d)
		}
		if e.Mail.HeadersTruncated || len(e.Mail.Headers) != 5 || e.Mail.Headers[2].Name != "Subject" {
			t.Errorf("%s: headers %+v", e.EventType, e.Mail.Headers)
		}
	}
	if events[0].Send == nil {
		t.Error("the event Send has no object send")
	}
	m, _ := f.Mailbox().Get(id)
	if len(m.Events) != 2 || m.Events[1].Type != aws.Delivery || m.Events[1].Queues != 1 {
		t.Errorf("the mailbox knows %+v", m.Events)
	}
	f.mustSend("", "ada@example.org")
	if events := f.events(); len(events) != 2 || events[0].Mail.Tags["ses:configuration-set"][0] != "portico-product" {
		t.Errorf("without naming a configuration set the identity's counts: %+v", events)
	}
}

// The simulator's addresses act by themselves, and stay off the suppression list.
func TestSimulator(t *testing.T) {
	f := serveSES(t)
	for range 2 {
		for name, want := range map[string]string{
			"success": "Send; Delivery %[1]s", "bounce": "Send; Bounce Permanent General %[1]s", "ooto": "Send; Delivery %[1]s; Bounce Transient General %[1]s",
			"complaint": "Send; Delivery %[1]s; Complaint abuse %[1]s", "suppressionlist": "Send; Bounce Permanent Suppressed %[1]s",
			"bounce+label": "Send; Bounce Permanent General %[1]s",
		} {
			address := name + "@simulator.amazonses.com"
			f.mustSend("portico-marketing", address)
			if got := told(f.events()); got != fmt.Sprintf(want, address) {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
	f.mustSend("portico-product", "ada@example.org", "bounce@simulator.amazonses.com")
	if got := told(f.events()); got != "Send; Bounce Permanent General bounce@simulator.amazonses.com; Delivery ada@example.org" {
		t.Errorf("two recipients: %s", got)
	}
}

// A person causes each event, a virus is rejected, and held mail gets no event but
// Send.
func TestReport(t *testing.T) {
	f := serveSES(t)
	account := f.Account()
	account.Held = true
	f.SetAccount(account)
	id := f.mustSend("portico-product", "ada@example.org")
	want := "Send"
	for _, kind := range []string{aws.DeliveryDelay, aws.Delivery, aws.Complaint, aws.Bounce} {
		if err := f.Report(id, kind); err != nil {
			t.Error(err)
		}
	}
	want += "; DeliveryDelay TransientCommunicationFailure ada@example.org; Delivery ada@example.org; Complaint abuse ada@example.org; Bounce Permanent General ada@example.org"
	if got := told(f.events()); got != want {
		t.Errorf("got %s", got)
	}
	if f.Report("nobody", aws.Bounce) == nil || f.Report(id, "Open") == nil {
		t.Error("an unknown mail or event was reported")
	}
	virus := `X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`
	_, err := f.client.SendEmail(ctx(t), &sesv2.SendEmailInput{
		FromEmailAddress: sdk.String("a@mail.example.com"), Destination: &mailtypes.Destination{ToAddresses: []string{"x@example.org"}},
		Content: &mailtypes.EmailContent{Raw: &mailtypes.RawMessage{Data: []byte("Subject: x\r\n\r\n" + virus)}},
	})
	if got := told(f.events()); err != nil || got != "Reject Bad content" {
		t.Errorf("a virus: %s, %v", got, err)
	}
}

// What bounced is suppressed, by the reasons of the configuration set, until it is
// removed from the list.
func TestSuppression(t *testing.T) {
	f := serveSES(t)
	bounced, complained := f.mustSend("portico-product", "Ada@example.org"), f.mustSend("portico-marketing", "bob@example.org")
	ignored := f.mustSend("portico-product", "carol@example.org")
	for id, kind := range map[string]string{bounced: aws.Bounce, complained: aws.Complaint, ignored: aws.Complaint} {
		if err := f.Report(id, kind); err != nil {
			t.Fatal(err)
		}
	}
	f.events()
	for address, want := range map[string]string{"ada@example.org": "Bounce Permanent OnAccountSuppressionList ada@example.org", "bob@example.org": "Delivery bob@example.org", "carol@example.org": "Delivery carol@example.org"} {
		f.mustSend("portico-product", address)
		if got := told(f.events()); got != "Send; "+want {
			t.Errorf("%s: %s", address, got)
		}
	}
	f.mustSend("portico-marketing", "bob@example.org")
	if got := told(f.events()); !strings.Contains(got, "OnAccountSuppressionList") {
		t.Errorf("marketing after a complaint: %s", got)
	}
	var listed []string
	pages := sesv2.NewListSuppressedDestinationsPaginator(f.client, &sesv2.ListSuppressedDestinationsInput{PageSize: sdk.Int32(1), StartDate: sdk.Time(f.clock.now().Add(-time.Hour))})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.SuppressedDestinationSummaries {
			listed = append(listed, fmt.Sprint(*s.EmailAddress, " ", s.Reason))
		}
	}
	if want := []string{"Ada@example.org BOUNCE", "bob@example.org COMPLAINT"}; !slices.Equal(listed, want) {
		t.Errorf("listed %v", listed)
	}
	one, err := f.client.GetSuppressedDestination(ctx(t), &sesv2.GetSuppressedDestinationInput{EmailAddress: sdk.String("ada@example.org")})
	if err != nil || *one.SuppressedDestination.Attributes.MessageId != bounced {
		t.Errorf("%+v, %v", one, err)
	}
	gone := &sesv2.DeleteSuppressedDestinationInput{EmailAddress: sdk.String("ada@example.org")}
	if _, err := f.client.DeleteSuppressedDestination(ctx(t), gone); err != nil {
		t.Error(err)
	}
	var missing *mailtypes.NotFoundException
	if _, err := f.client.DeleteSuppressedDestination(ctx(t), gone); !errors.As(err, &missing) {
		t.Errorf("removed twice: %v", err)
	}
	f.mustSend("portico-product", "ada@example.org")
	if got := told(f.events()); got != "Send; Delivery ada@example.org" {
		t.Errorf("after the removal: %s", got)
	}
}

// SES refuses what the account does not allow, and says how much is left.
func TestAccount(t *testing.T) {
	f := serveSES(t)
	healthy := f.Account()
	for name, tt := range map[string]struct {
		change func(*aws.Account)
		want   any
		said   string
	}{
		"suspended": {func(a *aws.Account) { a.Enforcement = "SHUTDOWN" }, new(*mailtypes.AccountSuspendedException), "suspended"},
		"paused":    {func(a *aws.Account) { a.Paused = true }, new(*mailtypes.SendingPausedException), "disabled"},
		"sandbox":   {func(a *aws.Account) { a.Sandbox = true }, new(*mailtypes.MessageRejected), "not verified"},
		"quota":     {func(a *aws.Account) { a.Max24HourSend = 0 }, new(*mailtypes.TooManyRequestsException), "quota exceeded"},
		"rate":      {func(a *aws.Account) { a.MaxSendRate = 0 }, new(*mailtypes.TooManyRequestsException), "rate exceeded"},
	} {
		a := healthy
		tt.change(&a)
		f.SetAccount(a)
		_, err := f.send("portico-product", "ada@example.org")
		if !errors.As(err, tt.want) || !strings.Contains(err.Error(), tt.said) {
			t.Errorf("%s: %v", name, err)
		}
		out, err := f.client.GetAccount(ctx(t), &sesv2.GetAccountInput{})
		if err != nil || out.SendQuota.Max24HourSend != a.Max24HourSend || out.SendQuota.MaxSendRate != a.MaxSendRate || out.ProductionAccessEnabled == a.Sandbox || *out.EnforcementStatus != a.Enforcement || out.SendQuota.SentLast24Hours != 0 {
			t.Errorf("%s: account %+v, %v", name, out, err)
		}
	}
	healthy.Max24HourSend, healthy.MaxSendRate = 3, 2
	f.SetAccount(healthy)
	for i := range 5 {
		_, err := f.send("portico-product", "ada@example.org", "bob@example.org")
		if (err == nil) != (i%2 == 0 && i < 3) {
			t.Errorf("mail %d: %v", i, err)
		}
		if i > 0 {
			f.clock.advance(time.Second)
		}
	}
	f.clock.advance(24 * time.Hour)
	f.mustSend("portico-product", "ada@example.org")
	if out, err := f.client.GetAccount(ctx(t), &sesv2.GetAccountInput{}); err != nil || out.SendQuota.SentLast24Hours != 1 {
		t.Errorf("a day later: %+v, %v", out, err)
	}
	if len(f.Mailbox().List()) != 3 {
		t.Errorf("%d mails", len(f.Mailbox().List()))
	}
}

// Only verified domains send, with configuration sets that exist.
func TestIdentities(t *testing.T) {
	f := serveSES(t)
	var missing *mailtypes.NotFoundException
	if _, err := f.send("nope", "ada@example.org"); !errors.As(err, &missing) {
		t.Errorf("an unknown configuration set: %v", err)
	}
	var rejected *mailtypes.MessageRejected
	_, err := f.client.SendEmail(ctx(t), &sesv2.SendEmailInput{Content: &mailtypes.EmailContent{Raw: &mailtypes.RawMessage{Data: []byte(rawMail)}}})
	if !errors.As(err, &rejected) {
		t.Errorf("an unknown domain: %v", err)
	}
	out, err := f.client.GetEmailIdentity(ctx(t), &sesv2.GetEmailIdentityInput{EmailIdentity: sdk.String("news.example.com")})
	if err != nil || !out.VerifiedForSendingStatus || len(out.DkimAttributes.Tokens) != 3 || *out.MailFromAttributes.MailFromDomain != "bounce.news.example.com" || *out.ConfigurationSetName != "portico-marketing" {
		t.Errorf("%+v, %v", out, err)
	}
	if _, err := f.client.GetEmailIdentity(ctx(t), &sesv2.GetEmailIdentityInput{EmailIdentity: sdk.String("example.com")}); !errors.As(err, &missing) {
		t.Errorf("an unknown identity: %v", err)
	}
}
