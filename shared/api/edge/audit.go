package edge

import (
	"net/http"
	"net/netip"
	"slices"

	"portico/shared/audit"
	"portico/shared/observe"
)

// change is what a handler says of its mutation.
type change struct {
	targets       []audit.Target
	before, after audit.Fields
}

// RecordedByEvent is for a mutation that only adds events: each names its actor.
const RecordedByEvent = "event"

// recorders are the rows that may be a mutation's record themselves.
var recorders = []string{RecordedByEvent}

// Audit says what the mutation changed: its targets, and their allow-listed
// fields before and after. Of a thing that was made before is nil, of one that
// is gone after. What is the same in both is left out. The frame writes the
// entry; a handler that says nothing gets one without targets, and the tests
// fail.
func (c *Call) Audit(before, after audit.Fields, targets ...audit.Target) {
	c.must(c.op.Audit != "" && c.op.RecordedBy == "", "Audit", "an audit action that writes an entry")
	if before != nil && after != nil {
		before, after = audit.Diff(before, after)
	}
	c.change = change{targets: targets, before: before, after: after}
}

// originOf reads where a request came from. The gateway says the address; what
// a header says of it anybody could have written.
func originOf(r *http.Request) audit.Origin {
	origin := audit.Origin{RequestID: observe.RequestID(r.Context()), UserAgent: r.UserAgent()}
	if address, err := netip.ParseAddr(r.RemoteAddr); err == nil {
		origin.SourceIP = address
	} else if both, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		origin.SourceIP = both.Addr()
	}
	return origin
}

// record writes the one entry of a mutation, in its transaction.
func (c *Call) record(op Op) error {
	if slices.Contains(recorders, op.RecordedBy) {
		return nil
	}
	kind, actor := c.Caller.Actor()
	return audit.Insert(c, c.Tx, c.Org, audit.Entry{
		Action: op.Audit, Actor: audit.Actor{Type: kind, ID: actor, Name: c.Caller.StaffName},
		Targets: c.change.targets, Before: c.change.before, After: c.change.after,
		Origin: c.origin, CreatedAt: c.Now(),
	})
}
