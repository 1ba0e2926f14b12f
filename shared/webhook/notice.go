package webhook

import (
	"encoding/json"
	"reflect"
	"slices"

	"portico/shared/clock"
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

// OperationalEvent describes one type: what it tells, and a zero of its data,
// whose Go type no other has.
type OperationalEvent struct {
	Type, Meaning string
	Data          any
}

var operational = []OperationalEvent{
	{EventFailing, "Nothing but failures for a minute, five tries at least.", FailingNotice{}},
	{EventDisabled, "Portico has disabled a webhook endpoint: it answered 410, or failed for days.", disabledNotice{}},
	{EventRecovered, "The first success of a webhook endpoint that was failing.", EndpointNotice{}},
	{EventExhausted, "The last try of a delivery has failed.", exhaustedNotice{}},
	{EventExpiring, "30, 14, 7, 3, 1 and 0 days before the client certificate of a webhook endpoint expires.", expiringNotice{}},
}

// Operational lists what Portico publishes itself.
func Operational() []OperationalEvent { return operational }

// IsOperational reports whether only Portico publishes this type.
func IsOperational(eventType string) bool {
	return slices.ContainsFunc(operational, func(o OperationalEvent) bool { return o.Type == eventType })
}

// Notice is an operational event to be published.
type Notice struct {
	Org   id.Org
	About id.WebhookEndpoint // does not get it; zero: whoever subscribes does
	Type  string
	Data  json.RawMessage
}

// EndpointNotice is what every webhook_endpoint.* about failing tells, and all
// that webhook_endpoint.recovered does. It is exported because huma describes no
// other embedded structs.
type EndpointNotice struct {
	EndpointID   id.WebhookEndpoint `json:"endpoint_id" doc:"The webhook endpoint that it is about." example:"we_01jdf3z9k2e4nv6xq8r0s1t2u3"`
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
	Reason string `json:"reason" enum:"gone,failing" doc:"gone: it answered 410; failing: nothing but failed tries for days."`
}

// exhaustedNotice is the data of delivery.exhausted.
type exhaustedNotice struct {
	DeliveryID id.Delivery        `json:"delivery_id" doc:"The delivery that has failed." example:"dlv_01jdf3z9k2e4nv6xq8r0s1t2u3"`
	EventID    id.Event           `json:"event_id" doc:"The event that was not delivered." example:"evt_01jdf3z9k2e4nv6xq8r0s1t2u3"`
	EventType  string             `json:"event_type" doc:"The event's type." example:"invoice.paid"`
	EndpointID id.WebhookEndpoint `json:"endpoint_id" doc:"The webhook endpoint that did not take it." example:"we_01jdf3z9k2e4nv6xq8r0s1t2u3"`
	Attempts   int16              `json:"attempt_count" doc:"How many tries were made." example:"8"`
	StatusCode *int16             `json:"status_code" doc:"What the receiver answered last; null without a response." example:"503"`
	LastError  string             `json:"last_error" doc:"Why the last try failed." example:"answered 503, expected 2xx"`
}

// newNotice makes the operational event that has such data, so that what is
// described is what is sent.
func newNotice(org id.Org, about id.WebhookEndpoint, data any) Notice {
	i := slices.IndexFunc(operational, func(o OperationalEvent) bool { return reflect.TypeOf(o.Data) == reflect.TypeOf(data) })
	encoded, err := json.Marshal(data)
	if err != nil {
		panic("webhook: " + err.Error()) // ids, numbers, texts and times always marshal
	}
	return Notice{Org: org, About: about, Type: operational[i].Type, Data: encoded}
}

// noticeOf tells a verdict; false when there is nothing to tell.
func noticeOf(o outcome, before, after health, v verdict) (Notice, bool) {
	now := FailingNotice{EndpointNotice{o.endpoint, clock.StampOf(after.FailingSince), after.Failures}, o.lastError}
	switch v {
	case nowFailing:
		return newNotice(o.org, o.endpoint, now), o.telling
	case nowRecovered:
		return newNotice(o.org, o.endpoint, EndpointNotice{o.endpoint, clock.StampOf(before.FailingSince), before.Failures}), o.telling
	case nowGone, nowBeyond:
		return newNotice(o.org, o.endpoint, disabledNotice{now, v.reason()}), o.telling
	}
	return Notice{}, false
}

// exhausted tells of every delivery that has failed for good after a try.
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
