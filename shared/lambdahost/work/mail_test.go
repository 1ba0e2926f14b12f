package work

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"portico/shared/lambdahost"
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
		if err := lambdahost.Read(&e); err != nil {
			t.Fatal(err)
		}
		var s mail.Sender
		err := (&host{&lambdahost.Host{}}).useService(context.Background(), &s, e)
		if got := fmt.Sprintf("%v %T %t", s.From, s.Transports[template.Product], s.Account != nil); err != nil || got != want {
			t.Errorf("%q: %s, want %s (%v)", domain, got, want, err)
		}
	}
}

// A secret needs an address to send from.
func TestMailSecretNeedsSender(t *testing.T) {
	t.Parallel()
	err := (&host{&lambdahost.Host{}}).useService(context.Background(), &mail.Sender{}, mailEnv{Secret: "arn"})
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
