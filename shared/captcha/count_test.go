package captcha_test

import (
	"net/netip"
	"testing"
	"time"

	"portico/shared/captcha"
	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/testkit"
)

// The requests of an address are counted for each name over all environments, a /64
// of IPv6 is one address, and after the window it begins again. Without the table
// nothing is counted, and that is said.
func TestCounting(t *testing.T) {
	t.Parallel()
	for store, endpoint := range testkit.DynamoDBEndpoints(t) {
		t.Run(store, func(t *testing.T) {
			client, table := testkit.Table(t, endpoint, "id")
			clock := clock.New(0)
			count := func() captcha.Count { return captcha.Counting(dynamo.NewTable(client, table, "id"), 10, clock) }
			one, two := count(), count()
			over := func(c captcha.Count, from, name string) bool {
				t.Helper()
				is, err := c(t.Context(), netip.MustParseAddr(from), name, 3, time.Minute)
				if err != nil {
					t.Fatal(err)
				}
				return is
			}
			for n, c := range []captcha.Count{one, two, one} {
				if over(c, "203.0.113.7", "signIn") || over(c, []string{"2001:db8::1", "2001:db8::2", "2001:db8::3"}[n], "signIn") {
					t.Errorf("request %d is over the limit", n)
				}
			}
			if !over(two, "203.0.113.7", "signIn") || !over(one, "203.0.113.7", "signIn") || !over(two, "2001:db8::ffff", "signIn") {
				t.Error("the fourth request is not over the limit")
			}
			if over(two, "203.0.113.8", "signIn") || over(two, "203.0.113.7", "signUp") || over(two, "2001:db8:0:1::1", "signIn") {
				t.Error("another address or name is over the limit")
			}
			clock.Advance(2 * time.Minute)
			if over(one, "203.0.113.7", "signIn") {
				t.Error("after the window the address is over the limit")
			}
			broken := captcha.Counting(dynamo.NewTable(testkit.DynamoDBThrough(t, endpoint, func(string, string) bool { return true }), table, "id"), 10, clock)
			if is, err := broken(t.Context(), viewer, "signIn", 3, time.Minute); is || err == nil {
				t.Errorf("without the table: %v, %v", is, err)
			}
		})
	}
}
