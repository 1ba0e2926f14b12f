package limit

import (
	"strconv"
	"strings"
	"time"

	"portico/shared/dynamo"
)

// A policy's count is kept in the attributes `<policy>_w` (window), `<policy>_u`
// (used), `<policy>_b` (before) and `<policy>_t` (free, of a token bucket).

// countOf reads the count of a policy from an item.
func countOf(i dynamo.Item, policy string) (c count) {
	for suffix, into := range map[string]*int64{"_w": &c.window, "_u": &c.used, "_b": &c.before, "_t": &c.free} {
		*into, _, _ = dynamo.NumberOf(i[policy+suffix]) // nobody else writes it
	}
	return c
}

// write collects what one UpdateItem changes and demands.
type write struct {
	sets, ifs []string
	values    dynamo.Item
}

// value adds a value and returns its placeholder.
func (w *write) value(n int64) string {
	name := ":v" + strconv.Itoa(len(w.values))
	w.values[name] = dynamo.Number(n)
	return name
}

func (w *write) set(attribute, to string) { w.sets = append(w.sets, attribute+" = "+to) }

func (w *write) when(condition string) { w.ifs = append(w.ifs, condition) }

// expressions returns the write as DynamoDB takes it.
func (w *write) expressions() dynamo.Write {
	out := dynamo.Write{If: strings.Join(w.ifs, " AND ")}
	if len(w.sets) > 0 {
		out.Update = "SET " + strings.Join(w.sets, ", ")
	}
	if len(w.values) > 0 {
		out.Values = w.values
	}
	return out
}

// take adds the use of n: the write succeeds only if so much is left, in the state
// that c suggests. c may be out of date: then the write fails, and must be made
// again from the item. If always is true, it does not matter what is left.
func (w *write) take(p Policy, c count, n int64, now time.Time, always bool) {
	if p.Algorithm == TokenBucket {
		w.takeTokens(p, c, n, now, always)
		return
	}
	window, over := p.windowAt(c, now)
	number, used, before := p.Name+"_w", p.Name+"_u", p.Name+"_b"
	switch {
	case c.window == window: // it goes on
		w.when(number + " = " + w.value(window))
		if !always {
			w.when(used + " <= " + w.value(p.Limit-n-p.weighed(c.before, over)))
		}
		w.set(used, used+" + "+w.value(n))
		return
	case c.used > p.Limit: // more was charged than a window may hold
		at := p.in(window, c)
		w.when(number + " = " + w.value(c.window))
		w.when(used + " = " + w.value(c.used))
		if !always && p.left(c, now) < n {
			w.when(used + " < " + w.value(0)) // is never true
		}
		w.set(before, w.value(at.before))
		n += at.used
	case c.window == window-1:
		most := p.Limit
		if length := p.Window.Milliseconds(); p.Algorithm == SlidingWindow && !always {
			most = min(most, (p.Limit-n)*length/(length-over))
		}
		w.when(number + " = " + w.value(window-1))
		w.when(used + " <= " + w.value(most))
		w.set(before, used)
	default: // there is none, or it is too old to count
		w.when("(attribute_not_exists(" + number + ") OR " + number + " < " + w.value(window-1) + " AND " + used + " <= " + w.value(p.Limit) + ")")
		w.set(before, w.value(0))
	}
	w.set(used, w.value(n))
	w.set(number, w.value(window))
}

// takeTokens is take for a token bucket. A bucket that is full again is written
// from the present, because DynamoDB has no max().
func (w *write) takeTokens(p Policy, c count, n int64, now time.Time, always bool) {
	free, at := p.Name+"_t", now.UnixNano()
	if c.free <= at {
		w.when("(attribute_not_exists(" + free + ") OR " + free + " <= " + w.value(at) + ")")
		w.set(free, w.value(at+n*p.interval()))
		return
	}
	w.when(free + " > " + w.value(at))
	if !always {
		w.when(free + " <= " + w.value(at+(p.Burst-n)*p.interval()))
	}
	w.set(free, free+" + "+w.value(n*p.interval()))
}
