package edge

import (
	"net/http"
	"net/netip"
	"slices"

	"portico/shared/audit"
	"portico/shared/observe"
)

// change is what a mutation changed, as its handler reports it.
type change struct {
	targets       []audit.Target
	before, after audit.Fields
}

// RecordedByEvent is for a mutation that only adds events: each event names its
// actor.
const RecordedByEvent = "event"

// RecordedByProgress is for acknowledging items of the event stream: the consumer's
// progress names who did it last. An entry for each would be as many as the events.
const RecordedByProgress = "event_consumer_progress"

// recorders are the kinds of rows that may replace an audit entry.
var recorders = []string{RecordedByEvent, RecordedByProgress}

// Audit reports what the mutation changed: its targets, and their allow-listed
// fields before and after. before is nil for a thing that was created, after for
// one that was deleted. Fields that are equal in both are left out. The frame
// writes the entry. If a handler does not call Audit, the entry has no targets,
// and the tests fail.
func (c *Call) Audit(before, after audit.Fields, targets ...audit.Target) {
	c.must(c.op.Audit != "" && c.op.RecordedBy == "", "Audit", "an audit action that writes an entry")
	if before != nil && after != nil {
		before, after = audit.Diff(before, after)
	}
	c.change = change{targets: targets, before: before, after: after}
}

// originOf returns where a request came from. The address is the one that the
// gateway saw, not one from a header, which any client could set.
func originOf(r *http.Request) audit.Origin {
	origin := audit.Origin{RequestID: observe.RequestID(r.Context()), UserAgent: r.UserAgent()}
	if address, err := netip.ParseAddr(r.RemoteAddr); err == nil {
		origin.SourceIP = address
	} else if both, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		origin.SourceIP = both.Addr()
	}
	return origin
}

// record writes the audit entry of a mutation in its transaction.
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
