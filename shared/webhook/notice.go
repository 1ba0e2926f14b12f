package webhook

import (
	"encoding/json"
	"slices"
	"time"

	"portico/shared/id"
)

// Operational events: what Portico tells an organization about its own
// deliveries. Nobody else publishes these types. They go only to endpoints that
// subscribe to them by name or prefix, not to the one they are about if
// deliveries to it cause them, and their own deliveries cause none: so they
// cannot go round in circles.
const (
	EventFailing   = "webhook_endpoint.failing"
	EventDisabled  = "webhook_endpoint.disabled"
	EventRecovered = "webhook_endpoint.recovered"
	EventExhausted = "delivery.exhausted"
	EventExpiring  = "webhook_endpoint.certificate_expiring"
)

var operational = []string{EventFailing, EventDisabled, EventRecovered, EventExhausted, EventExpiring}

// IsOperational reports whether only Portico publishes this type.
func IsOperational(eventType string) bool { return slices.Contains(operational, eventType) }

// Notice is an operational event to be published.
type Notice struct {
	Org   id.Org
	About id.WebhookEndpoint // does not get it; zero: whoever subscribes does
	Type  string
	Data  json.RawMessage
}

// endpointNotice is the data of webhook_endpoint.*.
type endpointNotice struct {
	EndpointID   id.WebhookEndpoint `json:"endpoint_id"`
	Reason       string             `json:"reason,omitempty"` // of disabled: gone or failing
	FailingSince *time.Time         `json:"failing_since"`
	Failures     int32              `json:"failures"` // tries in a row
	LastError    string             `json:"last_error,omitempty"`
}

// exhaustedNotice is the data of delivery.exhausted.
type exhaustedNotice struct {
	DeliveryID id.Delivery        `json:"delivery_id"`
	EventID    id.Event           `json:"event_id"`
	EventType  string             `json:"event_type"`
	EndpointID id.WebhookEndpoint `json:"endpoint_id"`
	Attempts   int16              `json:"attempt_count"`
	StatusCode *int16             `json:"status_code"`
	LastError  string             `json:"last_error"`
}

func newNotice(org id.Org, about id.WebhookEndpoint, eventType string, data any) Notice {
	encoded, err := json.Marshal(data)
	if err != nil {
		panic("webhook: " + err.Error()) // ids, numbers, texts and times always marshal
	}
	return Notice{Org: org, About: about, Type: eventType, Data: encoded}
}

// noticeOf tells a verdict; false when there is nothing to tell.
func noticeOf(o outcome, before, after health, v verdict) (Notice, bool) {
	n := endpointNotice{EndpointID: o.endpoint, FailingSince: after.FailingSince, Failures: after.Failures, LastError: o.lastError}
	var eventType string
	switch v {
	case nowFailing:
		eventType = EventFailing
	case nowRecovered:
		eventType = EventRecovered
		n.FailingSince, n.Failures, n.LastError = before.FailingSince, before.Failures, ""
	case nowGone, nowBeyond:
		eventType, n.Reason = EventDisabled, v.reason()
	default:
		return Notice{}, false
	}
	return newNotice(o.org, o.endpoint, eventType, n), o.telling
}

// exhausted tells of every delivery that has failed for good after a try.
func exhausted(batch []Result) []Notice {
	var notices []Notice
	for _, r := range batch {
		if r.Status == Failed && r.Tried && !IsOperational(r.Type) {
			notices = append(notices, newNotice(r.Org, r.EndpointID, EventExhausted, exhaustedNotice{
				DeliveryID: r.ID, EventID: r.EventID, EventType: r.Type, EndpointID: r.EndpointID,
				Attempts: r.Attempts + 1, StatusCode: nonZero(int16(r.StatusCode)), LastError: r.Error,
			}))
		}
	}
	return notices
}
