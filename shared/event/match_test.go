package event

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/webhook/fanout"
)

// Slow filters are stopped when the request ends, however many there are, and
// then nothing is delivered. Fast filters match every event, and each endpoint is
// returned once.
func TestMatchEndsWithTheRequest(t *testing.T) {
	subscriptions := make([]fanout.Subscription, 200)
	for i := range subscriptions {
		subscriptions[i] = fanout.Subscription{
			ID: id.New[id.WebhookEndpoint](time.Now()), EventTypes: []string{"*"},
			Filter: `all(data, # in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])`,
		}
	}
	for _, tt := range []struct {
		name       string
		data       string
		within     time.Duration
		deliveries int
		err        error
	}{
		{"fast filters", `[1]`, time.Minute, 10 * 200, nil},
		{"slow filters", `[` + strings.Repeat(`0,`, 50_000) + `9]`, 50 * time.Millisecond, 0, context.DeadlineExceeded},
	} {
		drafts := make([]Draft, 10)
		for i := range drafts {
			drafts[i] = Draft{Type: "a", Data: json.RawMessage(tt.data)}
		}
		ctx, cancel := context.WithTimeout(context.Background(), tt.within)
		start := time.Now()
		deliveries, due, err := match(ctx, fanout.Subscriptions{List: subscriptions}, drafts, make([]Event, 10))
		cancel()
		if !errors.Is(err, tt.err) || len(deliveries) != tt.deliveries || len(due) != tt.deliveries/10 || (tt.err != nil && time.Since(start) > 5*time.Second) {
			t.Errorf("%s: %d deliveries to %d endpoints, %v, after %s", tt.name, len(deliveries), len(due), err, time.Since(start))
		}
	}
}
