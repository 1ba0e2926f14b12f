package webhook

import (
	"portico/shared/clock"
	"portico/shared/id"
)

// Operational events about the mails that Portico sends for the organization.
const (
	EventMailDelivered  = "mail.delivered"
	EventMailBounced    = "mail.bounced"
	EventMailComplained = "mail.complained"
	EventMailSuppressed = "mail.suppressed"
)

// MailNotice is the part of the data that all mail.* events share.
type MailNotice struct {
	MailID    id.Mail     `json:"mail_id"`
	Template  string      `json:"template"`
	Recipient string      `json:"recipient"`
	At        clock.Stamp `json:"at"`
}

// The data of the events.
type (
	MailDelivered struct{ MailNotice }
	MailBounced   struct {
		MailNotice
		Bounce string `json:"bounce"`
		Detail string `json:"detail"`
	}
	MailComplained struct{ MailNotice }
	MailSuppressed struct {
		MailNotice
		Reason string `json:"reason"`
	}
)

// NewMailNotice returns the operational event about a mail whose data has the Go type
// of data.
func NewMailNotice(org id.Org, data any) Notice { return NewNotice(org, id.WebhookEndpoint{}, data) }
