package events

import (
	"portico/shared/event"
	"portico/shared/id"
)

// replayedOf returns the value of the header that marks an event which an earlier
// publish with its external id has made; "" for any other.
func replayedOf(e event.Event) string {
	if e.Replayed {
		return "true"
	}
	return ""
}

func nullable(endpoint id.WebhookEndpoint) *id.WebhookEndpoint {
	if endpoint.IsZero() {
		return nil
	}
	return &endpoint
}
