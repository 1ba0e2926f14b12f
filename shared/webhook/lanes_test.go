package webhook

import (
	"testing"
	"time"

	"portico/shared/id"
)

func newKeys(n int) []endpointKey {
	keys := make([]endpointKey, n)
	for i := range keys {
		keys[i] = endpointKey{org: id.New[id.Org](time.Now()), endpoint: id.New[id.WebhookEndpoint](time.Now())}
	}
	return keys
}

// fill lets an endpoint use all slots that it may have, and never answer.
func (l *lanes) fill(k endpointKey, now time.Time) (got int) {
	for {
		l.add(k)
		turns := l.pick(1000)
		if len(turns) == 0 {
			return got
		}
		claims := make([]Claim, turns[0].room)
		for i := range claims {
			claims[i] = Claim{Org: k.org, EndpointID: k.endpoint}
		}
		l.claimed(turns, claims, now)
		delete(l.due, k)
		got += len(claims)
	}
}

// Endpoints that hang use half, then a quarter, then an eighth of the slots:
// there is a slot for an endpoint that answers, until no slot is left at all.
func TestHangingEndpointsLeaveRoom(t *testing.T) {
	l, keys, now := newLanes(64), newKeys(8), time.Now()
	for i, want := range []int{32, 16, 8, 4, 2, 1, 1, 0} {
		if got := l.fill(keys[i], now); got != want {
			t.Errorf("hanging endpoint %d holds %d slots, want %d", i+1, got, want)
		}
	}
	l.leave(keys[0], 0)
	l.add(keys[7])
	if turns := l.pick(10); len(turns) != 1 || turns[0].endpointKey != keys[7] {
		t.Errorf("a slot that became free goes to %v", turns)
	}
}

// If an endpoint has no free slot, another dispatcher helps only if its answers
// take long. One dispatcher is enough for an endpoint that answers fast, and
// another one would only hang as well at an endpoint that does not answer.
func TestOnlySlowEndpointsCallForHelp(t *testing.T) {
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
		l, key := newLanes(64), newKeys(1)[0]
		n := l.fill(key, now)
		for i := range n {
			l.leave(key, c.took[min(i, len(c.took)-1)])
		}
		l.fill(key, now)
		l.add(key)
		if got := l.full(true); got != c.want {
			t.Errorf("an endpoint that %s calls for help: %v", name, got)
		}
	}
}

// The least recently served endpoint comes first, one that was never served
// before all others, and each gets an equal share.
func TestLeastRecentlyServedFirst(t *testing.T) {
	l, keys, now := newLanes(64), newKeys(3), time.Now()
	serve := func(k endpointKey, at time.Time) {
		l.add(k)
		l.claimed(l.pick(1), []Claim{{Org: k.org, EndpointID: k.endpoint}}, at)
		l.leave(k, 0)
		delete(l.due, k)
	}
	serve(keys[0], now)
	serve(keys[1], now.Add(-time.Second))
	l.add(keys...)
	turns := l.pick(9)
	for i, want := range []int{2, 1, 0} {
		if turns[i].endpointKey != keys[want] || turns[i].room != 3 {
			t.Errorf("turn %d: room %d for endpoint %d", i, turns[i].room, want)
		}
	}
	if l.waiting() {
		t.Error("who was picked still counts as waiting")
	}
	l.claimed(turns, []Claim{{Org: keys[0].org, EndpointID: keys[0].endpoint}}, now)
	if l.waiting() {
		t.Error("who had less than its room has no more")
	}
}

// If a notification cannot name all endpoints, the dispatcher looks itself.
func TestNews(t *testing.T) {
	org := id.New[id.Org](time.Now())
	for _, n := range []int{0, 1, 300, 301} {
		endpoints := make([]id.WebhookEndpoint, n)
		for i := range endpoints {
			endpoints[i] = id.New[id.WebhookEndpoint](time.Now())
		}
		news := encodeNotification(org, endpoints)
		keys, ok := decodeNotification(news)
		if ok != (n == 1 || n == 300) || len(news) >= 8000 {
			t.Errorf("%d endpoints: %v, %d bytes", n, ok, len(news))
		}
		for i, k := range keys {
			if k.org != org || k.endpoint != endpoints[i] {
				t.Fatalf("endpoint %d of %d is another", i, n)
			}
		}
	}
}
