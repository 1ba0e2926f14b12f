package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"portico/shared/apikey"
	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/fault"
	"portico/shared/limit"
	"portico/shared/observe"
)

// errRateLimited is returned to a caller that has used up a limit.
var errRateLimited = fault.New(fault.TooMany, "rate_limited", "You have reached a limit. Wait as long as Retry-After says.").
	Means("A limit is reached: violated-policies names it. Wait as long as Retry-After says, then send the request again.")

// overLimit is the cause of a 429.
type overLimit struct{ denied []limit.State }

func (o overLimit) Error() string { return "over the limits " + strings.Join(o.names(), ", ") }

// names returns the policies that deny.
func (o overLimit) names() (names []string) {
	for _, s := range o.denied {
		names = append(names, s.Policy.Name)
	}
	return names
}

// Counters count calls against the limits of organizations, of callers without a key
// and of addresses. The limits of keys are counted with the keys.
type Counters struct {
	Organizations *limit.Items
	Actors        *limit.Items // members, apps and portals: each has the limits of a key
	Addresses     *limit.Items // calls that are refused
}

// NewCounters returns the counters of the settings' policies, kept in table.
func NewCounters(table dynamo.Table, s limit.Settings, clock *clock.Clock) *Counters {
	items := func(scope limit.Scope) *limit.Items {
		return &limit.Items{Settings: s.Of(scope), Table: table, Expires: true, Now: clock.Now}
	}
	return &Counters{Organizations: items(limit.ByOrganization), Actors: items(limit.ByKey), Addresses: items(limit.ByAddress)}
}

// amounts returns what a call uses before its handler runs.
func (o Op) amounts() limit.Amounts {
	a := limit.Amounts{Requests: 1, Work: int64(o.Cost)}
	if o.Cost >= limit.CostsMuch {
		a.Expensive = 1
	}
	return a
}

// identify returns the caller of a key, after counting the call against the limits
// of the key and of its organization: against both or neither.
func (s *Server) identify(c *Call, hash apikey.Hash) error {
	began := time.Now()
	d, err := s.count(c, hash)
	for err == nil && !d.Allowed() && s.waiting.Wait(c, d, began) {
		d, err = s.count(c, hash)
	}
	if err != nil {
		return err
	}
	return c.obey(d)
}

// count is one try to count a call.
func (s *Server) count(c *Call, hash apikey.Hash) (limit.Decision, error) {
	use := apikey.Use{From: c.origin.SourceIP, Amounts: c.op.amounts(), LookUp: c.stranger}
	caller, d, err := s.Keys.Caller(c, hash, use)
	if err != nil {
		return d, err
	}
	c.Caller, c.keyHash = caller, hash
	if org := caller.Org; d.Allowed() && !org.IsZero() && s.Counters != nil {
		more, _, _ := s.Counters.Organizations.Take(c, org.String(), use.Amounts, false) // never fails: it decides alone
		if d = d.And(more); !more.Allowed() && !d.Away {                                 // alone nothing was taken
			s.Keys.GiveBack(hash, use.Amounts)
		}
	}
	return d, nil
}

// obey tells the caller what the limits say, and returns whether they deny the call.
func (c *Call) obey(d limit.Decision) error {
	d.Tell(c.headers.Set)
	if d.Away {
		c.Measure(observe.One("LimitsAway", observe.Count, 1))
	}
	if d.Allowed() {
		return nil
	}
	c.Measure(observe.One("RateLimited", observe.Count, 1))
	return refusal(d)
}

// refusal returns the fault of a call that limits deny.
func refusal(d limit.Decision) error {
	s := d.Tightest()
	f := errRateLimited.Saying("You have reached the limit %s: %s. Wait as long as Retry-After says.", s.Policy.Name, rule(s.Policy))
	f.RetryAfter = s.RetryAfter
	return f.Because(overLimit{d.Denied()})
}

// rule says in words what a policy allows.
func rule(p *limit.Policy) string {
	text := fmt.Sprintf("%d %s in %s", p.Limit, strings.ReplaceAll(string(p.Unit), "_", " "), period(p.Window))
	if p.Algorithm == limit.TokenBucket {
		text += fmt.Sprintf(", and %d at once", p.Burst)
	}
	return text
}

func period(d time.Duration) string {
	if d == time.Minute {
		return "a minute"
	}
	if d == time.Second {
		return "a second"
	}
	return fmt.Sprintf("%d seconds", int(d.Seconds()))
}

// stranger counts a call without a valid key against the limit of its address,
// once; its error refuses the call.
func (c *Call) stranger() error {
	if c.counters == nil || c.strange {
		return nil
	}
	c.strange = true
	d, _, _ := c.counters.Addresses.Take(c, limit.AddressKey(c.origin.SourceIP), limit.Amounts{Requests: 1}, false)
	return c.obey(d)
}

// Charge counts work that a call has caused beyond the cost of its operation, in
// work units. Whoever is then over a limit is refused with the next call.
func (c *Call) Charge(units int64) { c.work += units }

// countCaller counts a call against the limits of its actor and of its organization.
func (s *Server) countCaller(c *Call) error {
	if s.Counters == nil {
		return nil
	}
	amounts := c.op.amounts()
	d, _, _ := s.Counters.Actors.Take(c, c.Caller.Actor.ID, amounts, false)
	if org := c.Caller.Org; d.Allowed() && !org.IsZero() {
		more, _, _ := s.Counters.Organizations.Take(c, org.String(), amounts, false)
		if d = d.And(more); !more.Allowed() && !d.Away {
			s.Counters.Actors.GiveBack(c.Caller.Actor.ID, amounts)
		}
	}
	return c.obey(d)
}

// charge writes down what a call has caused. A failure is only logged: the work is
// done.
func (s *Server) charge(c *Call) {
	if c.work == 0 || !c.Caller.IsKnown() {
		return
	}
	ctx := context.WithoutCancel(c)
	amounts := limit.Amounts{Work: c.work}
	var err error
	if c.keyHash != (apikey.Hash{}) {
		err = s.Keys.Charge(ctx, c.keyHash, amounts)
	} else if s.Counters != nil {
		err = s.Counters.Actors.Charge(ctx, c.Caller.Actor.ID, amounts)
	}
	if org := c.Caller.Org; !c.Caller.IsStaff() && s.Counters != nil {
		err = errors.Join(err, s.Counters.Organizations.Charge(ctx, org.String(), amounts))
	}
	if err != nil {
		c.Note(slog.String("charge_failed", err.Error()))
	}
	c.Note(slog.Int64("work_units", c.work))
}
