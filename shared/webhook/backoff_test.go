package webhook_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"portico/shared/webhook"
)

// The waits are the promised ones; after the eighth try there is no more, and
// the last one comes after more than a day.
func TestDefaultSchedule(t *testing.T) {
	want := []time.Duration{
		time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 8 * time.Hour, 10 * time.Hour,
	}
	var sum time.Duration
	for i, w := range want {
		got, more := webhook.DefaultSchedule.Next(i+1, 0)
		if got != w || !more {
			t.Errorf("after try %d: %s, %v, want %s", i+1, got, more, w)
		}
		sum += got
	}
	for _, tries := range []int{0, 8, 9} {
		if wait, more := webhook.DefaultSchedule.Next(tries, 0); more {
			t.Errorf("after try %d another is due in %s", tries, wait)
		}
	}
	if sum < 24*time.Hour {
		t.Errorf("the last try comes after %s: a day's outage loses events", sum)
	}
}

// Jitter only adds, and at most a tenth.
func TestJitterOnlyAdds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tries := rapid.IntRange(1, 7).Draw(rt, "tries")
		random := rapid.Float64Range(0, 0.999999).Draw(rt, "random")
		least, _ := webhook.DefaultSchedule.Next(tries, 0)
		got, _ := webhook.DefaultSchedule.Next(tries, random)
		if got < least || got > least+least/10 {
			rt.Fatalf("after try %d: %s, want %s to 10 %% more", tries, got, least)
		}
		if more, _ := webhook.DefaultSchedule.Next(tries, 0.9); more <= least {
			rt.Fatal("there is no jitter")
		}
	})
}

// The fast schedule starts within seconds and lasts more than three days.
func TestFastSchedule(t *testing.T) {
	var sum time.Duration
	for _, wait := range webhook.FastSchedule {
		sum += wait
	}
	if first := webhook.FastSchedule[0]; first != 5*time.Second || sum <= 72*time.Hour {
		t.Errorf("the second try comes after %s, the last after %s", first, sum)
	}
}
