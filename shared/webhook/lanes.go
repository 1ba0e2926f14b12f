package webhook

import (
	"context"
	"slices"
	"sync"
	"time"

	"portico/shared/id"
)

// lanes is what one dispatcher knows about the endpoints that have something due:
// when each was last served, and how many requests to it are in flight. It is
// kept in memory only, so no count is left to repair after a crash. Fairness: the
// least recently served endpoint comes first, and an endpoint may use at most
// half of the slots that the others leave free. An endpoint that hangs uses half
// of the slots, a second one a quarter, a third one an eighth: there is always a
// slot for one that answers.
type lanes struct {
	size int // number of slots

	freed chan struct{} // a slot was freed since the last look

	mu    sync.Mutex
	taken int
	due   map[endpointKey]bool // endpoints that may have something due
	lane  map[endpointKey]*lane
	held  map[id.Org]bool // nothing is claimed for it: its results wait to be recorded
}

// lane is the state of one endpoint. It exists while requests to the endpoint are
// in flight, and for a time after it was served.
type lane struct {
	inFlight int
	served   time.Time
	took     time.Duration // moving average of the requests' durations; 0: the last one got no answer
}

// slowFrom is the duration of requests to an endpoint from which on another
// dispatcher would help: the endpoint's deliveries wait for slots, not for this
// dispatcher's processor. An endpoint that does not answer gets no help: more
// requests to it would only hang as well.
const slowFrom = 100 * time.Millisecond

// remember is how long a lane without requests is kept for the order of service.
const remember = time.Minute

func newLanes(size int) *lanes {
	return &lanes{size: size, freed: make(chan struct{}, 1), due: map[endpointKey]bool{}, lane: map[endpointKey]*lane{}, held: map[id.Org]bool{}}
}

// add notes endpoints that have something due.
func (l *lanes) add(keys ...endpointKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		l.due[k] = true
	}
}

// turn is what a claim may take from one endpoint.
type turn struct {
	endpointKey
	room int
}

// pick returns the endpoints to claim for next, for at most limit deliveries in
// total. It removes them from due, until claimed or add puts them back.
func (l *lanes) pick(limit int) []turn {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting := make([]turn, 0, len(l.due))
	for k := range l.due {
		if room := l.room(k); room > 0 {
			waiting = append(waiting, turn{k, room})
		}
	}
	slices.SortFunc(waiting, func(a, b turn) int { return l.servedAt(a.endpointKey).Compare(l.servedAt(b.endpointKey)) })
	picked, left := waiting[:0], limit
	for i, t := range waiting {
		if left == 0 {
			break
		}
		// An equal share of what is left, so that every endpoint gets a turn.
		t.room = min(t.room, max(1, left/(len(waiting)-i)), left)
		left -= t.room
		picked = append(picked, t)
		delete(l.due, t.endpointKey)
	}
	return picked
}

// room returns how many more requests an endpoint may have in flight. It is 0
// while less than a quarter of the endpoint's slots are free, because a small
// claim costs as much as a large one.
func (l *lanes) room(k endpointKey) int {
	if l.held[k.org] {
		return 0
	}
	own := 0
	if lane := l.lane[k]; lane != nil {
		own = lane.inFlight
	}
	others := l.taken - own
	most := (l.size - others + 1) / 2
	if free := most - own; own == 0 || 4*free >= most {
		return free
	}
	return 0
}

func (l *lanes) servedAt(k endpointKey) time.Time {
	if lane := l.lane[k]; lane != nil {
		return lane.served
	}
	return time.Time{}
}

// claimed notes what a claim took. An endpoint that used all its room may have
// more due, so it is put back; claimed reports whether there was one.
func (l *lanes) claimed(turns []turn, claims []Claim, now time.Time) (more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	count := map[endpointKey]int{}
	for _, c := range claims {
		count[endpointKey{c.Org, c.EndpointID}]++
	}
	for _, t := range turns {
		n := count[t.endpointKey]
		if n == 0 {
			continue
		}
		own := l.lane[t.endpointKey]
		if own == nil {
			own = &lane{}
			l.lane[t.endpointKey] = own
		}
		own.inFlight, own.served = own.inFlight+n, now
		l.taken += n
		if n >= t.room {
			l.due[t.endpointKey], more = true, true
		}
	}
	l.forget(now)
	return more
}

func (l *lanes) forget(now time.Time) {
	for k, own := range l.lane {
		if own.inFlight == 0 && now.Sub(own.served) > remember {
			delete(l.lane, k)
		}
	}
}

// leave notes that a request has ended, and how long the answer took; 0: there was
// none.
func (l *lanes) leave(k endpointKey, took time.Duration) {
	l.mu.Lock()
	l.taken--
	own := l.lane[k]
	own.inFlight--
	if took == 0 || own.took == 0 {
		own.took = took
	} else {
		own.took += (took - own.took) / 8
	}
	l.mu.Unlock()
	l.note()
}

// answers reports whether the last request to an endpoint got an answer.
func (l *lanes) answers(k endpointKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.lane[k]
	return own != nil && own.took > 0
}

func (l *lanes) note() {
	select {
	case l.freed <- struct{}{}:
	default: // noted already
	}
}

// hold stops claims for an organization until release.
func (l *lanes) hold(org id.Org) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[org] = true
}

func (l *lanes) release(org id.Org) {
	l.mu.Lock()
	delete(l.held, org)
	l.mu.Unlock()
	l.note()
}

// idle reports whether no request is in flight and no organization is held.
func (l *lanes) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taken == 0 && len(l.held) == 0
}

// free returns the number of free slots.
func (l *lanes) free() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size - l.taken
}

// awaitFree waits until an eighth of the slots is free, or for a moment, and
// returns the number of free slots: a small claim costs as much as a large one.
func (l *lanes) awaitFree(ctx context.Context) int {
	late := time.NewTimer(gatherAtMost / 2)
	defer late.Stop()
	for {
		free := l.free()
		if free >= max(1, l.size/8) {
			return free
		}
		select {
		case <-ctx.Done():
			return 0
		case <-late.C:
			return l.free()
		case <-l.freed:
		}
	}
}

// full reports whether more may be due than this dispatcher can send: something
// is due while three quarters of the slots are in use. For the leader it is also
// true when an endpoint that answers slowly uses all the slots that it may have. Helpers do not
// ask for help in that case: one slow endpoint would wake all dispatchers, again
// and again.
func (l *lanes) full(leads bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.due) > 0 && l.size-l.taken <= l.size/4 {
		return true
	}
	for k := range l.due {
		if own := l.lane[k]; leads && own != nil && !l.held[k.org] && l.room(k) <= 0 && own.took > slowFrom {
			return true
		}
	}
	return false
}

// waiting reports whether an endpoint may have something due and has room for it.
func (l *lanes) waiting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.due {
		if l.room(k) > 0 {
			return true
		}
	}
	return false
}
