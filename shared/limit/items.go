package limit

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"portico/shared/cache"
	"portico/shared/dynamo"
)

const (
	// budget is the Budget of Items without one.
	budget = 50 * time.Millisecond
	// awayFor is how long DynamoDB is not asked after that.
	awayFor = time.Second
	// writeTries is how often a write is made that others overtake. Each time, one
	// of them has succeeded.
	writeTries = 5
	// keptThings bounds the memory of an environment that sees many things.
	keptThings = 10_000
	// refreshAfter is after which time an environment asks again although it has a
	// lease or remembers a denial: so changed overrides hold everywhere within ten
	// seconds.
	refreshAfter = 8 * time.Second
	// keepItem is how long an item is kept at least after it was last written, beside
	// the two windows in which its counts matter.
	keepItem = time.Hour
)

// Settings are what all Items of an environment have in common.
type Settings struct {
	Policies Policies
	// Environments is about how many environments share the limits while DynamoDB is
	// away.
	Environments int
	// Budget is how long a caller waits for DynamoDB before this environment decides
	// alone; 0: 50 ms.
	Budget time.Duration
}

// Of returns the settings with the policies of one scope.
func (s Settings) Of(scope Scope) Settings {
	s.Policies = s.Policies.Of(scope)
	return s
}

// expiry is until when an item is needed that is written now.
func (s Settings) expiry(now time.Time) time.Time {
	var longest time.Duration
	for _, p := range s.Policies {
		longest = max(longest, p.Window)
	}
	return now.Add(2*longest + keepItem)
}

// Patience is how long a caller waits for DynamoDB.
func (s Settings) Patience() time.Duration { return cmp.Or(s.Budget, budget) }

// sharing is how many environments share a limit.
func (s Settings) sharing() int64 { return max(1, int64(s.Environments)) }

// Items count things by the policies of one scope. Each thing has an item of the
// table; other attributes of the item may belong to others.
type Items struct {
	Settings
	Table dynamo.Table
	// Expires sets expires_at, so that DynamoDB removes the items of things that are
	// no longer used, unless they have overrides.
	Expires bool
	// Needs and Forbids name the attributes that an item must and must not have to be
	// counted; "": none.
	Needs, Forbids string
	// Stamp names an attribute that each write sets to the present, in seconds; "":
	// none.
	Stamp string
	Now   func() time.Time

	once sync.Once
	kept *cache.Cache[string, *thing]
}

// thing is what this environment knows about one item.
type thing struct {
	mu        sync.Mutex
	overrides string // the item's OverrideAttribute
	tallies   []*tally
	away      time.Time // DynamoDB is not asked before
	seen      time.Time // the item was
}

// thing returns what is known about a key, and whether anything is.
func (s *Items) thing(key string) (*thing, bool) {
	s.once.Do(func() { s.kept = cache.New[string, *thing](keptThings, 0) })
	if known, ok := s.kept.Get(key, time.Time{}); ok {
		return known, true
	}
	t := &thing{}
	t.apply(s.Policies)
	return t, false
}

// apply sets the policies, and keeps what is known about each.
func (t *thing) apply(policies Policies) {
	tallies := make([]*tally, len(policies))
	for i, p := range policies {
		tallies[i] = &tally{Policy: p}
		if i < len(t.tallies) {
			*tallies[i] = *t.tallies[i]
			tallies[i].Policy = p
		}
	}
	t.tallies = tallies
}

// Take uses amounts of the thing with a key, all or nothing. Usually it decides
// from what this environment has leased, or knows to be used up; otherwise with one
// conditional write, after which it returns the item. With ErrNotCounted it returns
// an item that must not be counted, or none; any other error says that DynamoDB
// could not be asked. With mustAsk it does not decide alone, and waits as long as
// the context allows.
func (s *Items) Take(ctx context.Context, key string, amounts Amounts, mustAsk bool) (Decision, dynamo.Item, error) {
	t, known := s.thing(key)
	now := s.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, y := range t.tallies {
		y.ask(amounts.of(y.Unit), now)
	}
	if !mustAsk {
		if now.Sub(t.seen) < refreshAfter || now.Before(t.away) {
			if d, decided := t.decide(amounts, now); decided {
				return d, nil, nil
			}
		}
		if now.Before(t.away) {
			return t.alone(amounts, s.sharing(), now), nil, nil
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.Patience())
		defer cancel()
	}
	d, item, err := s.ask(ctx, key, t, amounts)
	if err == nil {
		t.seen = now
	}
	switch {
	case err == nil && !known:
		s.kept.Put(key, t, time.Time{})
	case err == nil, errors.Is(err, ErrNotCounted):
	case !mustAsk:
		t.away = now.Add(awayFor)
		if !known {
			s.kept.Put(key, t, time.Time{})
		}
		return t.alone(amounts, s.sharing(), now), nil, nil
	}
	return d, item, err
}

// decide decides without DynamoDB if that is possible.
func (t *thing) decide(amounts Amounts, now time.Time) (d Decision, decided bool) {
	enough := true
	for _, y := range t.tallies {
		n := amounts.of(y.Unit)
		if n > 0 && !now.Before(y.blocked) && y.usedUp(n, now) {
			y.block(n, now)
		}
		if y.blocks(n, now) {
			return t.deny(amounts, now), true
		}
		enough = enough && (n == 0 || y.debt == 0 && y.leased(now) >= n)
	}
	if !enough {
		return d, false
	}
	for _, y := range t.tallies {
		y.use(amounts.of(y.Unit), now)
	}
	return t.told(amounts, now), true
}

// told returns the states of the policies that count a call.
func (t *thing) told(amounts Amounts, now time.Time) Decision {
	states := make([]State, 0, len(t.tallies)+2) // room for those of another scope
	for _, y := range t.tallies {
		if amounts.of(y.Unit) > 0 {
			states = append(states, y.state(now))
		}
	}
	return Decision{States: states}
}

// deny returns a decision in which every policy denies that is blocked.
func (t *thing) deny(amounts Amounts, now time.Time) Decision {
	d := t.told(amounts, now)
	i := 0
	for _, y := range t.tallies {
		if amounts.of(y.Unit) == 0 {
			continue
		}
		if y.blocks(amounts.of(y.Unit), now) {
			d.States[i].RetryAfter = y.blocked.Sub(now)
		}
		i++
	}
	return d
}

// alone decides while DynamoDB is away.
func (t *thing) alone(amounts Amounts, environments int64, now time.Time) Decision {
	d := t.told(amounts, now)
	d.Away = true
	i := 0
	for _, y := range t.tallies {
		n := amounts.of(y.Unit)
		if n == 0 {
			continue
		}
		if y.FailsClosed || !y.allowAlone(n, environments, now) {
			d.States[i].RetryAfter = time.Second
		}
		i++
	}
	return d
}

// Alone decides without DynamoDB.
func (s *Items) Alone(key string, amounts Amounts) Decision {
	t, known := s.thing(key)
	if !known {
		s.kept.Put(key, t, time.Time{})
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.alone(amounts, s.sharing(), s.Now())
}

// GiveBack returns what Take has used for a call that another scope denies. It
// stays in this environment's lease.
func (s *Items) GiveBack(key string, amounts Amounts) {
	t, known := s.thing(key)
	if !known {
		return
	}
	now := s.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, y := range t.tallies {
		if n := amounts.of(y.Unit); n > 0 {
			y.add(n, now)
		}
	}
}
