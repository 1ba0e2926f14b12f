package webhook

import (
	"testing"
	"time"

	"portico/shared/id"
)

// If a notification cannot name all endpoints, the dispatcher looks itself.
func TestNews(t *testing.T) {
	org := id.New[id.Org](time.Now())
	for _, n := range []int{0, 1, 300, 301} {
		endpoints := make([]id.WebhookEndpoint, n)
		for i := range endpoints {
			endpoints[i] = id.New[id.WebhookEndpoint](time.Now())
		}
		news := encodeNotification(org, endpoints)
		keys, ok := DecodeNotification(news)
		if ok != (n == 1 || n == 300) || len(news) >= 8000 {
			t.Errorf("%d endpoints: %v, %d bytes", n, ok, len(news))
		}
		for i, k := range keys {
			if k.OrgID != org || k.EndpointID != endpoints[i] {
				t.Fatalf("endpoint %d of %d is another", i, n)
			}
		}
	}
}
