package signin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"portico/shared/dynamo"
	"portico/shared/id"
)

// Identify notes the address that the person has given, and whose it is; zero: nobody's.
// As long as nothing is proved, they may give another one.
func (s *Store) Identify(ctx context.Context, f Flow, email string, user id.User) (Flow, error) {
	return s.step(ctx, f, []State{Started, Identified}, Identified, dynamo.Item{"email": dynamo.Text(email), "user": userText(user)})
}

// Ask keeps what a provider was asked for, or has answered; "" forgets it. Of several at
// once one succeeds, so an answer is used once.
func (s *Store) Ask(ctx context.Context, f Flow, what string) (Flow, error) {
	return s.step(ctx, f, []State{Started, Identified}, f.State, dynamo.Item{"asked": dynamo.Text(what)})
}

// Try counts a failure before a secret that the person has typed is compared; Prove
// takes it back. So also of many requests at once no more than mostFailures compare
// one. It returns the attempt as it is now, for Prove.
func (s *Store) Try(ctx context.Context, f Flow) (Flow, error) {
	item, done, err := s.place("flow", f.hash).change(ctx, dynamo.Write{
		Update: "SET failures = failures + :one", If: "failures < :most AND NOT #state IN (:entered, :dead)", Names: map[string]string{"#state": "state"},
		Values: dynamo.Item{
			":one": dynamo.Number(1), ":most": dynamo.Number(mostFailures), ":entered": dynamo.Text(string(Entered)), ":dead": dynamo.Text(string(Dead)),
		},
	}, s.now())
	if err != nil {
		return Flow{}, fmt.Errorf("signin.Try: %w", err)
	}
	if !done {
		return Flow{}, ErrOver
	}
	tried, err := decodeFlow(f.hash, item)
	tried.counted, tried.account, tried.whose, tried.others = true, f.account, f.whose, f.others
	return tried, err
}

// CountedAs returns the attempt of a request whose failure Fail has counted for an account
// of a person; zero: nobody's. The step that follows forgives it, if this person is proved,
// and when they enter, also those of the other accounts.
func (f Flow) CountedAs(account string, whose id.User, others ...string) Flow {
	f.account, f.whose, f.others = account, whose, others
	return f
}

// provedBy returns the attempt for the step with which a person is proved: who has tried as
// somebody else does not forgive that one's failures.
func (f Flow) provedBy(user id.User) Flow {
	if user != f.whose {
		f.account, f.others = "", nil
	}
	return f
}

// Proof is what a person has proved.
type Proof struct {
	User       id.User
	Version    int64 // of the person's credentials when the proof was checked
	Method     Method
	Connection string // for single sign-on and providers
}

// Prove notes a proof: the first one, or that of the second factor which is demanded.
// The second is the same person's, with the same credentials; if the factor was set up
// in this attempt, that is the only change of them.
func (s *Store) Prove(ctx context.Context, f Flow, p Proof) (Flow, error) {
	proved, err := f.prove(p, s.now())
	if err != nil {
		return Flow{}, err
	}
	return s.step(ctx, f.provedBy(p.User), unproved, proved.State, dynamo.Item{
		"user": userText(proved.User), "version": dynamo.Number(proved.Version), "connection": dynamo.Text(proved.Connection),
		"factors": dynamo.Texts(textsOf(proved.Factors)), "proved": dynamo.Time(proved.ProvedAt),
	})
}

// unproved are the states in which a proof is awaited.
var unproved = []State{Started, Identified, Second, Enrol}

// prove returns the attempt as it is with a proof.
func (f Flow) prove(p Proof, now time.Time) (Flow, error) {
	switch {
	case !slices.Contains(unproved, f.State) || p.User.IsZero():
		return Flow{}, ErrStep
	case f.State == Started || f.State == Identified:
		f.State = Proved
	case p.User != f.User:
		return Flow{}, ErrStep
	case f.State == Second && p.Version != f.Version, f.State == Enrol && p.Version != f.Version+1:
		return Flow{}, ErrChanged
	}
	f.User, f.Version, f.ProvedAt = p.User, p.Version, now
	f.Connection = cmp.Or(p.Connection, f.Connection)
	f.Factors = f.with(p.Method)
	return f, nil
}

// Demand asks for more after the first proof: Second, or Enrol if the person has no
// second factor yet.
func (s *Store) Demand(ctx context.Context, f Flow, what State) (Flow, error) {
	if what != Second && what != Enrol {
		return Flow{}, ErrStep
	}
	return s.step(ctx, f, []State{Proved}, what, nil)
}

// Confirm notes, where a second factor must be set up, that the person has shown by a
// mailed code that the mailbox is theirs.
func (s *Store) Confirm(ctx context.Context, f Flow) (Flow, error) {
	return s.step(ctx, f, []State{Enrol}, Enrol, dynamo.Item{"factors": dynamo.Texts(textsOf(f.with(Link)))})
}

// with returns the factors of the attempt with one more.
func (f Flow) with(m Method) []Method {
	factors := slices.Concat(f.Factors, []Method{m})
	slices.Sort(factors)
	return slices.Compact(factors)
}

// Kill ends an attempt.
func (s *Store) Kill(ctx context.Context, f Flow) error {
	_, err := s.step(ctx, f, []State{Started, Identified, Proved, Second, Enrol}, Dead, nil)
	return err
}

// enough returns nil if what was proved is enough for a session.
func (f Flow) enough(needsSecond bool) error {
	switch f.State {
	case Proved:
	case Second, Enrol:
		needsSecond = true
	default:
		return ErrStep
	}
	if needsSecond && Strength(f.Factors) < 2 {
		return ErrFactors
	}
	return nil
}
