package captcha

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/limit"
)

var errNotCounted = errors.New("the requests of the address could not be counted")

// countBudget is how long a request waits until it is counted: longer than for a
// limit, because a person must solve a CAPTCHA when it takes longer.
const countBudget = time.Second

// Counting returns a Count that counts as the limits of addresses are counted, in
// the same table. The requests of a /64 of IPv6 are counted together. About so many
// environments count the same addresses.
func Counting(table dynamo.Table, environments int, clock *clock.Clock) Count {
	var of sync.Map // *limit.Items by name
	return func(ctx context.Context, from netip.Addr, name string, most int64, window time.Duration) (bool, error) {
		found, ok := of.Load(name)
		if !ok {
			policy := limit.Policy{Name: "requests", Scope: limit.ByAddress, Unit: limit.Requests, Algorithm: limit.SlidingWindow, Limit: most, Window: window}
			settings := limit.Settings{Policies: limit.Policies{policy}, Environments: environments, Budget: countBudget}
			found, _ = of.LoadOrStore(name, &limit.Items{Settings: settings, Table: table, Expires: true, Now: clock.Now})
		}
		d, _, err := found.(*limit.Items).Take(ctx, "challenge_"+name+"_"+limit.AddressKey(from), limit.Amounts{Requests: 1}, false)
		if err != nil || d.Away {
			return false, errors.Join(errNotCounted, err)
		}
		return !d.Allowed(), nil
	}
}
