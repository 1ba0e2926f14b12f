package api_test

import (
	"strings"
	"testing"
)

// Lists go on where the page before ended, and a cursor works for its own list
// and organization only.
func TestPages(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme, evil := h.org("Acme"), h.org("Evil")
	made := map[string]bool{}
	for range 5 {
		endpoint, _ := acme.newEndpoint(`["*"]`)
		made[endpoint] = true
	}
	after, pages := "", 0
	for {
		r := acme.do("GET", "/v1/webhook-endpoints?limit=2"+after, "")
		want(t, r, "200 ")
		for endpoint := range made {
			if strings.Contains(r.body, endpoint) {
				delete(made, endpoint)
			}
		}
		pages++
		next := r.get(t, "next")
		if next == "null" {
			break
		}
		after = "&after=" + next
		want(t, evil.do("GET", "/v1/webhook-endpoints?after="+next, ""), "422 query.after")
		want(t, acme.do("GET", "/v1/events?after="+next, ""), "422 query.after")
	}
	if pages != 3 || len(made) != 0 {
		t.Errorf("%d pages, %d endpoints unseen", pages, len(made))
	}
}
