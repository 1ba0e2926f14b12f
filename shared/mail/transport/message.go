// Package transport hands mails to a service that delivers them: SES, an SMTP
// server, or Resend. Its errors are faults: Invalid if this mail can never be sent,
// TooMany if the service asks to wait, Unavailable if another try may succeed.
package transport

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"

	"portico/shared/fault"
	"portico/shared/name"
)

// Message is one mail to one person.
type Message struct {
	// ID is equal over all tries. It becomes the Message-ID, the tag mail_id at SES,
	// and the idempotency key at Resend.
	ID          string
	From, To    Address
	ReplyTo     string // a mail address, or ""
	Subject     string
	HTML, Text  string
	Unsubscribe string    // an https URL that RFC 8058's POST goes to; "" for critical mail
	At          time.Time // becomes the Date
}

// Address is a mail address with the name that is shown, which may be empty.
type Address struct{ Name, Address string }

const (
	maxName    = 200     // characters
	maxSubject = 200     // characters
	maxBody    = 5 << 20 // bytes of both parts; programs cut HTML far earlier
)

// checked returns the message with its addresses in the form in which they are
// sent, or a fault that names what is wrong.
func (m Message) checked() (Message, error) {
	var faults []error
	refuse := func(field, message string) { faults = append(faults, fault.InvalidField(field, message)) }
	for _, a := range []struct {
		field   string
		address *string
	}{{"from", &m.From.Address}, {"to", &m.To.Address}, {"reply_to", &m.ReplyTo}} {
		if a.field == "reply_to" && *a.address == "" {
			continue
		}
		encoded, err := EncodeAddress(*a.address)
		if err != nil {
			refuse(a.field, err.Error())
		}
		*a.address = encoded
	}
	m.From.Name, m.To.Name, m.Subject = literal(m.From.Name), literal(m.To.Name), literal(m.Subject)
	if err := oneLine(m.From.Name, maxName); err != nil {
		refuse("from.name", err.Error())
	}
	if err := oneLine(m.To.Name, maxName); err != nil {
		refuse("to.name", err.Error())
	}
	if err := oneLine(m.Subject, maxSubject); err != nil || m.Subject == "" {
		refuse("subject", "must be one line of 1 to 200 characters")
	}
	if !isID(m.ID) {
		refuse("id", "must have 1 to 64 letters, digits, hyphens and underscores")
	}
	if len(m.HTML)+len(m.Text) > maxBody || m.HTML == "" || m.Text == "" || !utf8.ValidString(m.HTML) || !utf8.ValidString(m.Text) {
		refuse("body", "must have HTML and text in UTF-8, together at most 5 MiB")
	}
	if u, err := url.Parse(m.Unsubscribe); m.Unsubscribe != "" && (err != nil || u.Scheme != "https" || u.Host == "" || !isPrintable(m.Unsubscribe)) {
		refuse("unsubscribe", "must be an absolute https URL in ASCII")
	}
	return m, fault.Join(faults...)
}

// literal removes spaces around a text, which a header cannot keep, and separates the characters that begin an encoded word (RFC 2047): programs
// would show what a customer encoded, such as a line end, instead of the text.
func literal(text string) string { return strings.ReplaceAll(strings.Trim(text, " "), "=?", "= ?") }

func oneLine(text string, most int) error {
	if !utf8.ValidString(text) || utf8.RuneCountInString(text) > most {
		return fmt.Errorf("must be UTF-8 of at most %d characters", most)
	}
	return name.Check(text)
}

// isID reports whether a text can be a tag at SES and the left side of a Message-ID.
func isID(text string) bool {
	return text != "" && len(text) <= 64 && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}

// isPrintable reports whether a URL can stand between < and > in a header.
func isPrintable(url string) bool {
	return !strings.ContainsFunc(url, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '<' || r == '>' || r == ',' })
}

// IDHeader has the mail's id. A report about the mail quotes it, while some services
// change the Message-ID.
const IDHeader = "X-Portico-Mail"

// headers are those that only some mails have, by name.
func (m Message) headers() map[string]string {
	h := map[string]string{
		"Auto-Submitted": "auto-generated", // no out-of-office replies
		IDHeader:         m.ID,
	}
	if m.Unsubscribe != "" {
		h["List-Unsubscribe"] = "<" + m.Unsubscribe + ">"
		h["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
	}
	return h
}

// MIME returns the message as it goes over the wire (RFC 5322), with lines that end
// in CRLF, or a fault that names what is wrong with it. It is the same for every try.
func (m Message) MIME() ([]byte, error) {
	m, err := m.checked()
	if err != nil {
		return nil, err
	}
	return m.mime()
}

// mime returns the message, which is checked.
func (m Message) mime() ([]byte, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithBoundary("portico-"+m.ID))
	msg.Subject(m.Subject)
	msg.SetDateWithValue(m.At.UTC())
	_, domain, _ := strings.Cut(m.From.Address, "@")
	msg.SetMessageIDWithValue(m.ID + "@" + domain)
	for header, value := range m.headers() {
		msg.SetGenHeader(gomail.Header(header), value)
	}
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	// The library would write the addresses as net/mail does, or in any order.
	out := bytes.NewBufferString("From: " + m.From.encoded() + "\r\nTo: " + m.To.encoded() + "\r\n")
	if m.ReplyTo != "" {
		out.WriteString("Reply-To: <" + m.ReplyTo + ">\r\n")
	}
	if _, err := msg.WriteTo(out); err != nil {
		return nil, fmt.Errorf("transport: %w", err)
	}
	return out.Bytes(), nil
}
