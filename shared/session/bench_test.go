package session_test

import (
	"testing"

	"portico/shared/session"
	"portico/shared/testkit"
)

// A session in memory: what every request of a signed-in person costs.
func BenchmarkCached(b *testing.B) {
	bed := newBed(b, testkit.DynamoDBEndpoint(b))
	store, calls := bed.counted(b)
	_, c := bed.start(b, store)
	text := c.Text()
	expect(b, "at first", state(b, store, c), "live")
	calls()
	for b.Loop() {
		c, err := session.Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := store.Get(b.Context(), c, host); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(calls()))/float64(b.N), "calls/op")
}
