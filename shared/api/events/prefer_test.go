package events_test

import (
	"testing"

	"portico/shared/api/apitest"
)

// The reply of a publish has the data if the client prefers it, and says so. What
// is sent again with the same Idempotency-Key gets the first reply, whatever it
// prefers.
func TestPrefer(t *testing.T) {
	t.Parallel()
	acme := apitest.New(t).Organization("Acme")
	for path, body := range map[string]string{
		"/v1/events":       `{"type":"a","data":{ "n": 1 }}`,
		"/v1/events/batch": `{"events":[{"type":"a","data":{ "n": 1 }},{"type":"b","data":null}]}`,
	} {
		for _, tt := range []struct{ prefer, applied, want string }{
			{"", "", `202 !"n" "delivery_count":0`},
			{"return=minimal", "return=minimal", `202 !"n"`},
			{"return=representation", "return=representation", `202 "data":{"n":1} "delivery_count":0`},
			{`respond-async, wait=10, Return = "representation"; x=1`, "return=representation", `202 "data":{"n":1}`},
			{"return=minimal, return=representation", "return=minimal", `202 !"n"`},
			{"return=everything", "", `202 !"n"`},
		} {
			reply := acme.Do("POST", path, body, "Prefer", tt.prefer)
			apitest.Want(t, reply, tt.want)
			if got := reply.Header.Get("Preference-Applied"); got != tt.applied {
				t.Errorf("%s, Prefer: %s: Preference-Applied: %s, want %s", path, tt.prefer, got, tt.applied)
			}
		}
		for _, first := range []string{"return=minimal", "return=representation"} {
			stored := acme.Do("POST", path, body, "Prefer", first, "Idempotency-Key", first)
			for _, later := range []string{"return=minimal", "return=representation"} {
				again := acme.Do("POST", path, body, "Prefer", later, "Idempotency-Key", first)
				if again.Body != stored.Body || again.Header.Get("Preference-Applied") != first || again.Header.Get("Idempotent-Replayed") != "true" {
					t.Errorf("%s, first with %s, then with %s: %v %s", path, first, later, again.Header, again.Body)
				}
			}
		}
	}
	apitest.Want(t, acme.Do("POST", "/v1/events/batch", `{"events":[{"type":"b","data":null}]}`, "Prefer", "return=representation"), `202 "data":null`)
}
