package claim

import (
	"testing"
	"time"

	"portico/shared/id"
)

func newKeys(n int) []key {
	keys := make([]key, n)
	for i := range keys {
		keys[i] = key{id.New[id.Org](time.Now()), i}
	}
	return keys
}

// fill lets a lane use all slots that it may have, and never answer.
func fill(l *lanes[key], k key, now time.Time) (got int) {
	for {
		l.add(k)
		turns := l.pick(1000)
		if len(turns) == 0 {
			return got
		}
		claims := make([]Leased[key], turns[0].Room)
		for i := range claims {
			claims[i] = Leased[key]{Lane: k}
		}
		l.claimed(turns, claims, now)
		delete(l.due, k)
		got += len(claims)
	}
}

// Lanes that hang use half, then a quarter, then an eighth of the slots:
// there is a slot for a lane that answers, until no slot is left at all.
func TestHangingLanesLeaveRoom(t *testing.T) {
	l, keys, now := newLanes[key](64), newKeys(8), time.Now()
	for i, want := range []int{32, 16, 8, 4, 2, 1, 1, 0} {
		if got := fill(l, keys[i], now); got != want {
			t.Errorf("hanging lane %d holds %d slots, want %d", i+1, got, want)
		}
	}
	l.leave(keys[0], 0)
	l.add(keys[7])
	if turns := l.pick(10); len(turns) != 1 || turns[0].Lane != keys[7] {
		t.Errorf("a slot that became free goes to %v", turns)
	}
}

// If a lane has no free slot, another dispatcher helps only if its answers
// take long. One dispatcher is enough for a lane that answers fast, and
// another one would only hang as well at a lane that does not answer.
func TestOnlySlowLanesCallForHelp(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		took []time.Duration
		want bool
	}{
		"answers fast":           {[]time.Duration{time.Millisecond}, false},
		"answers slowly":         {[]time.Duration{time.Second}, true},
		"has become slow":        {[]time.Duration{time.Millisecond, time.Second, time.Second}, true},
		"does not answer":        {[]time.Duration{0}, false},
		"was slow, then hung up": {[]time.Duration{time.Second, 0}, false},
	} {
		l, key := newLanes[key](64), newKeys(1)[0]
		n := fill(l, key, now)
		for i := range n {
			l.leave(key, c.took[min(i, len(c.took)-1)])
		}
		fill(l, key, now)
		l.add(key)
		if got := l.full(true); got != c.want {
			t.Errorf("a lane that %s calls for help: %v", name, got)
		}
	}
}

// The least recently served lane comes first, one that was never served
// before all others, and each gets an equal share.
func TestLeastRecentlyServedFirst(t *testing.T) {
	l, keys, now := newLanes[key](64), newKeys(3), time.Now()
	serve := func(k key, at time.Time) {
		l.add(k)
		l.claimed(l.pick(1), []Leased[key]{{Lane: k}}, at)
		l.leave(k, 0)
		delete(l.due, k)
	}
	serve(keys[0], now)
	serve(keys[1], now.Add(-time.Second))
	l.add(keys...)
	turns := l.pick(9)
	for i, want := range []int{2, 1, 0} {
		if turns[i].Lane != keys[want] || turns[i].Room != 3 {
			t.Errorf("turn %d: room %d for lane %d", i, turns[i].Room, want)
		}
	}
	if l.waiting() {
		t.Error("who was picked still counts as waiting")
	}
	l.claimed(turns, []Leased[key]{{Lane: keys[0]}}, now)
	if l.waiting() {
		t.Error("who had less than its room has no more")
	}
}
