package feedback_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"portico/shared/mail/feedback"
	"portico/shared/webhook/signing"
)

const resendSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// signed signs a body as Resend does, with the library of Standard Webhooks.
func signed(t testing.TB, secret string, at time.Time, body string) feedback.Signature {
	t.Helper()
	w, err := standard.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := w.Sign("msg_1", at, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return feedback.Signature{ID: "msg_1", Timestamp: fmt.Sprint(at.Unix()), Signatures: signature}
}

// Only what was signed with the secret, a few minutes ago at most, is accepted.
func TestVerifyResend(t *testing.T) {
	key, err := feedback.ResendSecret(resendSecret)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, time.March, 5, 14, 3, 0, 0, time.UTC)
	good := signed(t, resendSecret, now, "{}")
	other := signed(t, "whsec_"+base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 32))), now, "{}")
	with := func(change func(*feedback.Signature)) feedback.Signature {
		s := good
		change(&s)
		return s
	}
	for _, tt := range []struct {
		name string
		s    feedback.Signature
		body string
		now  time.Time
		good bool
	}{
		{"signed", good, "{}", now, true},
		{"one of two secrets", with(func(s *feedback.Signature) { s.Signatures = other.Signatures + " " + s.Signatures }), "{}", now, true},
		{"four minutes ago", good, "{}", now.Add(4 * time.Minute), true},
		{"our clock is late", good, "{}", now.Add(-4 * time.Minute), true},
		{"six minutes ago", good, "{}", now.Add(6 * time.Minute), false},
		{"in the future", good, "{}", now.Add(-6 * time.Minute), false},
		{"another body", good, "{ }", now, false},
		{"another secret", other, "{}", now, false},
		{"another id", with(func(s *feedback.Signature) { s.ID = "msg_2" }), "{}", now, false},
		{"no id", with(func(s *feedback.Signature) { s.ID = "" }), "{}", now, false},
		{"another time", with(func(s *feedback.Signature) { s.Timestamp = fmt.Sprint(now.Unix() + 1) }), "{}", now, false},
		{"no time", with(func(s *feedback.Signature) { s.Timestamp = "" }), "{}", now, false},
		{"a huge time", with(func(s *feedback.Signature) { s.Timestamp = "9223372036854775807" }), "{}", now, false},
		{"no signature", with(func(s *feedback.Signature) { s.Signatures = "" }), "{}", now, false},
		{"an empty signature", with(func(s *feedback.Signature) { s.Signatures = "v1," }), "{}", now, false},
		{"another version", with(func(s *feedback.Signature) { s.Signatures = "v2" + s.Signatures[2:] }), "{}", now, false},
		{"junk", with(func(s *feedback.Signature) { s.Signatures = "v1,??? \x00" }), "{}", now, false},
	} {
		if err := feedback.VerifyResend(key, tt.s, []byte(tt.body), tt.now); (err == nil) != tt.good {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for _, bad := range []string{"", "whsec_", "whsec_???", resendSecret[6:], "whsec_YQ=="} {
		if _, err := feedback.ResendSecret(bad); err == nil {
			t.Errorf("%q is accepted as a secret", bad)
		}
	}
}

// The example that Svix, which signs for Resend, has in its guide for verifying by hand.
func TestExampleOfSvix(t *testing.T) {
	key, err := feedback.ResendSecret("whsec_plJ3nmyCDGBKInavdOK15jsl")
	if err != nil {
		t.Fatal(err)
	}
	signature := feedback.Signature{ID: "msg_loFOjxBNrRLzqYUf", Timestamp: "1731705121", Signatures: "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="}
	if err := feedback.VerifyResend(key, signature, []byte(`{"event_type":"ping","data":{"success":true}}`), time.Unix(1731705121, 0)); err != nil {
		t.Error(err)
	}
}

// event returns an event of Resend about our mail.
func event(kind, more string) string {
	return `{"type":"` + kind + `","created_at":"2026-03-05T14:03:00.126Z","data":{"email_id":"re_1","to":["ada@example.org"],"tags":[{"name":"mail_id","value":"` + ours.String() + `"}]` + more + `}}`
}

func TestReadResend(t *testing.T) {
	at := time.Date(2026, time.March, 5, 14, 3, 0, 126_000_000, time.UTC)
	bounce := func(kind, sub string) string {
		return `,"bounce":{"type":"` + kind + `","subType":"` + sub + `","message":"no"}`
	}
	inList := "The mail service has the address in its list."
	for _, tt := range []struct {
		body string
		want feedback.Report
	}{
		{event("email.sent", ""), feedback.Report{What: feedback.Sent}},
		{event("email.delivered", ""), feedback.Report{What: feedback.Delivered}},
		{event("email.delivery_delayed", ""), feedback.Report{What: feedback.Delayed}},
		{event("email.complained", ""), feedback.Report{What: feedback.Complained}},
		{event("email.suppressed", ""), feedback.Report{What: feedback.Suppressed, Detail: inList}},
		{event("email.failed", `,"failed":{"reason":"reached_daily_quota"}`), feedback.Report{What: feedback.Rejected, Detail: "reached_daily_quota"}},
		{event("email.bounced", bounce("Permanent", "General")), feedback.Report{What: feedback.Bounced, Bounce: feedback.Permanent, Counts: true, Detail: "Permanent General: no"}},
		{event("email.bounced", bounce("Permanent", "Suppressed")), feedback.Report{What: feedback.Suppressed, Detail: inList}},
		{event("email.bounced", bounce("Transient", "MailboxFull")), feedback.Report{What: feedback.Bounced, Bounce: feedback.Transient, Detail: "Transient MailboxFull: no"}},
		{event("email.bounced", bounce("Transient", "ContentRejected")), feedback.Report{What: feedback.Bounced, Detail: "Transient ContentRejected: no"}},
		{event("email.bounced", bounce("Undetermined", "")), feedback.Report{What: feedback.Bounced, Bounce: feedback.Undetermined, Detail: "Undetermined : no"}},
	} {
		for _, body := range []string{tt.body, strings.Replace(tt.body, `[{"name":"mail_id","value":"`+ours.String()+`"}]`, `{"mail_id":"`+ours.String()+`"}`, 1)} {
			got, err := feedback.ReadResend([]byte(body))
			tt.want.Mail, tt.want.At, tt.want.ProviderID = ours, at, "re_1"
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("%s: %v\n%s", body, err, diff)
			}
		}
	}
	for body, noise := range map[string]bool{
		event("email.opened", ""): true, event("contact.created", ""): true, `{}`: true, `{"type":"email.bounced","data":{"tags":"x"}}`: true,
		`{"type":"email.bounced","data":{"tags":[{"name":"mail_id","value":"x"}]}}`: true,
		`[]`: false, ``: false, `{"data":[]}`: false, strings.Repeat(" ", feedback.MaxResend) + "{}": false,
	} {
		if _, err := feedback.ReadResend([]byte(body)); err == nil || errors.Is(err, feedback.ErrNotOurs) != noise {
			t.Errorf("%.80s: %v", body, err)
		}
	}
}

func FuzzReadResend(f *testing.F) {
	f.Add([]byte(event("email.bounced", `,"bounce":{"type":"Permanent"}`)))
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := feedback.ReadResend(body); err == nil {
			if err := sound(r); err != nil {
				t.Errorf("%v: %+v", err, r)
			}
		}
	})
}

// FuzzVerifyResend: a signature is valid for its own key, id, time and body, and no
// other text is one.
func FuzzVerifyResend(f *testing.F) {
	f.Add([]byte("key"), "msg_1", "1793000000", "v1,AAAA", []byte("{}"))
	f.Add([]byte("key"), "msg_1", "-9223372036854775808", "v1, v1,= v2,AAAA", []byte(""))
	f.Add([]byte(""), "a.b", "9223372036854775807", " v1,", []byte("."))
	f.Fuzz(func(t *testing.T, key []byte, id, timestamp, signatures string, body []byte) {
		now := time.Unix(1793000000, 0)
		if err := feedback.VerifyResend(key, feedback.Signature{ID: id, Timestamp: timestamp, Signatures: signatures}, body, now); err == nil {
			t.Errorf("%q signs %q", signatures, body)
		}
		valid, err := signing.SignStandard("msg_1", now, body, "whsec_"+base64.StdEncoding.EncodeToString(key))
		if err != nil {
			t.Fatal(err)
		}
		own := feedback.Signature{ID: "msg_1", Timestamp: "1793000000", Signatures: signatures + " " + valid}
		if err := feedback.VerifyResend(key, own, body, now); err != nil {
			t.Errorf("%q does not sign %q", own.Signatures, body)
		}
		if err := feedback.VerifyResend(key, own, append(body, 'x'), now); err == nil {
			t.Errorf("%q signs another body", own.Signatures)
		}
	})
}
