package limit

import (
	"math"
	"strconv"
	"time"
)

// The headers that tell callers of their limits: the first two are of
// draft-ietf-httpapi-ratelimit-headers-11 and tell of all policies; the others tell
// of the tightest one.
const (
	policyHeader    = "RateLimit-Policy"
	leftHeader      = "RateLimit"
	limitHeader     = "X-RateLimit-Limit"
	remainingHeader = "X-RateLimit-Remaining"
	resetHeader     = "X-RateLimit-Reset"
)

// Headers are the names of the headers of every reply to a caller with limits.
var Headers = []string{policyHeader, leftHeader, limitHeader, remainingHeader, resetHeader}

// Tell sets the headers that tell a caller of the limits.
func (d Decision) Tell(set func(name, value string)) {
	if len(d.States) == 0 {
		return
	}
	policies, left := make([]byte, 0, 160), make([]byte, 0, 160)
	for i := range d.States {
		s := &d.States[i]
		if i > 0 {
			policies, left = append(policies, ", "...), append(left, ", "...)
		}
		policies = parameter(named(policies, s), ";q=", s.Policy.capacity())
		policies = parameter(policies, ";w=", seconds(s.Policy.full()))
		if s.Policy.Unit == Work {
			policies = append(policies, `;qu="work-units"`...)
		}
		left = parameter(named(left, s), ";r=", s.Remaining)
		left = parameter(left, ";t=", seconds(wait(s)))
	}
	tightest := d.Tightest()
	set(policyHeader, string(policies))
	set(leftHeader, string(left))
	set(limitHeader, strconv.FormatInt(tightest.Policy.capacity(), 10))
	set(remainingHeader, strconv.FormatInt(tightest.Remaining, 10))
	set(resetHeader, strconv.FormatInt(seconds(wait(tightest)), 10))
}

func named(text []byte, s *State) []byte {
	return append(append(append(text, '"'), s.Policy.Name...), '"')
}

func parameter(text []byte, name string, n int64) []byte {
	return strconv.AppendInt(append(text, name...), n, 10)
}

// wait is the time after which more may be used.
func wait(s *State) time.Duration { return max(s.Reset, s.RetryAfter) }

// seconds rounds up.
func seconds(d time.Duration) int64 { return int64(math.Ceil(d.Seconds())) }
