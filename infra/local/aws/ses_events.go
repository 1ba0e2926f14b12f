package aws

import (
	"encoding/json"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
)

// Event is something that became of a mail.
type Event struct {
	Type   string // such as DeliveryDelay
	Detail string // such as Permanent, General
	At     time.Time
	Queues int // how many got it
}

// The types of events.
const (
	Sent          = "Send"
	Delivery      = "Delivery"
	Bounce        = "Bounce"
	Complaint     = "Complaint"
	DeliveryDelay = "DeliveryDelay"
	Reject        = "Reject"
)

// matching are the names that event destinations have for events.
var matching = map[string]string{
	Sent: "send", Delivery: "delivery", Bounce: "bounce", Complaint: "complaint", Reject: "reject", DeliveryDelay: "deliveryDelay",
}

// Report makes something become of a mail, for all of its recipients: Delivery,
// Bounce, Complaint or DeliveryDelay.
func (s *Server) Report(id, event string) error {
	m, ok := s.mailbox.Get(id)
	if !ok {
		return fmt.Errorf("there is no mail %s", id)
	}
	switch event {
	case Delivery:
		s.deliver(m, m.recipients())
	case Bounce:
		s.bounce(m, m.recipients(), general)
	case Complaint:
		s.complain(m, m.recipients())
	case DeliveryDelay:
		s.delay(m, m.recipients())
	default:
		return fmt.Errorf("there is no event %s; there are %s, %s, %s and %s", event, Delivery, Bounce, Complaint, DeliveryDelay)
	}
	return nil
}

func (m Mail) recipients() []string { return slices.Concat(m.To, m.Cc, m.Bcc) }

// bounceKind is why a mail came back.
type bounceKind struct {
	kind, sub, action, status, diagnostic string
}

var (
	general       = bounceKind{"Permanent", "General", "failed", "5.1.1", "smtp; 550 5.1.1 user unknown"}
	outOfOffice   = bounceKind{kind: "Transient", sub: "General"}
	onGlobalList  = bounceKind{"Permanent", "Suppressed", "failed", "5.1.1", "Amazon SES has suppressed sending to this address because it has a recent history of bouncing as an invalid address."}
	onAccountList = bounceKind{"Permanent", "OnAccountSuppressionList", "failed", "5.1.1", "Amazon SES did not send the message to this address because it is on the suppression list for your account."}
)

func (s *Server) bounce(m Mail, recipients []string, why bounceKind) {
	var list []map[string]string
	for _, address := range recipients {
		r := map[string]string{"emailAddress": address}
		if why.status != "" {
			r["action"], r["status"], r["diagnosticCode"] = why.action, why.status, why.diagnostic
		}
		list = append(list, r)
	}
	feedback := newID()
	if why == general {
		s.suppress(m, recipients, "BOUNCE", feedback)
	}
	s.emit(m, Bounce, why.kind+", "+why.sub, map[string]any{
		"bounceType": why.kind, "bounceSubType": why.sub, "bouncedRecipients": list, "timestamp": eventTimeOf(s.opts.Clock()),
		"feedbackId": feedback, "reportingMTA": "dsn; a8-70.smtp-out.amazonses.com",
	}, nil)
}

func (s *Server) complain(m Mail, recipients []string) {
	now, feedback := eventTimeOf(s.opts.Clock()), newID()
	s.suppress(m, recipients, "COMPLAINT", feedback)
	s.emit(m, Complaint, "abuse", map[string]any{
		"complainedRecipients": addressed(recipients), "timestamp": now, "arrivalDate": now, "feedbackId": feedback,
		"complaintSubType": nil, "userAgent": "Portico local stack", "complaintFeedbackType": "abuse",
	}, nil)
}

func addressed(recipients []string) []map[string]string {
	var list []map[string]string
	for _, address := range recipients {
		list = append(list, map[string]string{"emailAddress": address})
	}
	return list
}

func (s *Server) deliver(m Mail, recipients []string) {
	now := s.opts.Clock()
	s.emit(m, Delivery, "", map[string]any{
		"timestamp": eventTimeOf(now), "processingTimeMillis": max(1, now.Sub(m.At).Milliseconds()), "recipients": recipients,
		"smtpResponse": "250 2.6.0 Message received", "remoteMtaIp": "127.0.0.1", "reportingMTA": "a8-70.smtp-out.amazonses.com",
	}, map[string][]string{"ses:outgoing-ip": {"127.0.0.1"}})
}

// delayEnds is how long SES tries to deliver a mail.
const delayEnds = 14 * time.Hour

func (s *Server) delay(m Mail, recipients []string) {
	now := s.opts.Clock()
	var list []map[string]string
	for _, address := range recipients {
		list = append(list, map[string]string{
			"emailAddress": address, "status": "4.4.1", "diagnosticCode": "smtp; 421 4.4.1 Unable to connect to remote host",
		})
	}
	s.emit(m, DeliveryDelay, "TransientCommunicationFailure", map[string]any{
		"timestamp": eventTimeOf(now), "delayType": "TransientCommunicationFailure", "expirationTime": eventTimeOf(m.At.Add(delayEnds)),
		"delayedRecipients": list,
	}, nil)
}

// emit remembers an event and sends it to the event destinations of the mail's
// configuration set that match it.
func (s *Server) emit(m Mail, event, detail string, about map[string]any, tags map[string][]string) {
	object := m.object(s, tags)
	field := strings.ToLower(event[:1]) + event[1:]
	message, _ := json.Marshal(map[string]any{"eventType": event, "mail": object, field: about}) // texts and numbers
	e := Event{Type: event, Detail: detail, At: s.opts.Clock()}
	for _, set := range s.ses.wiring.ConfigurationSets {
		for _, destination := range set.Destinations {
			if set.Name == m.ConfigurationSet && slices.Contains(destination.Events, matching[event]) {
				e.Queues += s.publish(destination.TopicARN, "Amazon SES Email Event Notification", string(message))
			}
		}
	}
	s.mailbox.happened(m.ID, e)
}

// maxHeaderBytes is the size above which SES leaves out the rest of the headers.
const maxHeaderBytes = 10 << 10

// Header is a line of a mail's head.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// object is the field mail of an event.
func (m Mail) object(s *Server, more map[string][]string) map[string]any {
	headers, truncated := m.shownHeaders()
	tags := map[string][]string{
		"ses:source-ip": {"127.0.0.1"}, "ses:caller-identity": {"local"}, "ses:from-domain": {domainOf(m.From)}, "ses:operation": {"SendEmail"},
	}
	if m.ConfigurationSet != "" {
		tags["ses:configuration-set"] = []string{m.ConfigurationSet}
	}
	for _, tag := range m.Tags {
		name, value, _ := strings.Cut(tag, "=")
		tags[name] = append(tags[name], value)
	}
	for name, values := range more {
		tags[name] = values
	}
	common := map[string]any{"from": []string{m.From}, "to": m.To, "messageId": m.ID, "subject": m.Subject}
	if len(m.Cc) > 0 {
		common["cc"] = m.Cc
	}
	if len(m.ReplyTo) > 0 {
		common["replyTo"] = m.ReplyTo
	}
	return map[string]any{
		"timestamp": eventTimeOf(m.At), "messageId": m.ID, "source": m.From, "sendingAccountId": s.opts.AccountID,
		"sourceArn":   fmt.Sprintf("arn:aws:ses:%s:%s:identity/%s", s.opts.Region, s.opts.AccountID, domainOf(m.From)),
		"destination": m.recipients(), "headersTruncated": truncated, "headers": headers, "commonHeaders": common, "tags": tags,
	}
}

// Headers returns the headers in the order of the message.
func (m Mail) Headers() (list []Header) {
	if len(m.Raw) == 0 {
		return []Header{{"From", m.From}, {"To", strings.Join(m.To, ", ")}, {"Subject", m.Subject}, {"MIME-Version", "1.0"}}
	}
	text, _, _ := strings.Cut(strings.ReplaceAll(string(m.Raw), "\r\n", "\n"), "\n\n")
	for line := range strings.SplitSeq(text, "\n") {
		if n := len(list); n > 0 && (strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")) {
			list[n-1].Value += " " + strings.TrimSpace(line)
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		list = append(list, Header{name, strings.TrimSpace(value)})
	}
	return list
}

// shownHeaders returns the headers as far as events have them.
func (m Mail) shownHeaders() (list []Header, truncated bool) {
	list = m.Headers()
	size := 0
	for i, h := range list {
		if size += len(h.Name) + len(h.Value); size > maxHeaderBytes {
			return list[:i], true
		}
	}
	return list, false
}

// domainOf returns the domain of an address, with or without a name.
func domainOf(from string) string {
	if parsed, err := mail.ParseAddress(from); err == nil {
		from = parsed.Address
	}
	return strings.ToLower(from[strings.LastIndexByte(from, '@')+1:])
}
