package feedback_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"portico/shared/id"
	"portico/shared/mail/feedback"
	"portico/shared/mail/transport"
)

var ours = id.Derive[id.Mail]("a mail")

// report returns a report with two parts: what happened, and the headers of the mail.
func report(kind, fields, headers string) string {
	return "From: MAILER-DAEMON@mx.example.org\r\nDate: Thu, 05 Mar 2026 14:05:00 +0100\r\n" +
		"Content-Type: multipart/report; report-type=" + kind + "; boundary=\"b\"\r\n\r\n" +
		"--b\r\nContent-Type: text/plain\r\n\r\nI am sorry.\r\n" +
		"--b\r\nContent-Type: message/" + kind + "\r\n\r\n" + strings.ReplaceAll(fields, "\n", "\r\n") + "\r\n" +
		"--b\r\nContent-Type: message/rfc822\r\n\r\n" + headers + "\r\n\r\n<p>Hello</p>\r\n--b--\r\n"
}

var (
	own      = "Message-ID: <" + ours.String() + "@mail.example.com>\r\nSubject: Hello"
	byHeader = "Message-ID: <changed@relay.example.net>\r\nX-Portico-Mail: " + ours.String()
)

// dsn returns a report about a delivery to one recipient.
func dsn(action, status, diagnostic string) string {
	return report("delivery-status", "Reporting-MTA: dns; mx.example.org\nArrival-Date: Thu, 05 Mar 2026 14:03:00 +0100\n\n"+
		"Final-Recipient: rfc822; ada@example.org\nAction: "+action+"\nStatus: "+status+"\nDiagnostic-Code: "+diagnostic+"\nLast-Attempt-Date: Thu, 05 Mar 2026 14:04:00 +0100\n", own)
}

// What servers report becomes what the mail's status and the address get.
func TestReadMessage(t *testing.T) {
	at := time.Date(2026, time.March, 5, 13, 4, 0, 0, time.UTC)
	for _, tt := range []struct {
		name, message string
		want          feedback.Report
	}{
		{"no such address", dsn("failed", "5.1.1", "smtp; 550 5.1.1 <ada@example.org>: user unknown"), feedback.Report{What: feedback.Bounced, Bounce: feedback.Permanent, Counts: true, Detail: "550 5.1.1 <ada@example.org>: user unknown"}},
		{"the precise code is in the words", dsn("failed", "5.0.0", "smtp; 550 5.1.10 RESOLVER.ADR.RecipientNotFound"), feedback.Report{What: feedback.Bounced, Bounce: feedback.Permanent, Counts: true, Detail: "550 5.1.10 RESOLVER.ADR.RecipientNotFound"}},
		{"a full mailbox", dsn("failed", "5.2.2", "smtp; 552 5.2.2 mailbox full"), feedback.Report{What: feedback.Bounced, Bounce: feedback.Transient, Detail: "552 5.2.2 mailbox full"}},
		{"a closed mailbox", dsn("failed", "5.2.1", "smtp; 550 disabled"), feedback.Report{What: feedback.Bounced, Bounce: feedback.Permanent, Counts: true, Detail: "550 disabled"}},
		{"given up after days", dsn("failed", "4.4.7", "smtp; 451 try later"), feedback.Report{What: feedback.Bounced, Bounce: feedback.Transient, Detail: "451 try later"}},
		{"refused as spam", dsn("failed", "5.7.1", "smtp; 554 5.7.1 spam"), feedback.Report{What: feedback.Bounced, Detail: "554 5.7.1 spam"}},
		{"no reason", dsn("failed", "5.0.0", "failed"), feedback.Report{What: feedback.Bounced, Bounce: feedback.Undetermined, Detail: "failed"}},
		{"no code", dsn("Failed ", "", ""), feedback.Report{What: feedback.Bounced, Bounce: feedback.Undetermined}},
		{"delayed", dsn("delayed", "4.4.1", "smtp; connection timed out"), feedback.Report{What: feedback.Delayed, Detail: "connection timed out"}},
		{"delivered", dsn("delivered", "2.0.0", "smtp; 250 ok"), feedback.Report{What: feedback.Delivered, Detail: "250 ok"}},
		{"relayed", dsn("relayed", "2.0.0", ""), feedback.Report{What: feedback.Delivered}},
		{"another Message-ID", strings.Replace(dsn("failed", "5.1.1", "no"), own, byHeader, 1), feedback.Report{What: feedback.Bounced, Bounce: feedback.Permanent, Counts: true, Detail: "no"}},
		{"headers only", strings.Replace(dsn("failed", "5.1.1", "no"), "message/rfc822", "text/rfc822-headers", 1), feedback.Report{What: feedback.Bounced, Bounce: feedback.Permanent, Counts: true, Detail: "no"}},
		{"in base64", strings.Replace(dsn("failed", "5.1.1", "no"), "Content-Type: message/rfc822\r\n\r\n"+own, "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"+base64.StdEncoding.EncodeToString([]byte(own+"\r\n\r\n")), 1), feedback.Report{What: feedback.Bounced, Bounce: feedback.Permanent, Counts: true, Detail: "no"}},
		{"one of several", report("delivery-status", "Reporting-MTA: dns; x\n\nAction: delivered\nStatus: 2.0.0\nLast-Attempt-Date: Thu, 05 Mar 2026 13:00:00 +0000\n\nAction: failed\nStatus: 5.1.1\nLast-Attempt-Date: Thu, 05 Mar 2026 13:04:00 +0000\n\nAction: delayed\nStatus: 4.0.0\n", own), feedback.Report{What: feedback.Bounced, Bounce: feedback.Permanent, Counts: true}},
		{"spam", report("feedback-report", "Feedback-Type: abuse\nUser-Agent: x/1\nVersion: 1\nArrival-Date: Thu, 05 Mar 2026 13:04:00 +0000\n", own), feedback.Report{What: feedback.Complained, Detail: "abuse"}},
	} {
		got, err := feedback.ReadMessage([]byte(tt.message))
		tt.want.Mail, tt.want.At = ours, at
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", tt.name, err, diff)
		}
	}
}

// Messages that are no report, or none about a mail of ours, are told apart from
// those that cannot be read. None panics or takes long.
func TestReadMessageRefuses(t *testing.T) {
	not := func(message string) string { return strings.Replace(message, own, "Message-ID: <x@y.example>", 1) }
	for name, tt := range map[string]struct {
		message string
		noise   bool // a report, but not of ours
	}{
		"nothing":                 {"", false},
		"no mail":                 {"\x00\x01\x02", false},
		"a letter":                {"From: a@b.example\r\nContent-Type: text/plain\r\n\r\nHello", false},
		"an answer of a holiday":  {"From: a@b.example\r\nAuto-Submitted: auto-replied\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--", false},
		"no boundary":             {"Content-Type: multipart/report\r\n\r\n--b\r\n", false},
		"no parts":                {"Content-Type: multipart/report; boundary=b\r\n\r\n--b--", false},
		"another type":            {strings.Replace(dsn("failed", "5.1.1", ""), "message/delivery-status", "text/plain", 1), false},
		"too large":               {dsn("failed", "5.1.1", "") + strings.Repeat("x", feedback.MaxMessage), false},
		"about another mail":      {not(dsn("failed", "5.1.1", "")), true},
		"about no mail":           {strings.Replace(dsn("failed", "5.1.1", ""), own, "", 1), true},
		"an unknown action":       {dsn("juggled", "5.1.1", ""), true},
		"no action":               {report("delivery-status", "Reporting-MTA: dns; x\n", own), true},
		"not spam":                {report("feedback-report", "Feedback-Type: not-spam\n", own), true},
		"spam without type":       {report("feedback-report", "Version: 1\n", own), true},
		"an id of something else": {strings.Replace(dsn("failed", "5.1.1", ""), ours.String(), strings.Replace(ours.String(), "mail_", "org_", 1), 1), true},
	} {
		r, err := feedback.ReadMessage([]byte(tt.message))
		if err == nil {
			t.Errorf("%s is accepted: %+v", name, r)
		}
		if errors.Is(err, feedback.ErrNotOurs) != tt.noise {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A report with very many parts, recipients or fields is read in part only.
func TestReadMessageIsBounded(t *testing.T) {
	many := "Reporting-MTA: dns; x\n\n" + strings.Repeat("Action: delivered\nStatus: 2.0.0\n\n", 10_000) + "Action: failed\nStatus: 5.1.1\n"
	r, err := feedback.ReadMessage([]byte(report("delivery-status", many, own)))
	if err != nil || r.What != feedback.Delivered {
		t.Errorf("%+v, %v", r, err)
	}
	parts := strings.Replace(dsn("failed", "5.1.1", ""), "--b\r\nContent-Type: text/plain", strings.Repeat("--b\r\n\r\nx\r\n", 1_000)+"--b\r\nContent-Type: text/plain", 1)
	if _, err := feedback.ReadMessage([]byte(parts)); !errors.Is(err, feedback.ErrNoReport) {
		t.Errorf("a thousand parts: %v", err)
	}
}

// The header that a report is matched by is in every mail.
func TestMailsHaveTheHeader(t *testing.T) {
	message, err := transport.Message{
		ID: ours.String(), At: time.Now(), From: transport.Address{Address: "a@mail.example.com"}, To: transport.Address{Address: "b@example.org"},
		Subject: "s", HTML: "<p>h</p>", Text: "t",
	}.MIME()
	if err != nil {
		t.Fatal(err)
	}
	headers, _, _ := strings.Cut(string(message), "\r\n\r\n")
	for _, without := range []string{"Message-ID", transport.IDHeader} { // either is enough
		text := ""
		for _, line := range strings.Split(headers, "\r\n") {
			if !strings.HasPrefix(line, without+":") {
				text += line + "\r\n"
			}
		}
		r, err := feedback.ReadMessage([]byte(strings.Replace(dsn("failed", "5.1.1", ""), own, strings.TrimSpace(text), 1)))
		if err != nil || r.Mail != ours {
			t.Errorf("without %s: %v\n%s", without, err, text)
		}
	}
}

// What a server says is one line that can be stored.
func TestWordsOfServers(t *testing.T) {
	r, err := feedback.ReadMessage([]byte(dsn("failed", "5.1.1", "smtp; a\tb\u202e"+strings.Repeat("ä", 600))))
	if err != nil || sound(r) != nil || !strings.HasPrefix(r.Detail, "a b") {
		t.Errorf("%+v, %v", r, err)
	}
}

func FuzzReadMessage(f *testing.F) {
	for _, seed := range []string{
		dsn("failed", "5.1.1", "smtp; 550 5.1.1 unknown"), dsn("delayed", "4.4.1", ""), report("feedback-report", "Feedback-Type: abuse\n", own),
		strings.Replace(dsn("failed", "5.1.1", ""), own, byHeader, 1), "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		r, err := feedback.ReadMessage(message)
		if err != nil {
			return
		}
		if err := sound(r); err != nil {
			t.Errorf("%v: %+v", err, r)
		}
	})
}

// sound reports whether a report can be applied.
func sound(r feedback.Report) error {
	switch {
	case r.Mail.IsZero():
		return errors.New("it names no mail")
	case r.What == "":
		return errors.New("it says nothing")
	case len(r.Detail) > 500 || strings.ContainsAny(r.Detail, "\x00\r\n") || !utf8.ValidString(r.Detail):
		return fmt.Errorf("its words are %q", r.Detail)
	case r.Bounce != "" && r.What != feedback.Bounced, r.Counts && r.Bounce != feedback.Permanent:
		return fmt.Errorf("%s with the bounce %q", r.What, r.Bounce)
	}
	return nil
}
