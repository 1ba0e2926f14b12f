package api_test

import (
	"portico/shared/testkit"
	"strings"
	"sync"
	"testing"
	"time"
)

// A mutation with an Idempotency-Key happens once: repeated it gets the first
// reply, changed it conflicts, and a failed try leaves nothing.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	body := `{"type":"a","data":{"html":"<b>","n":1.10}}`
	for _, path := range []string{"/v1/events", "/v1/events/batch"} {
		body, other := body, `{"type":"a","data":2}`
		if path == "/v1/events/batch" {
			body, other = `{"events":[`+body+`]}`, `{"events":[`+other+`]}`
		}
		want(t, acme.do("POST", path, `{"type":1}`, "Idempotency-Key", "k"), "422 ")
		first := acme.do("POST", path, body, "Idempotency-Key", "k")
		want(t, first, "202 ")
		again := acme.do("POST", path, body, "Idempotency-Key", "k")
		if again.status != 202 || again.body != first.body || again.header.Get("Location") != first.header.Get("Location") {
			t.Errorf("replay %d %s, want %s", again.status, again.body, first.body)
		}
		if first.header.Get("Idempotent-Replayed") != "" || again.header.Get("Idempotent-Replayed") != "true" {
			t.Error("only the replay says that it is one")
		}
		want(t, acme.do("POST", path, other, "Idempotency-Key", "k"), "409 idempotency_key_reused")
		want(t, acme.do("POST", path, body, "Idempotency-Key", "other"), "202 ")
		want(t, h.org("Evil").do("POST", path, other, "Idempotency-Key", "k"), "202 ")
		want(t, acme.do("POST", path, body, "Idempotency-Key", strings.Repeat("x", 256)), "422 header.Idempotency-Key")
	}
	h.Advance(t, 25*time.Hour)
	want(t, acme.publish(`{"type":"a","data":3}`, "Idempotency-Key", "k"), "202 ")
}

// However many send the same key at once, one event is published, and nobody
// is told anything but its reply or to come back.
func TestConcurrentIdempotency(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	acme := h.org("Acme")
	var mu sync.Mutex
	ids, group := map[string]bool{}, sync.WaitGroup{}
	for range 16 {
		group.Go(func() {
			r := acme.publish(`{"type":"a","data":1}`, "Idempotency-Key", "same")
			mu.Lock()
			defer mu.Unlock()
			switch r.status {
			case 202:
				ids[r.get(t, "id")] = true
			case 409:
				want(t, r, "409 idempotency_key_in_use")
			default:
				t.Errorf("%d %s", r.status, r.body)
			}
		})
	}
	group.Wait()
	if n := testkit.Value[int](t, h.Database, `SELECT count(*) FROM event`); n != 1 || len(ids) != 1 {
		t.Errorf("%d events, %d ids", n, len(ids))
	}
}
