package limit

import (
	"context"
	"time"
)

// debtPart is the part of a limit, one in so many, up to which an environment owes
// what a call has caused: it is written with the next call. More is written at
// once, so that other environments know it.
const debtPart = 100

// Charge uses amounts for what a call has caused, however much is left: whoever is
// then over a limit is refused with the next call.
func (s *Items) Charge(ctx context.Context, key string, amounts Amounts) error {
	t, known := s.thing(key)
	if !known { // this environment has forgotten it, because it sees very many
		s.kept.Put(key, t, time.Time{})
	}
	now := s.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	much := false
	for _, y := range t.tallies {
		n := amounts.of(y.Unit)
		y.ask(n, now)
		y.use(n, now)
		much = much || y.debt*debtPart > y.capacity()
	}
	if !much || now.Before(t.away) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.Patience())
	defer cancel()
	return s.settle(ctx, key, t, now)
}

// settle writes all debts. t is locked. If that fails, they stay debts.
func (s *Items) settle(ctx context.Context, key string, t *thing, now time.Time) error {
	for range writeTries {
		needs := t.debts()
		if len(needs) == 0 {
			return nil
		}
		item, done, err := s.Table.UpdateOrSee(ctx, key, s.write(t, needs, true, now))
		if err != nil {
			return err
		}
		if err := t.see(item, s.Policies); err != nil {
			return err
		}
		if !done && s.counts(item) {
			continue
		}
		for _, n := range needs { // one that must not be counted has nobody who could pay
			n.took(n.take, now)
			n.debt = 0
		}
		return nil
	}
	return nil
}
