package limit

import "time"

const (
	// leaseFor is how long a lease of a token bucket may be used: longer than it
	// usually takes, because what is not used is lost. In any interval environments
	// together allow at most what they hold beyond the burst.
	leaseFor = 3 * time.Second
	// soon is how far ahead an environment may take although little is left: it does
	// not keep the tokens from others for longer.
	soon = 20 * time.Millisecond
	// leastBlock is how long an environment does not ask again after a denial, at
	// least; after each further denial in a row twice as long, at most mostDoublings
	// times. The tokens of this time are used later.
	leastBlock    = 50 * time.Millisecond
	mostDoublings = 5
	// windowPart is the part of a window, one in so many, that soon and leastBlock
	// may take at most: what is not used when the window ends is lost.
	windowPart = 100
)

// atMost shortens a time for short windows.
func (t *tally) atMost(d time.Duration) time.Duration {
	if t.Algorithm == TokenBucket {
		return d
	}
	return min(d, t.Window/windowPart)
}

// tally is what an environment knows about one policy of one thing.
type tally struct {
	Policy
	count
	own     count     // of a window: what this environment took of it
	lease   int64     // taken and not yet used
	until   time.Time // when the lease ends
	debt    int64     // used, but not yet written
	blocked time.Time // the policy allows no use of refused or more until then
	refused int64
	denials int // in a row

	// How much was asked for in this second and in the one before.
	second             int64
	asked, askedBefore int64

	local    int64 // while DynamoDB is away: when the local bucket is full again, in ns
	observed bool  // count is from the item
}

// ask notes that n was asked for.
func (t *tally) ask(n int64, now time.Time) {
	switch second := now.Unix(); second {
	case t.second:
	case t.second + 1:
		t.second, t.askedBefore, t.asked = second, t.asked, 0
	default:
		t.second, t.askedBefore, t.asked = second, 0, 0
	}
	t.asked += n
}

// rate is how much this environment uses per second.
func (t *tally) rate() int64 { return max(t.asked, t.askedBefore) }

// leased returns how much of the lease can still be used.
func (t *tally) leased(now time.Time) int64 {
	if !now.Before(t.until) {
		t.lease = 0
	}
	return t.lease
}

// ahead returns how much to take for a use of n: what this environment will use
// within a second, but little of the limit and little of what is left, so that few
// tokens are kept from others. While more than half is left, an environment may take
// a thousandth of it, so that it need not ask often until its rate is known, and of a
// window its share of a hundredth.
func (t *tally) ahead(n int64, now time.Time) int64 {
	left, capacity, rate := t.left(t.count, now)-t.debt, t.capacity(), t.rate()
	most := capacity / 50
	if t.Algorithm == TokenBucket { // allows little at once, and forgets leases soon
		most = capacity / 10
	}
	lease := min(rate*3/4, most, max(left/10, rate*int64(t.atMost(soon))/int64(time.Second)))
	if t.observed && left > capacity/2 {
		lease = max(lease, capacity/1000, t.share(capacity/100, now))
	}
	return max(n, min(lease, left))
}

// share returns what part of n this environment may take ahead of a window, by its
// part of the window's use: all environments together take no more than n.
func (t *tally) share(n int64, now time.Time) int64 {
	if t.Algorithm == TokenBucket {
		return 0
	}
	window, _ := t.windowAt(t.count, now)
	own, all := t.in(window, t.own), t.in(window, t.count)
	return n * (own.used + own.before) / max(all.used+all.before, 1)
}

// leaseEnd returns how long a lease that is taken now may be used. Those of a
// window end with it.
func (t *tally) leaseEnd(now time.Time) time.Time {
	if t.Algorithm == TokenBucket {
		return now.Add(leaseFor)
	}
	window, _ := t.windowAt(t.count, now)
	return time.UnixMilli((window + 1) * t.Window.Milliseconds())
}

// use takes n from the lease. What it does not have becomes a debt, which the next
// write pays.
func (t *tally) use(n int64, now time.Time) {
	of := min(n, t.leased(now))
	t.lease -= of
	t.debt += n - of
}

// add puts n of what was taken into the lease.
func (t *tally) add(n int64, now time.Time) {
	t.lease, t.until = t.leased(now)+n, t.leaseEnd(now)
}

// took notes that n of what the item counts was taken here.
func (t *tally) took(n int64, now time.Time) {
	window, _ := t.windowAt(t.count, now)
	t.own = t.in(window, t.own)
	t.own.used += n
}

// see notes the count of an item, which was read just now: also if it says less than
// before, because the item was lost.
func (t *tally) see(c count) { t.count, t.observed = c, true }

// usedUp reports whether the count that was seen last denies n. Others can only
// have used more since then.
func (t *tally) usedUp(n int64, now time.Time) bool {
	return t.observed && t.leased(now) < n && t.left(t.count, now)-t.debt < min(n, t.capacity())
}

// blocks reports whether n need not be asked for, because no more was denied.
func (t *tally) blocks(n int64, now time.Time) bool {
	return n > 0 && n >= t.refused && now.Before(t.blocked)
}

// block notes that n was denied.
func (t *tally) block(n int64, now time.Time) {
	wait := max(t.wait(t.count, min(n+t.debt, t.capacity()), now), t.atMost(leastBlock<<min(t.denials, mostDoublings)))
	t.denials++
	t.refused = n
	t.blocked = now.Add(wait)
}

// allowAlone decides without DynamoDB: an environment allows its share of the
// limit, and a tenth of what the share is in a window, at least one, at once.
func (t *tally) allowAlone(n, environments int64, now time.Time) bool {
	at := now.UnixNano()
	every := max(1, int64(t.Window)*environments/t.Limit)
	full := max(t.local, at) + t.debt*every
	if full-at > max(int64(t.Window)/10, every)-every {
		return false
	}
	t.local = max(t.local, at) + n*every
	return true
}

// state returns what replies tell about the policy.
func (t *tally) state(now time.Time) State {
	return State{
		Policy: &t.Policy, Remaining: max(0, t.left(t.count, now)-t.debt+t.leased(now)), Reset: t.reset(t.count, now),
	}
}
