package api_test

import (
	"strings"
	"testing"

	"portico/shared/api/apitest"
)

// Each page of a list continues after the previous one. A cursor works only for
// its own list and organization.
func TestPages(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme, evil := h.Organization("Acme"), h.Organization("Evil")
	made := map[string]bool{}
	for range 5 {
		endpoint, _ := acme.NewEndpoint(`["*"]`)
		made[endpoint] = true
	}
	after, pages := "", 0
	for {
		r := acme.Do("GET", "/v1/webhook-endpoints?limit=2"+after, "")
		apitest.Want(t, r, "200 ")
		for endpoint := range made {
			if strings.Contains(r.Body, endpoint) {
				delete(made, endpoint)
			}
		}
		pages++
		next := r.Get(t, "next")
		if next == "null" {
			break
		}
		after = "&after=" + next
		apitest.Want(t, evil.Do("GET", "/v1/webhook-endpoints?after="+next, ""), "422 query.after")
		apitest.Want(t, acme.Do("GET", "/v1/events?after="+next, ""), "422 query.after")
	}
	if pages != 3 || len(made) != 0 {
		t.Errorf("%d pages, %d endpoints unseen", pages, len(made))
	}
}
