package api_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"portico/shared/api/apitest"
	"portico/shared/testkit"
)

// A mutation with an Idempotency-Key happens once: a repetition gets the first
// reply, a different request is a conflict, and a failed try leaves nothing.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	body := `{"type":"a","data":{"html":"<b>","n":1.10}}`
	for _, path := range []string{"/v1/events", "/v1/events/batch"} {
		body, other := body, `{"type":"a","data":2}`
		if path == "/v1/events/batch" {
			body, other = `{"events":[`+body+`]}`, `{"events":[`+other+`]}`
		}
		apitest.Want(t, acme.Do("POST", path, `{"type":1}`, "Idempotency-Key", "k"), "422 ")
		first := acme.Do("POST", path, body, "Idempotency-Key", "k")
		apitest.Want(t, first, "202 ")
		again := acme.Do("POST", path, body, "Idempotency-Key", "k")
		if again.Status != 202 || again.Body != first.Body || again.Header.Get("Location") != first.Header.Get("Location") {
			t.Errorf("replay %d %s, want %s", again.Status, again.Body, first.Body)
		}
		if first.Header.Get("Idempotent-Replayed") != "" || again.Header.Get("Idempotent-Replayed") != "true" {
			t.Error("the replay must say that it is one, and the first reply must not")
		}
		apitest.Want(t, acme.Do("POST", path, other, "Idempotency-Key", "k"), "409 idempotency_key_reused")
		apitest.Want(t, acme.Do("POST", path, body, "Idempotency-Key", "other"), "202 ")
		apitest.Want(t, h.Organization("Evil").Do("POST", path, other, "Idempotency-Key", "k"), "202 ")
		apitest.Want(t, acme.Do("POST", path, body, "Idempotency-Key", strings.Repeat("x", 256)), "422 header.Idempotency-Key")
	}
	h.Advance(t, 25*time.Hour)
	apitest.Want(t, acme.Publish(`{"type":"a","data":3}`, "Idempotency-Key", "k"), "202 ")
}

// If many clients send the same key at once, one event is published, and each of
// them gets its reply or is asked to try again.
func TestConcurrentIdempotency(t *testing.T) {
	t.Parallel()
	h := apitest.New(t)
	acme := h.Organization("Acme")
	var mu sync.Mutex
	ids, group := map[string]bool{}, sync.WaitGroup{}
	for range 16 {
		group.Go(func() {
			r := acme.Publish(`{"type":"a","data":1}`, "Idempotency-Key", "same")
			mu.Lock()
			defer mu.Unlock()
			switch r.Status {
			case 202:
				ids[r.Get(t, "id")] = true
			case 409:
				apitest.Want(t, r, "409 idempotency_key_in_use")
			default:
				t.Errorf("%d %s", r.Status, r.Body)
			}
		})
	}
	group.Wait()
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM event`); n != 1 || len(ids) != 1 {
		t.Errorf("%d events, %d ids", n, len(ids))
	}
}
