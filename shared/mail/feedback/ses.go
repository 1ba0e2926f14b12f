package feedback

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"portico/shared/id"
)

// maxReport is the size of the largest message of SNS, in bytes.
const maxReport = 256 << 10

// sesEvent is an event of SES, as its configuration set publishes it. SES documents
// the members in «Contents of event data that Amazon SES publishes to Amazon SNS».
type sesEvent struct {
	EventType string `json:"eventType"`
	Mail      struct {
		Timestamp time.Time           `json:"timestamp"`
		MessageID string              `json:"messageId"`
		Tags      map[string][]string `json:"tags"`
	} `json:"mail"`
	Delivery struct {
		Timestamp time.Time `json:"timestamp"`
	} `json:"delivery"`
	Bounce struct {
		Type       string         `json:"bounceType"`
		SubType    string         `json:"bounceSubType"`
		Recipients []sesRecipient `json:"bouncedRecipients"`
		Timestamp  time.Time      `json:"timestamp"`
	} `json:"bounce"`
	Complaint struct {
		Type      string    `json:"complaintFeedbackType"`
		Timestamp time.Time `json:"timestamp"`
	} `json:"complaint"`
	Delay struct {
		Type       string         `json:"delayType"`
		Recipients []sesRecipient `json:"delayedRecipients"`
		Timestamp  time.Time      `json:"timestamp"`
	} `json:"deliveryDelay"`
	Reject struct {
		Reason string `json:"reason"`
	} `json:"reject"`
	Failure struct {
		Message string `json:"errorMessage"`
	} `json:"failure"`
}

type sesRecipient struct {
	Diagnostic string `json:"diagnosticCode"`
}

// ReadSES reads an event of SES.
func ReadSES(body string) (Report, error) {
	if len(body) > maxReport {
		return Report{}, fmt.Errorf("it has %d bytes; SNS sends at most %d", len(body), maxReport)
	}
	var e sesEvent
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		if strings.Contains(body, "Successfully validated SNS topic") { // SES sends it once, when the topic is set up
			return Report{}, ErrNotOurs
		}
		return Report{}, fmt.Errorf("it is not an event of SES: %w", err)
	}
	r := Report{At: e.Mail.Timestamp, ProviderID: e.Mail.MessageID}
	if tags := e.Mail.Tags["mail_id"]; len(tags) == 1 {
		r.Mail, _ = id.Parse[id.Mail](tags[0])
	}
	if r.Mail.IsZero() || !e.fill(&r) {
		return Report{}, ErrNotOurs
	}
	return r, nil
}

// fill sets what depends on the type of the event.
func (e *sesEvent) fill(r *Report) bool {
	switch e.EventType {
	case "Send":
		r.What = Sent
	case "Delivery":
		r.What, r.At = Delivered, e.Delivery.Timestamp
	case "DeliveryDelay":
		r.What, r.At, r.Detail = Delayed, e.Delay.Timestamp, e.Delay.Type
		r.add(e.Delay.Recipients)
	case "Bounce":
		e.bounce(r)
	case "Complaint":
		r.What, r.At, r.Detail = Complained, e.Complaint.Timestamp, e.Complaint.Type
	case "Reject":
		r.What, r.Detail = Rejected, e.Reject.Reason
	case "Rendering Failure", "RenderingFailure":
		r.What, r.Detail = Rejected, e.Failure.Message
	default:
		return false
	}
	return true
}

func (e *sesEvent) bounce(r *Report) {
	b := e.Bounce
	r.What, r.At, r.Detail = Bounced, b.Timestamp, b.Type+" "+b.SubType
	r.add(b.Recipients)
	switch b.Type {
	case "Permanent":
		r.Bounce, r.Counts = Permanent, true
		if b.SubType == "OnAccountSuppressionList" { // SES has not tried, and does not count it
			r.What, r.Bounce, r.Counts = Suppressed, "", false
			r.Detail = "The mail service has the address in its list."
		}
	case "Transient":
		switch b.SubType {
		case "MessageTooLarge", "ContentRejected", "AttachmentRejected": // about the mail, not the address
		default:
			r.Bounce = Transient
		}
	default:
		r.Bounce = Undetermined
	}
}

// add adds what the recipient's server said.
func (r *Report) add(recipients []sesRecipient) {
	for _, one := range recipients {
		if one.Diagnostic != "" {
			r.Detail += ": " + one.Diagnostic
		}
	}
}
