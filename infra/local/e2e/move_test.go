package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"portico/shared/testkit"
)

// An organization moves to another database and back while its program
// publishes: every publish is accepted, everything is delivered, and the API
// shows all of it from wherever it lives. With the real binaries.
func TestMoveWhilePublishing(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, shared)
	var own struct{ ID string }
	c.Do("GET", "/v1/organization", "", 200, &own)
	rec := newReceiver(t, nil)
	endpoint, _ := c.endpoint(rec.URL)

	publishing, stop := context.WithCancel(t.Context())
	var publishers sync.WaitGroup
	var mu sync.Mutex
	accepted := map[string]bool{}
	for n := range 2 {
		publishers.Go(func() {
			for i := 0; publishing.Err() == nil; i++ {
				status, reply, _ := c.Try("POST", "/v1/events", fmt.Sprintf(`{"type":"invoice.paid","data":{"n":"%d/%d"}}`, n, i))
				var event struct{ ID string }
				if err := json.Unmarshal([]byte(reply), &event); status != 202 || err != nil {
					t.Errorf("%d %s", status, reply)
					return
				}
				mu.Lock()
				accepted[event.ID] = true
				mu.Unlock()
			}
		})
	}
	for _, to := range []string{"acme", "home", "acme"} {
		mu.Lock()
		enough := len(accepted) + 20
		mu.Unlock()
		testkit.Await(t, "publishes", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(accepted) >= enough
		})
		reply, err := shared.Invoke(t.Context(), "move", fmt.Appendf(nil, `{"organization_id":%q,"database":%q}`, own.ID, to))
		if err != nil {
			t.Fatalf("%s: %v", reply, err)
		}
		t.Logf("%s", reply)
	}
	stop()
	publishers.Wait()
	testkit.Await(t, "deliveries", func() bool {
		_, waiting, _ := c.Try("GET", "/v1/deliveries?limit=1&status=pending", "")
		return len(rec.events()) >= len(accepted) && strings.TrimSpace(waiting) == `{"data":[],"next":null}`
	})
	if len(rec.events()) != len(accepted) || rec.count("") != len(accepted) {
		t.Errorf("%d requests bring %d of %d events", rec.count(""), len(rec.events()), len(accepted))
	}
	var shown struct{ URL string }
	c.Do("GET", "/v1/webhook-endpoints/"+endpoint, "", 200, &shown)
	if shown.URL != rec.URL {
		t.Errorf("the endpoint is %+v", shown)
	}
}
