package claim

import (
	"context"
	"slices"
	"sync"
	"time"

	"portico/shared/id"
)

// lanes is what one dispatcher knows about the lanes that have something due:
// when each was last served, and how much of its work is in flight. It is kept in
// memory only, so no count is left to repair after a crash. Fairness: the least
// recently served lane comes first, and a lane may use at most half of the slots
// that the others leave free. A lane that hangs uses half of the slots, a second
// one a quarter, a third one an eighth: there is always a slot for one that
// answers.
type lanes[K Key] struct {
	size int // number of slots

	freed chan struct{} // a slot was freed since the last look

	mu    sync.Mutex
	taken int
	due   map[K]bool // lanes that may have something due
	lane  map[K]*lane
	held  map[id.Org]bool // nothing is claimed for it: its results wait to be recorded
}

// lane is the state of one lane. It exists while work of the lane is in flight,
// and for a time after it was served.
type lane struct {
	inFlight int
	served   time.Time
	took     time.Duration // moving average of Ended.Took; 0: the last one got no answer
}

// slowFrom is the duration of a lane's work from which on another dispatcher would
// help: the lane's work waits for slots, not for this dispatcher's processor. A
// lane that does not answer gets no help: more of its work would only hang as
// well.
const slowFrom = 100 * time.Millisecond

// remember is how long a lane without work in flight is kept for the order of
// service.
const remember = time.Minute

func newLanes[K Key](size int) *lanes[K] {
	return &lanes[K]{size: size, freed: make(chan struct{}, 1), due: map[K]bool{}, lane: map[K]*lane{}, held: map[id.Org]bool{}}
}

// add notes lanes that have something due.
func (l *lanes[K]) add(keys ...K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		l.due[k] = true
	}
}

// pick returns the lanes to claim for next, for at most limit pieces of work in
// total. It removes them from due, until claimed or add puts them back.
func (l *lanes[K]) pick(limit int) []Turn[K] {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting := make([]Turn[K], 0, len(l.due))
	for k := range l.due {
		if room := l.room(k); room > 0 {
			waiting = append(waiting, Turn[K]{k, room})
		}
	}
	slices.SortFunc(waiting, func(a, b Turn[K]) int { return l.servedAt(a.Lane).Compare(l.servedAt(b.Lane)) })
	picked, left := waiting[:0], limit
	for i, t := range waiting {
		if left == 0 {
			break
		}
		// An equal share of what is left, so that every lane gets a turn.
		t.Room = min(t.Room, max(1, left/(len(waiting)-i)), left)
		left -= t.Room
		picked = append(picked, t)
		delete(l.due, t.Lane)
	}
	return picked
}

// room returns how much more work a lane may have in flight. It is 0 while less
// than a quarter of the lane's slots are free, because a small claim costs as much
// as a large one.
func (l *lanes[K]) room(k K) int {
	if l.held[k.Org()] {
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

func (l *lanes[K]) servedAt(k K) time.Time {
	if lane := l.lane[k]; lane != nil {
		return lane.served
	}
	return time.Time{}
}

// claimed notes what a claim took. A lane that used all its room may have more
// due, so it is put back; claimed reports whether there was one.
func (l *lanes[K]) claimed(turns []Turn[K], work []Leased[K], now time.Time) (more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	count := map[K]int{}
	for i := range work {
		count[work[i].Lane]++
	}
	for _, t := range turns {
		n := count[t.Lane]
		if n == 0 {
			continue
		}
		own := l.lane[t.Lane]
		if own == nil {
			own = &lane{}
			l.lane[t.Lane] = own
		}
		own.inFlight, own.served = own.inFlight+n, now
		l.taken += n
		if n >= t.Room {
			l.due[t.Lane], more = true, true
		}
	}
	l.forget(now)
	return more
}

func (l *lanes[K]) forget(now time.Time) {
	for k, own := range l.lane {
		if own.inFlight == 0 && now.Sub(own.served) > remember {
			delete(l.lane, k)
		}
	}
}

// leave notes that a piece of work has ended, and how long the answer took; 0:
// there was none.
func (l *lanes[K]) leave(k K, took time.Duration) {
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

// answers reports whether the last work of a lane got an answer.
func (l *lanes[K]) answers(k K) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.lane[k]
	return own != nil && own.took > 0
}

func (l *lanes[K]) note() {
	select {
	case l.freed <- struct{}{}:
	default: // noted already
	}
}

// hold stops claims for an organization until release.
func (l *lanes[K]) hold(org id.Org) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[org] = true
}

func (l *lanes[K]) release(org id.Org) {
	l.mu.Lock()
	delete(l.held, org)
	l.mu.Unlock()
	l.note()
}

// idle reports whether no work is in flight and no organization is held.
func (l *lanes[K]) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taken == 0 && len(l.held) == 0
}

// free returns the number of free slots.
func (l *lanes[K]) free() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size - l.taken
}

// awaitFree waits until an eighth of the slots is free, or for a moment, and
// returns the number of free slots: a small claim costs as much as a large one.
func (l *lanes[K]) awaitFree(ctx context.Context) int {
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

// full reports whether more may be due than this dispatcher can do: something is
// due while three quarters of the slots are in use. For the leader it is also true
// when a lane that answers slowly uses all the slots that it may have. Helpers do
// not ask for help in that case: one slow lane would wake all dispatchers, again
// and again.
func (l *lanes[K]) full(leads bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.due) > 0 && l.size-l.taken <= l.size/4 {
		return true
	}
	for k := range l.due {
		if own := l.lane[k]; leads && own != nil && !l.held[k.Org()] && l.room(k) <= 0 && own.took > slowFrom {
			return true
		}
	}
	return false
}

// waiting reports whether a lane may have something due and has room for it.
func (l *lanes[K]) waiting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.due {
		if l.room(k) > 0 {
			return true
		}
	}
	return false
}
