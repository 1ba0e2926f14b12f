package webhook

import (
	"context"
	"slices"
	"sync"
	"time"

	"portico/shared/id"
)

// lanes is what one dispatcher knows of the endpoints that have something due:
// who was served when, and how many requests to each are in flight. It lives in
// memory and dies with the dispatcher, so a crash leaves no count to repair.
//
// Fairness: endpoints are served least recently served first, and none may hold
// more than half of the places that the others leave it. One that hangs holds
// half, a second a quarter, a third an eighth: there is always room for one
// that answers.
type lanes struct {
	size int // places in all

	left chan struct{} // a request has ended since the last look

	mu    sync.Mutex
	taken int
	due   map[endpointKey]bool // those that may have something due
	lane  map[endpointKey]*lane
	held  map[id.Org]bool // gets nothing: its results wait to be recorded
}

// lane is one endpoint's; it exists while requests to it are in flight or it
// was served a moment ago.
type lane struct {
	inFlight int
	served   time.Time
	ended    time.Time     // when the last request did
	took     time.Duration // moving average of what requests take
}

// slowFrom is how long requests to an endpoint take when another dispatcher
// would help: its places, not this one's processor, are what the rest waits for.
const slowFrom = 100 * time.Millisecond

// slow reports whether requests take long, or none has ended for long.
func (l *lane) slow(now time.Time) bool {
	return l.took > slowFrom || now.Sub(l.ended) > slowFrom && now.Sub(l.served) > slowFrom
}

// remember is how long a lane without requests is kept for the order of service.
const remember = time.Minute

func newLanes(size int) *lanes {
	return &lanes{size: size, left: make(chan struct{}, 1), due: map[endpointKey]bool{}, lane: map[endpointKey]*lane{}, held: map[id.Org]bool{}}
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

// pick returns whose turn it is, for at most limit deliveries in all. An
// endpoint that is picked counts as having nothing more due until claimed says
// otherwise or somebody adds it again.
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
		// An equal share of what is left, so that many endpoints all get a turn.
		t.room = min(t.room, max(1, left/(len(waiting)-i)), left)
		left -= t.room
		picked = append(picked, t)
		delete(l.due, t.endpointKey)
	}
	return picked
}

// room returns how many more requests an endpoint may have in flight; none
// while less than a quarter of its places is free, because small claims cost as
// much as large ones.
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

// claimed notes what a claim took. An endpoint that filled its room may have
// more due, and comes round again; it reports whether there was one.
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

// leave notes that a request has ended, and how long it took.
func (l *lanes) leave(k endpointKey, took time.Duration, now time.Time) {
	l.mu.Lock()
	l.taken--
	own := l.lane[k]
	own.inFlight--
	own.ended = now
	own.took += (took - own.took) / 8
	l.mu.Unlock()
	l.note()
}

func (l *lanes) note() {
	select {
	case l.left <- struct{}{}:
	default: // noted already
	}
}

// hold keeps an organization from being served, until release.
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

// idle reports whether no request is in flight and nobody is held.
func (l *lanes) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taken == 0 && len(l.held) == 0
}

// free returns how many places are.
func (l *lanes) free() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size - l.taken
}

// awaitFree returns how many places are free, after waiting until an eighth is
// or a moment has passed: small claims cost as much as large ones.
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
		case <-l.left:
		}
	}
}

// full reports whether more is due than this dispatcher can send: something may
// be while three quarters of the places are taken. For the one that leads also
// when a slow endpoint holds all the places that it may have: if every helper
// asked for that, one such endpoint would call all that there are, again and again.
func (l *lanes) full(leads bool, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.due) > 0 && l.size-l.taken <= l.size/4 {
		return true
	}
	for k := range l.due {
		if own := l.lane[k]; leads && own != nil && !l.held[k.org] && l.room(k) <= 0 && own.slow(now) {
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
