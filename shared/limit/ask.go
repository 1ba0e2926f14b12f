package limit

import (
	"context"
	"errors"
	"time"

	"portico/shared/dynamo"
)

// ErrNotCounted is returned for an item that lacks the attribute Needs, or has the
// attribute Forbids.
var ErrNotCounted = errors.New("the item must not be counted")

// need is what a write takes from one policy.
type need struct {
	*tally
	n    int64 // for the call
	take int64 // for the call, the debt and the lease; 0: the lease suffices
}

// ask decides with DynamoDB. t is locked.
func (s *Items) ask(ctx context.Context, key string, t *thing, amounts Amounts) (Decision, dynamo.Item, error) {
	var item dynamo.Item
	for try := range writeTries {
		now, done, err := s.Now(), false, error(nil)
		needs := t.needs(amounts, try == 0, now)
		item, done, err = s.Table.UpdateOrSee(ctx, key, s.write(t, needs, false, now))
		if err != nil {
			return Decision{}, nil, err
		}
		if err := t.see(item, s.Policies); err != nil {
			return Decision{}, nil, err
		}
		if done {
			return t.taken(needs, amounts, now), item, nil
		}
		if !s.counts(item) {
			return Decision{}, item, ErrNotCounted
		}
		if t.refuses(amounts, now) {
			d := t.deny(amounts, now)
			_ = s.settle(ctx, key, t, now) // what is not written stays a debt
			return d, item, nil
		}
	}
	now := s.Now() // others changed the item each time
	t.blockAll(amounts, now)
	return t.deny(amounts, now), item, nil
}

// counts reports whether an item may be counted.
func (s *Items) counts(i dynamo.Item) bool {
	return (s.Needs == "" || i[s.Needs] != nil) && (s.Forbids == "" || i[s.Forbids] == nil)
}

// needs returns what to take from each policy. The first try takes a lease too.
func (t *thing) needs(amounts Amounts, lease bool, now time.Time) (list []need) {
	for _, y := range t.tallies {
		n := amounts.of(y.Unit)
		if n == 0 {
			continue
		}
		n = min(n, y.capacity())
		take := n
		switch {
		case y.debt == 0 && y.leased(now) >= n:
			take = 0
		case lease && n > 0:
			take = y.ahead(n, now)
		}
		list = append(list, need{y, n, take + y.debt})
	}
	return list
}

// debts returns what to write down of what was used already.
func (t *thing) debts() (list []need) {
	for _, y := range t.tallies {
		if y.debt > 0 {
			list = append(list, need{y, 0, y.debt})
		}
	}
	return list
}

// write returns the write that takes all needs, if nobody has changed the
// overrides.
func (s *Items) write(t *thing, needs []need, always bool, now time.Time) dynamo.Write {
	w := write{values: dynamo.Item{}}
	if s.Needs != "" {
		w.when("attribute_exists(" + s.Needs + ")")
	}
	if s.Forbids != "" {
		w.when("attribute_not_exists(" + s.Forbids + ")")
	}
	if s.Stamp != "" {
		w.set(s.Stamp, w.value(now.Unix()))
	}
	if t.overrides == "" {
		w.when("attribute_not_exists(" + OverrideAttribute + ")")
		if s.Expires {
			w.set("expires_at", w.value(s.expiry(now).Unix()))
		}
	} else {
		w.when(OverrideAttribute + " = :overrides")
		w.values[":overrides"] = dynamo.Text(t.overrides)
	}
	for _, n := range needs {
		if n.take == 0 {
			continue
		}
		w.take(n.Policy, n.count, n.take, now, always)
	}
	return w.expressions()
}

// see notes what an item says.
func (t *thing) see(item dynamo.Item, policies Policies) error {
	if text := dynamo.TextOf(item[OverrideAttribute]); text != t.overrides {
		o, err := ParseOverrides(text)
		if err != nil {
			return err
		}
		t.overrides = text
		t.apply(policies.Override(o))
	}
	for _, y := range t.tallies {
		y.see(countOf(item, y.Name))
	}
	return nil
}

// taken notes that a write has succeeded.
func (t *thing) taken(needs []need, amounts Amounts, now time.Time) Decision {
	for _, n := range needs {
		if n.blocked, n.denials = (time.Time{}), 0; n.take == 0 {
			n.use(n.n, now)
			continue
		}
		n.took(n.take, now)
		n.add(n.take-n.debt-n.n, now)
		n.debt = 0
	}
	return t.told(amounts, now)
}

// refuses reports whether a policy denies the call, and blocks those that do.
func (t *thing) refuses(amounts Amounts, now time.Time) (refused bool) {
	for _, y := range t.tallies {
		n := min(amounts.of(y.Unit), y.capacity())
		if n > 0 && y.left(y.count, now)-y.debt < n {
			y.block(n, now)
			refused = true
		}
	}
	return refused
}

func (t *thing) blockAll(amounts Amounts, now time.Time) {
	for _, y := range t.tallies {
		if n := amounts.of(y.Unit); n > 0 {
			y.block(n, now)
		}
	}
}
