package clock_test

import (
	"sync"
	"testing"
	"time"

	"portico/shared/clock"
	"portico/shared/testkit"
)

// The clock is the machine's clock plus the offset, in UTC and whole microseconds.
func TestNow(t *testing.T) {
	for _, offset := range []time.Duration{0, 26 * time.Hour, -time.Hour} {
		before := time.Now().Add(offset).Truncate(time.Microsecond)
		got := clock.New(offset).Now()
		after := time.Now().Add(offset)
		if got.Before(before) || got.After(after) {
			t.Errorf("offset %s: %s is not between %s and %s", offset, got, before, after)
		}
		if got.Location() != time.UTC || got.Nanosecond()%1000 != 0 {
			t.Errorf("offset %s: %s is not in UTC and whole microseconds", offset, got)
		}
	}
	var zero clock.Clock
	if d := time.Since(zero.Now()); d.Abs() > time.Minute {
		t.Errorf("the zero clock is off by %s", d)
	}
}

// Advance adds to the offset, for every reader and from any goroutine.
func TestAdvance(t *testing.T) {
	c := clock.New(time.Hour)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			c.Advance(time.Minute)
			_ = c.Now()
		})
	}
	wg.Wait()
	if want := time.Hour + 100*time.Minute; c.Offset() != want {
		t.Errorf("the offset is %s, want %s", c.Offset(), want)
	}
}

// Postgres tells the same time as the clock, before and after a jump.
func TestPostgresAgrees(t *testing.T) {
	d := testkit.DB(t)
	for _, jump := range []time.Duration{0, 26 * time.Hour} {
		d.Advance(t, jump)
		before := d.Clock.Now()
		got := testkit.Value[time.Time](t, d, `SELECT portico_now()`)
		if got.Before(before) || got.After(d.Clock.Now()) {
			t.Errorf("portico_now() is %s, the clock %s", got.UTC(), before)
		}
	}
}
