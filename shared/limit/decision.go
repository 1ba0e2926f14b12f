package limit

import "time"

// State is a policy's answer to one call.
type State struct {
	Policy    *Policy
	Remaining int64 // what may still be used now, as far as this environment knows
	Reset     time.Duration
	// RetryAfter is after which time the call may succeed; 0: it was not denied.
	RetryAfter time.Duration
}

// Decision is the answer of all policies to one call.
type Decision struct {
	States []State
	// Away says that DynamoDB could not be asked, so this environment decided alone.
	Away bool
}

// Denied returns the states of the policies that deny the call.
func (d Decision) Denied() (denied []State) {
	for _, s := range d.States {
		if s.RetryAfter > 0 {
			denied = append(denied, s)
		}
	}
	return denied
}

// Allowed reports whether no policy denies the call.
func (d Decision) Allowed() bool {
	for i := range d.States {
		if d.States[i].RetryAfter > 0 {
			return false
		}
	}
	return true
}

// Tightest returns the state that the caller should know: of those that deny, the
// one that denies for longest; otherwise the one of which the smallest part is
// left. nil if no policy counts the call.
func (d Decision) Tightest() (tightest *State) {
	for i := range d.States {
		if s := &d.States[i]; tightest == nil || s.tighter(tightest) {
			tightest = s
		}
	}
	return tightest
}

func (s *State) tighter(than *State) bool {
	if s.RetryAfter != than.RetryAfter {
		return s.RetryAfter > than.RetryAfter
	}
	return s.Remaining*than.Policy.capacity() < than.Remaining*s.Policy.capacity()
}

// And returns the answers of both decisions.
func (d Decision) And(other Decision) Decision {
	return Decision{States: append(d.States, other.States...), Away: d.Away || other.Away}
}

// Amounts are how much a call uses of each unit.
type Amounts struct{ Requests, Expensive, Work int64 }

func (a Amounts) of(u Unit) int64 {
	switch u {
	case Expensive:
		return a.Expensive
	case Work:
		return a.Work
	}
	return a.Requests
}
