package lambdahost

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"portico/shared/jobs"
	"portico/shared/mail"
	"portico/shared/mail/template"
)

// The environment chooses SES, or nothing; then nothing fails at the start.
func TestMailThroughSES(t *testing.T) {
	for domain, want := range map[string]string{
		"":            `map[] <nil> false`,
		"example.com": `map[marketing:news@news.example.com product:notices@mail.example.com] *transport.SES true`,
	} {
		t.Setenv("MAIL_DOMAIN", domain)
		var e mailEnv
		if err := read(&e); err != nil {
			t.Fatal(err)
		}
		var s mail.Sender
		err := (&host{}).useService(context.Background(), &s, e)
		if got := fmt.Sprintf("%v %T %t", s.From, s.Transports[template.Product], s.Account != nil); err != nil || got != want {
			t.Errorf("%q: %s, want %s (%v)", domain, got, want, err)
		}
	}
}

// Whatever knows the kinds of jobs knows those that send mail.
func TestMailIsAmongTheKinds(t *testing.T) {
	t.Parallel()
	kinds, err := registry(jobs.Kinds{}, &mail.Sender{})
	if err != nil || !slices.Contains(kinds.Names(), "mail.send") || !slices.Contains(kinds.Names(), "mail.send_marketing") {
		t.Errorf("%v, %v", kinds, err)
	}
}

// A secret needs an address to send from.
func TestMailSecretNeedsSender(t *testing.T) {
	t.Parallel()
	err := (&host{}).useService(context.Background(), &mail.Sender{}, mailEnv{Secret: "arn"})
	if err == nil || !strings.Contains(err.Error(), "MAIL_FROM") {
		t.Errorf("without MAIL_FROM: %v", err)
	}
}

// A secret names exactly one service. What is wrong with it is said without showing
// it.
func TestMailService(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"smtp":{"host":"smtp.example.com","username":"u","password":"hunter2"}}`: "*transport.SMTP",
		`{"resend":{"api_key":"re_hunter2"}}`:                                      "*transport.Resend",
		`{"smtp":{"password":"hunter2"}}`:                                          "<nil>",
		`{"smtp":{"host":"a"},"resend":{"api_key":"hunter2"}}`:                     "<nil>",
		`{}`: "<nil>", `hunter2`: "<nil>", ``: "<nil>",
	} {
		service, err := mailService([]byte(text))
		if got := fmt.Sprintf("%T", service); got != want || (err != nil) != (want == "<nil>") {
			t.Errorf("%s: %s, want %s (%v)", text, got, want, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error quotes the secret: %v", err)
		}
	}
}

// The environment says how mail leaves, to the API too. SES is asked only if there is a
// domain.
func TestMailSetup(t *testing.T) {
	for _, tt := range []struct{ domain, secret, want string }{
		{"", "", "none none false"}, {"example.com", "", "ses reject true"}, {"", "arn", "smtp_or_resend none false"}, {"example.com", "arn", "smtp_or_resend reject true"},
	} {
		t.Setenv("MAIL_DOMAIN", tt.domain)
		t.Setenv("MAIL_SECRET", tt.secret)
		t.Setenv("DMARC_POLICY", map[bool]string{true: "reject"}[tt.domain != ""])
		s, err := (&host{}).mailSetup()
		if got := fmt.Sprintf("%s %s %t", s.Transport(), s.Policy, s.Identity != nil && s.Account != nil); err != nil || got != tt.want {
			t.Errorf("%+v: %s (%v)", tt, got, err)
		}
	}
}

// The key of Resend's webhook is in the secret of Resend, if it reports. What is wrong
// is said without showing the secret.
func TestResendKey(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"resend":{"api_key":"re_1","webhook_secret":"whsec_MDEyMzQ1Njc4OWFiY2RlZg=="}}`: "16 <nil>",
		`{"resend":{"api_key":"re_1"}}`:                                  "0 <nil>",
		`{"smtp":{"host":"a"}}`:                                          "0 <nil>",
		`{"resend":{"api_key":"re_1","webhook_secret":"whsec_hunter2"}}`: "0 the secret of a webhook of Resend begins with whsec_",
		`hunter2`: "0 it must be JSON",
	} {
		key, err := resendKey([]byte(text))
		if got := fmt.Sprintf("%d %v", len(key), err); !strings.HasPrefix(got, want) || strings.Contains(got, "hunter2") {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
