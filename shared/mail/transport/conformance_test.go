package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portico/shared/fault"
	"portico/shared/mail/transport"
	"portico/shared/testkit"
)

// message returns a mail that every transport sends.
func message(id string) transport.Message {
	return transport.Message{
		ID: id, From: transport.Address{Name: "Acme", Address: "notices@mail.acme.example"},
		To: transport.Address{Name: "Zoë \"Z\" O’Brien, Łukasz", Address: "zoe@example.com"}, ReplyTo: "help@acme.example",
		Subject: "Grüße aus Köln: " + strings.Repeat("ä", 60), HTML: "<p>Grüße</p>\n", Text: "Grüße\n.\nEnde\n",
		Unsubscribe: "https://portico.example.com/u/" + strings.Repeat("aB3-_", 40), At: time.Date(2026, 3, 5, 14, 3, 0, 0, time.UTC),
	}
}

func background(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Every transport delivers the same mail.
func TestMailArrives(t *testing.T) {
	for _, s := range standIns(t) {
		m := message("mail_1")
		id, err := s.Send(background(t), m)
		if err != nil || id == "" {
			t.Errorf("%s: id %q, %v", s.name, id, err)
			continue
		}
		mails := s.taken()
		if len(mails) != 1 {
			t.Errorf("%s: %d mails arrived", s.name, len(mails))
			continue
		}
		got := mails[0]
		normal := strings.NewReplacer("\r\n", "\n")
		got.HTML, got.Text = normal.Replace(got.HTML), normal.Replace(got.Text)
		want := received{
			From: mail.Address(m.From), To: mail.Address(m.To), Subject: m.Subject, HTML: m.HTML, Text: m.Text,
			Unsub: [2]string{"<" + m.Unsubscribe + ">", "List-Unsubscribe=One-Click"}, Recipient: []string{"zoe@example.com"},
			Headers: got.Headers, MailID: "mail_id=mail_1", Raw: got.Raw,
		}
		if s.name == "SMTP" {
			want.MailID = "" // SMTP has no tags
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s.name, diff)
		}
		if !strings.Contains(strings.Join(got.Headers, " "), "Auto-Submitted") {
			t.Errorf("%s: headers %v", s.name, got.Headers)
		}
	}
}

// A transport that says that it dedupes sends a mail once, however often it is
// handed over, and the others as often as it is.
func TestDedupes(t *testing.T) {
	for _, s := range standIns(t) {
		var ids []string
		for range 3 {
			id, err := s.Send(background(t), message("mail_again"))
			testkit.Must(t, err)
			ids = append(ids, id)
		}
		want := 3
		if s.Dedupes() {
			want = 1
			if ids[0] != ids[2] {
				t.Errorf("%s: ids %v", s.name, ids)
			}
		}
		if n := len(s.taken()); n != want {
			t.Errorf("%s: %d mails arrived, want %d", s.name, n, want)
		}
	}
}

// Every transport says in the same words what a service's errors mean.
func TestErrors(t *testing.T) {
	for _, s := range standIns(t) {
		for _, c := range []struct {
			reply   reply
			want    *fault.Error
			arrived int
		}{
			{refuse, transport.ErrRefused, 0},
			{refuseUs, transport.ErrAway, 0},
			{slowDown, transport.ErrThrottled, 0},
			{fail, transport.ErrAway, 0},
			{acceptMute, transport.ErrUnknown, 1},
			{accept, nil, 1},
		} {
			s.answerWith(c.reply)
			_, err := s.Send(background(t), message(fmt.Sprintf("mail_%d", c.reply)))
			if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%s: reply %d: %v, want %v", s.name, c.reply, err, c.want)
			}
			if n := len(s.taken()); n != c.arrived {
				t.Errorf("%s: reply %d: %d mails arrived, want %d", s.name, c.reply, n, c.arrived)
			}
			if c.reply == slowDown && s.name != "SMTP" && fault.Of(err).RetryAfter != 7*time.Second {
				t.Errorf("%s: wait %v, want 7s", s.name, fault.Of(err).RetryAfter)
			}
		}
	}
}

// A service that does not answer gets no mail, and a caller who stops waiting gets
// an error soon.
func TestAway(t *testing.T) {
	for _, s := range away(t) {
		if _, err := s.Send(background(t), message("mail_1")); !errors.Is(err, transport.ErrAway) {
			t.Errorf("%s: %v", s.name, err)
		}
	}
	for _, s := range standIns(t) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Send(ctx, message("mail_1")); fault.Of(err) == nil || fault.Of(err).Kind != fault.Unavailable || len(s.taken()) > 0 {
			t.Errorf("%s: %v", s.name, err)
		}
	}
}

// What is wrong with a message is a fault that names the field; nothing is sent.
func TestRefusedMessages(t *testing.T) {
	for _, s := range standIns(t) {
		for field, spoil := range map[string]func(*transport.Message){
			"id":          func(m *transport.Message) { m.ID = "a b" },
			"from":        func(m *transport.Message) { m.From.Address = "acme" },
			"to":          func(m *transport.Message) { m.To.Address = "zoe@example.com\r\nBcc: x@evil.example" },
			"to.name":     func(m *transport.Message) { m.To.Name = "Zoë\r\nBcc: x@evil.example" },
			"from.name":   func(m *transport.Message) { m.From.Name = "Acme\n" },
			"reply_to":    func(m *transport.Message) { m.ReplyTo = "a@b.example, c@d.example" },
			"subject":     func(m *transport.Message) { m.Subject = "Hi\nBcc: x@evil.example" },
			"body":        func(m *transport.Message) { m.Text = "\xff" },
			"unsubscribe": func(m *transport.Message) { m.Unsubscribe = "https://a.example/>\r\nBcc: x@evil.example" },
		} {
			m := message("mail_1")
			spoil(&m)
			_, err := s.Send(background(t), m)
			if f := fault.Of(err); f == nil || f.Kind != fault.Invalid || len(f.Fields) != 1 || f.Fields[0].Name != field {
				t.Errorf("%s: %s: %v", s.name, field, err)
			}
		}
		if n := len(s.taken()); n > 0 {
			t.Errorf("%s: %d mails arrived", s.name, n)
		}
	}
}

// away are transports whose services do not exist.
func away(t *testing.T) []*standIn {
	t.Helper()
	smtp, err := transport.NewSMTP(transport.SMTPServer{Host: "127.0.0.1", Port: 1, Timeout: time.Second})
	testkit.Must(t, err)
	resend, err := transport.NewResend("re_key", "http://127.0.0.1:1/", time.Second)
	testkit.Must(t, err)
	return []*standIn{
		{name: "SES", sender: transport.NewSES(config("http://127.0.0.1:1"), "product")},
		{name: "SMTP", sender: smtp}, {name: "Resend", sender: resend},
	}
}

// A server without STARTTLS gets neither a mail nor the password.
func TestPlaintextIsRefused(t *testing.T) {
	s := &standIn{name: "SMTP without TLS"}
	host, port := listen(t, s, nil)
	var err error
	s.sender, err = transport.NewSMTP(transport.SMTPServer{Host: host, Port: port, Username: "user", Password: "password", Timeout: 10 * time.Second})
	testkit.Must(t, err)
	if _, err := s.Send(background(t), message("mail_1")); !errors.Is(err, transport.ErrAway) || !strings.Contains(err.Error(), "STARTTLS") {
		t.Errorf("%v", err)
	}
	if s.logins() > 0 || len(s.taken()) > 0 {
		t.Errorf("%d logins", s.logins())
	}
}

// A server whose certificate is not trusted gets nothing either.
func TestForeignCertificate(t *testing.T) {
	s := &standIn{name: "SMTP with a foreign certificate"}
	host, port := listen(t, s, testkit.NewAuthority(t).Server())
	var err error
	s.sender, err = transport.NewSMTP(transport.SMTPServer{Host: host, Port: port, Username: "user", Password: "password", Timeout: 10 * time.Second})
	testkit.Must(t, err)
	if _, err := s.Send(background(t), message("mail_1")); !errors.Is(err, transport.ErrAway) || s.logins() > 0 {
		t.Errorf("%v, %d logins", err, s.logins())
	}
}
