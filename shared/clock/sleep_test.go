package clock_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"portico/shared/clock"
)

// Sleep waits for the given duration, or until its context ends.
func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := clock.Sleep(t.Context(), time.Minute); err != nil || time.Since(began) != time.Minute {
			t.Errorf("slept for %s: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		if err := clock.Sleep(ctx, time.Minute); err != context.DeadlineExceeded || time.Since(began) != time.Second {
			t.Errorf("slept for %s: %v", time.Since(began), err)
		}
	})
}
