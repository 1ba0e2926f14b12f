package feedback

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"regexp"
	"strings"

	"portico/shared/id"
	"portico/shared/mail/transport"
	"portico/shared/name"
)

// What a message may have. Anybody can write to the address to which bounces go.
const (
	MaxMessage    = 1 << 20   // bytes
	maxPart       = 256 << 10 // bytes that are read of one part
	maxParts      = 20
	maxRecipients = 50
	maxWords      = 500 // bytes of what a server says
)

// ErrNoReport is returned for a message that is no report about a mail.
var ErrNoReport = errors.New("it is neither a report about a delivery (RFC 3464) nor one about spam (RFC 5965)")

// ReadMessage reads a report that came as a mail: a bounce (RFC 3464) or a report of
// spam (RFC 5965). Which mail it is about, it says in the copy of that mail's headers.
// A recipient can forge one, but only about the own mail, because the ids of others
// cannot be guessed, and the report names no address.
func ReadMessage(message []byte) (Report, error) {
	if len(message) > MaxMessage {
		return Report{}, fmt.Errorf("it has %d bytes, more than %d", len(message), MaxMessage)
	}
	m, err := mail.ReadMessage(bytes.NewReader(message))
	if err != nil {
		return Report{}, fmt.Errorf("it is not a mail: %w", err)
	}
	kind, parameters, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || parameters["boundary"] == "" {
		return Report{}, ErrNoReport
	}
	r := Report{}
	if at, err := m.Header.Date(); err == nil {
		r.At = at
	}
	found, parts := false, multipart.NewReader(m.Body, parameters["boundary"])
	for range maxParts {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Report{}, fmt.Errorf("its parts cannot be read: %w", err)
		}
		if r.read(part) {
			found = true
		}
	}
	switch {
	case !found:
		return Report{}, ErrNoReport
	case r.Mail.IsZero() || r.What == "":
		return Report{}, ErrNotOurs
	}
	return r, nil
}

// read reads a part, and reports whether it is the one that says what happened.
func (r *Report) read(part *multipart.Part) bool {
	kind, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
	if err != nil {
		return false
	}
	lines := textproto.NewReader(bufio.NewReader(io.LimitReader(Decoded(part.Header, part), maxPart)))
	switch kind {
	case "message/delivery-status", "message/global-delivery-status":
		r.delivery(lines)
		return true
	case "message/feedback-report":
		r.spam(lines)
		return true
	case "message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers":
		if headers, _ := lines.ReadMIMEHeader(); r.Mail.IsZero() { // what comes after the headers is of no use
			r.Mail = mailIn(headers)
		}
	}
	return false
}

// Decoded returns the content of a part, or of a mail, without its transfer encoding.
func Decoded(header textproto.MIMEHeader, content io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(header.Get("Content-Transfer-Encoding"))) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, content)
	case "quoted-printable":
		return quotedprintable.NewReader(content)
	}
	return content
}

// mailIn returns the mail whose headers these are. Some servers write a Message-ID of
// their own.
func mailIn(headers textproto.MIMEHeader) (found id.Mail) {
	found, err := id.Parse[id.Mail](strings.TrimSpace(headers.Get(transport.IDHeader)))
	if err != nil {
		left, _, _ := strings.Cut(strings.Trim(headers.Get("Message-Id"), " <>"), "@")
		found, _ = id.Parse[id.Mail](left)
	}
	return found
}

// spam reads the fields of a report of spam.
func (r *Report) spam(lines *textproto.Reader) {
	fields, _ := lines.ReadMIMEHeader()
	if kind := strings.ToLower(fields.Get("Feedback-Type")); kind != "" && kind != "not-spam" {
		r.What, r.Detail = Complained, words(kind)
	}
	r.time(fields.Get("Arrival-Date"))
}

// delivery reads the groups of fields of a report about a delivery: about the
// message, then about each recipient. A mail has one recipient; if an address stands
// for several people, a failure counts more than a delay, and that more than a
// delivery.
func (r *Report) delivery(lines *textproto.Reader) {
	_, err := lines.ReadMIMEHeader()
	worst := -1
	for range maxRecipients {
		if err != nil {
			return
		}
		var fields textproto.MIMEHeader
		fields, err = lines.ReadMIMEHeader()
		rank, known := ranks[strings.ToLower(strings.TrimSpace(fields.Get("Action")))]
		if known && rank > worst {
			worst = rank
			r.outcome(rank, fields)
		}
	}
}

// ranks of the actions of RFC 3464.
var ranks = map[string]int{"delivered": 0, "relayed": 0, "expanded": 0, "delayed": 1, "failed": 2}

func (r *Report) outcome(rank int, fields textproto.MIMEHeader) {
	_, said, typed := strings.Cut(fields.Get("Diagnostic-Code"), ";")
	if !typed {
		said = fields.Get("Diagnostic-Code")
	}
	r.What, r.Detail = []What{Delivered, Delayed, Bounced}[rank], words(said)
	r.time(fields.Get("Last-Attempt-Date"))
	if r.What != Bounced {
		return
	}
	code := status.FindStringSubmatch(fields.Get("Status"))
	if precise := status.FindStringSubmatch(said); precise != nil && (code == nil || code[2] == "0") {
		code = precise
	}
	r.Bounce = Undetermined
	if code != nil {
		r.Bounce = bounceOf(code[1], code[2], code[3])
	}
	r.Counts = r.Bounce == Permanent
}

// words returns what a server says as one line that can be shown and stored.
func words(text string) string {
	text = strings.TrimSpace(name.Clean(strings.ToValidUTF8(text, "")))
	return strings.ToValidUTF8(text[:min(len(text), maxWords)], "")
}

// time sets the time, if it is one.
func (r *Report) time(text string) {
	if at, err := mail.ParseDate(text); err == nil {
		r.At = at
	}
}

// status is an enhanced status code (RFC 3463): class, subject, detail.
var status = regexp.MustCompile(`\b([245])\.(\d{1,3})\.(\d{1,3})\b`)

// bounceOf says what a failure tells about the address: that it does not exist, that
// it could not be reached, or nothing, because the mail was refused for what it says
// or where it comes from.
func bounceOf(class, subject, detail string) string {
	switch {
	case class == "4": // it was tried for days
		return Transient
	case subject == "1", subject == "2" && detail == "1", subject == "4" && detail == "4": // no such address, closed, no such server
		return Permanent
	case subject == "2", subject == "3", subject == "4": // the mailbox is full, the server is not well
		return Transient
	case subject == "6", subject == "7": // content, policy
		return ""
	}
	return Undetermined
}
