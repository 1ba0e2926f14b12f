package webhook

import (
	"encoding/json"
	"reflect"
	"slices"

	"portico/shared/clock"
	"portico/shared/id"
)

// Operational events tell an organization about its own deliveries and mails. Only Portico
// publishes these types. They go to endpoints that subscribe to them by name or
// prefix. An endpoint gets no operational event that its own deliveries caused,
// and deliveries of operational events cause none: so there is no loop.
const (
	EventFailing   = "webhook_endpoint.failing"
	EventDisabled  = "webhook_endpoint.disabled"
	EventRecovered = "webhook_endpoint.recovered"
	EventExhausted = "delivery.exhausted"
	EventExpiring  = "webhook_endpoint.certificate_expiring"
	EventTest      = "webhook_endpoint.test"
)

// OperationalEvent describes one type: what it means, and a zero value of its
// data. Each type has its own Go type of data.
type OperationalEvent struct {
	Type, Meaning string
	Data          any
}

var operational = []OperationalEvent{
	{EventFailing, "All tries have failed for at least a minute, and at least five in a row.", FailingNotice{}},
	{EventDisabled, "Portico has disabled a webhook endpoint: it answered 410, or all tries failed for days.", DisabledNotice{}},
	{EventRecovered, "The first success of a webhook endpoint that was failing.", EndpointNotice{}},
	{EventExhausted, "The last try of a delivery has failed.", ExhaustedNotice{}},
	{EventExpiring, "30, 14, 7, 3, 1 and 0 days before the client certificate of a webhook endpoint expires.", expiringNotice{}},
	{EventTest, "Somebody tests a webhook endpoint. Only that endpoint gets it, whatever it subscribes to.", TestNotice{}},
	{EventMailDelivered, "The recipient's server has accepted a mail.", MailDelivered{}},
	{EventMailBounced, "The recipient's server has refused a mail, or could not be reached for too long.", MailBounced{}},
	{EventMailComplained, "The recipient has reported a mail as spam.", MailComplained{}},
	{EventMailSuppressed, "A mail is not sent, because the recipient must get none or has unsubscribed.", MailSuppressed{}},
}

// Operational lists the events that Portico publishes itself.
func Operational() []OperationalEvent { return operational }

// IsOperational reports whether only Portico publishes this type.
func IsOperational(eventType string) bool {
	return slices.ContainsFunc(operational, func(o OperationalEvent) bool { return o.Type == eventType })
}

// Notice is an operational event to be published.
type Notice struct {
	Org   id.Org
	About id.WebhookEndpoint // does not get the event; zero: every endpoint that subscribes gets it
	Type  string
	Data  json.RawMessage
}

// EndpointNotice is the part of the data that all webhook_endpoint.* events about
// failures share, and all the data of webhook_endpoint.recovered. It is exported
// so that the API's description can list its members.
type EndpointNotice struct {
	EndpointID   id.WebhookEndpoint `json:"endpoint_id"`
	FailingSince *clock.Stamp       `json:"failing_since"`
	Failures     int32              `json:"failures"`
}

// FailingNotice is the data of webhook_endpoint.failing.
type FailingNotice struct {
	EndpointNotice
	LastError string `json:"last_error"`
}

// DisabledNotice is the data of webhook_endpoint.disabled.
type DisabledNotice struct {
	FailingNotice
	Reason string `json:"reason"`
}

// ExhaustedNotice is the data of delivery.exhausted.
type ExhaustedNotice struct {
	DeliveryID id.Delivery        `json:"delivery_id"`
	EventID    id.Event           `json:"event_id"`
	EventType  string             `json:"event_type"`
	EndpointID id.WebhookEndpoint `json:"endpoint_id"`
	Attempts   int16              `json:"attempt_count"`
	StatusCode *int16             `json:"status_code"`
	LastError  string             `json:"last_error"`
}

// TestNotice is the data of webhook_endpoint.test.
type TestNotice struct {
	EndpointID id.WebhookEndpoint `json:"endpoint_id"`
	Message    string             `json:"message"`
}

// NewNotice makes the operational event whose data has the Go type of data, so
// that every event is sent as it is described.
func NewNotice(org id.Org, about id.WebhookEndpoint, data any) Notice {
	i := slices.IndexFunc(operational, func(o OperationalEvent) bool { return reflect.TypeOf(o.Data) == reflect.TypeOf(data) })
	encoded, err := json.Marshal(data)
	if err != nil {
		panic("webhook: " + err.Error()) // ids, numbers, texts and times always marshal
	}
	return Notice{Org: org, About: about, Type: operational[i].Type, Data: encoded}
}

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
