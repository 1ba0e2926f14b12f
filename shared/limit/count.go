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

// in returns a window's count as it was or becomes in the given window.
func (c count) in(window int64) count {
	switch {
	case c.window == window:
		return c
	case c.window == window-1:
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
	c = c.in(window)
	return p.Limit - c.used - p.weighed(c.before, over)
}

// wait returns after which time n may be used, if nobody else uses any. n is at
// most the capacity.
func (p Policy) wait(c count, n int64, now time.Time) time.Duration {
	if p.Algorithm == TokenBucket {
		return max(0, time.Duration(c.free+(n-p.Burst)*p.interval()-now.UnixNano()))
	}
	if p.left(c, now) >= n {
		return 0
	}
	window, over := p.windowAt(c, now)
	c = c.in(window)
	length := p.Window.Milliseconds()
	if p.Algorithm == SlidingWindow && p.Limit-n >= c.used { // before the end of this window
		return time.Duration(p.enough(c.before, p.Limit-n-c.used)-over) * time.Millisecond
	}
	rest := length - over
	if p.Algorithm == SlidingWindow {
		rest += p.enough(c.used, p.Limit-n)
	}
	return time.Duration(rest) * time.Millisecond
}

// enough returns how many milliseconds of a window must be over until the window
// before counts for at most that much. If it never does, it returns the length.
func (p Policy) enough(before, most int64) int64 {
	length := p.Window.Milliseconds()
	if before <= most {
		return 0
	}
	return length - most*length/before
}

// reset returns after which time everything may be used again, if nothing is used
// until then.
func (p Policy) reset(c count, now time.Time) time.Duration {
	if p.Algorithm == TokenBucket {
		return max(0, time.Duration(c.free-now.UnixNano()))
	}
	window, over := p.windowAt(c, now)
	c = c.in(window)
	rest := p.Window.Milliseconds() - over
	switch {
	case p.Algorithm == SlidingWindow && c.used > 0:
		rest += p.Window.Milliseconds()
	case c.used == 0 && c.before == 0, c.used == 0 && p.Algorithm == FixedWindow:
		return 0
	}
	return time.Duration(rest) * time.Millisecond
}
