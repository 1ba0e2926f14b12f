package limit

import (
	"time"
)

// count is what an item holds about one policy. Windows are numbered from 1970
// on.
type count struct {
	window int64 // of windows: the number of the window in which was counted last
	used   int64 // in that window
	before int64 // in the window before it
	free   int64 // of a token bucket: when it is full again, in nanoseconds since 1970
}

// capacity is how much can be used at once when nothing was used before.
func (p Policy) capacity() int64 {
	if p.Algorithm == TokenBucket {
		return p.Burst
	}
	return p.Limit
}

// interval is the time in which a token bucket gets one token, in nanoseconds.
func (p Policy) interval() int64 { return max(1, int64(p.Window)/p.Limit) }

// windowAt returns the window in which a call counts: that of the clock, or the one
// of the item if another environment's clock is ahead. It also returns how many
// milliseconds of it are over.
func (p Policy) windowAt(c count, now time.Time) (window, over int64) {
	ms, length := now.UnixMilli(), p.Window.Milliseconds()
	if window = ms / length; window < c.window {
		return c.window, 0
	}
	return window, ms % length
}

// mostCarried is how many limits of a window are carried over at most, so that
// nobody waits for long whose limit was lowered.
const mostCarried = 10

// in returns a window's count as it was or becomes in the given window. What was
// charged beyond the limit is carried over: each window pays one limit of it.
func (p Policy) in(window int64, c count) count {
	after := window - c.window
	switch {
	case after <= 0:
		return c
	case c.used > p.Limit:
		carried := min(c.used, mostCarried*p.Limit) - after*p.Limit
		return count{window: window, used: max(0, carried), before: min(p.Limit, max(0, carried+p.Limit))}
	case after == 1:
		return count{window: window, before: c.used}
	}
	return count{window: window}
}

// weighed returns how much of the window before counts when over milliseconds of
// this one are over, rounded up.
func (p Policy) weighed(before, over int64) int64 {
	if p.Algorithm != SlidingWindow {
		return 0
	}
	length := p.Window.Milliseconds()
	return (before*(length-over) + length - 1) / length
}

// left returns how much may be used now; it is negative after a charge that was
// larger than what was left.
func (p Policy) left(c count, now time.Time) int64 {
	if p.Algorithm == TokenBucket {
		at := now.UnixNano()
		return (at + p.Burst*p.interval() - max(c.free, at)) / p.interval()
	}
	window, over := p.windowAt(c, now)
	c = p.in(window, c)
	return p.Limit - c.used - p.weighed(c.before, over)
}

// wait returns after which time n may be used, if nobody else uses any. n is at
// most the capacity.
func (p Policy) wait(c count, n int64, now time.Time) time.Duration {
	if p.Algorithm == TokenBucket {
		return max(0, time.Duration(c.free+(n-p.Burst)*p.interval()-now.UnixNano()))
	}
	first, over := p.windowAt(c, now)
	length := p.Window.Milliseconds()
	for window := first; ; window++ {
		at := p.in(window, c)
		begin := int64(0)
		if window == first {
			begin = over
		}
		if room := p.Limit - n - at.used; room >= 0 {
			if from := max(begin, p.enough(at.before, room)); from < length {
				return time.Duration((window-first)*length+from-over) * time.Millisecond
			}
		}
		window += max(0, at.used/p.Limit-1) // windows that only pay
	}
}

// enough returns how many milliseconds of a window must be over until the window
// before counts for at most that much. If it never does, it returns the length.
func (p Policy) enough(before, most int64) int64 {
	if length := p.Window.Milliseconds(); p.Algorithm == SlidingWindow && before > most {
		return length - most*length/before
	}
	return 0
}

// reset returns after which time everything may be used again, if nothing is used
// until then.
func (p Policy) reset(c count, now time.Time) time.Duration { return p.wait(c, p.capacity(), now) }
