package webhook

import (
	"encoding/json"
	"reflect"
	"slices"

	"portico/shared/clock"
	"portico/shared/id"
)

// Operational events tell an organization about its own deliveries. Only Portico
// publishes these types. They go to endpoints that subscribe to them by name or
// prefix. An endpoint gets no operational event that its own deliveries caused,
// and deliveries of operational events cause none: so there is no loop.
const (
	EventFailing   = "webhook_endpoint.failing"
	EventDisabled  = "webhook_endpoint.disabled"
	EventRecovered = "webhook_endpoint.recovered"
	EventExhausted = "delivery.exhausted"
	EventExpiring  = "webhook_endpoint.certificate_expiring"
)

// OperationalEvent describes one type: what it means, and a zero value of its
// data. Each type has its own Go type of data.
type OperationalEvent struct {
	Type, Meaning string
	Data          any
}

var operational = []OperationalEvent{
	{EventFailing, "All tries have failed for at least a minute, and at least five in a row.", FailingNotice{}},
	{EventDisabled, "Portico has disabled a webhook endpoint: it answered 410, or all tries failed for days.", disabledNotice{}},
	{EventRecovered, "The first success of a webhook endpoint that was failing.", EndpointNotice{}},
	{EventExhausted, "The last try of a delivery has failed.", exhaustedNotice{}},
	{EventExpiring, "30, 14, 7, 3, 1 and 0 days before the client certificate of a webhook endpoint expires.", expiringNotice{}},
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
// because huma describes only exported embedded structs.
type EndpointNotice struct {
	EndpointID   id.WebhookEndpoint `json:"endpoint_id" doc:"The webhook endpoint that the event is about." example:"we_01jdf3z9k2e4nv6xq8r0s1t2u3"`
	FailingSince *clock.Stamp       `json:"failing_since" format:"date-time" doc:"When the first of the failed tries was made; null if none is known." example:"2026-11-21T08:10:00.000000Z"`
	Failures     int32              `json:"failures" doc:"How many tries have failed in a row." example:"5"`
}

// FailingNotice is the data of webhook_endpoint.failing.
type FailingNotice struct {
	EndpointNotice
	LastError string `json:"last_error" doc:"Why the last try failed." example:"answered 503, expected 2xx"`
}

// disabledNotice is the data of webhook_endpoint.disabled.
type disabledNotice struct {
	FailingNotice
	Reason string `json:"reason" enum:"gone,failing" doc:"gone: it answered 410; failing: all tries failed for days."`
}

// exhaustedNotice is the data of delivery.exhausted.
type exhaustedNotice struct {
	DeliveryID id.Delivery        `json:"delivery_id" doc:"The delivery that has failed." example:"dlv_01jdf3z9k2e4nv6xq8r0s1t2u3"`
	EventID    id.Event           `json:"event_id" doc:"The event that was not delivered." example:"evt_01jdf3z9k2e4nv6xq8r0s1t2u3"`
	EventType  string             `json:"event_type" doc:"The event's type." example:"invoice.paid"`
	EndpointID id.WebhookEndpoint `json:"endpoint_id" doc:"The webhook endpoint that did not accept it." example:"we_01jdf3z9k2e4nv6xq8r0s1t2u3"`
	Attempts   int16              `json:"attempt_count" doc:"How many tries were made." example:"8"`
	StatusCode *int16             `json:"status_code" doc:"The status code of the last response; null without a response." example:"503"`
	LastError  string             `json:"last_error" doc:"Why the last try failed." example:"answered 503, expected 2xx"`
}

// newNotice makes the operational event whose data has the Go type of data, so
// that every event is sent as it is described.
func newNotice(org id.Org, about id.WebhookEndpoint, data any) Notice {
	i := slices.IndexFunc(operational, func(o OperationalEvent) bool { return reflect.TypeOf(o.Data) == reflect.TypeOf(data) })
	encoded, err := json.Marshal(data)
	if err != nil {
		panic("webhook: " + err.Error()) // ids, numbers, texts and times always marshal
	}
	return Notice{Org: org, About: about, Type: operational[i].Type, Data: encoded}
}

// noticeOf returns the notice of a verdict; false if there is none.
func noticeOf(o outcome, before, after health, v verdict) (Notice, bool) {
	now := FailingNotice{EndpointNotice{o.endpoint, clock.StampOf(after.FailingSince), after.Failures}, o.lastError}
	switch v {
	case nowFailing:
		return newNotice(o.org, o.endpoint, now), o.telling
	case nowRecovered:
		return newNotice(o.org, o.endpoint, EndpointNotice{o.endpoint, clock.StampOf(before.FailingSince), before.Failures}), o.telling
	case nowGone, nowFailedTooLong:
		return newNotice(o.org, o.endpoint, disabledNotice{now, v.reason()}), o.telling
	}
	return Notice{}, false
}

// exhausted returns a notice for every delivery whose last try has failed.
func exhausted(batch []Result) []Notice {
	var notices []Notice
	for _, r := range batch {
		if r.Status == Failed && r.Tried && !IsOperational(r.Type) {
			notices = append(notices, newNotice(r.Org, r.EndpointID, exhaustedNotice{
				DeliveryID: r.ID, EventID: r.EventID, EventType: r.Type, EndpointID: r.EndpointID,
				Attempts: r.Attempts + 1, StatusCode: nonZero(int16(r.StatusCode)), LastError: r.Error,
			}))
		}
	}
	return notices
}
