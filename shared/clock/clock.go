// Package clock tells the time. portico_now() in Postgres tells the same time:
// both add an offset to the machine's clock. The offset is zero except in tests
// and on the local stack, which can so simulate an outage of a day.
package clock

import (
	"sync/atomic"
	"time"
)

// Clock is the machine's clock plus an offset. The zero value has no offset.
type Clock struct {
	offset atomic.Int64
}

// New returns a clock that runs ahead of the machine's by offset.
func New(offset time.Duration) *Clock {
	c := &Clock{}
	c.offset.Store(int64(offset))
	return c
}

// Now returns the time in UTC, in whole microseconds as Postgres stores it.
func (c *Clock) Now() time.Time {
	return time.Now().Add(time.Duration(c.offset.Load())).UTC().Truncate(time.Microsecond)
}

// Advance moves the clock ahead by d for every reader at once.
func (c *Clock) Advance(d time.Duration) {
	c.offset.Add(int64(d))
}

// Offset returns how far the clock runs ahead of the machine's.
func (c *Clock) Offset() time.Duration {
	return time.Duration(c.offset.Load())
}
