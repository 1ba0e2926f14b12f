package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"portico/shared/apikey"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/observe"
	"portico/shared/org"
	"portico/shared/pg"
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

// record writes the audit entry of a call in its transaction.
func (c *Call) record(op Op) error {
	if slices.Contains(recorders, op.RecordedBy) {
		return nil
	}
	return audit.Insert(c, c.Tx, c.Org, audit.Entry{
		Action: op.action(), Actor: c.Caller.Actor, For: c.Caller.For,
		Targets: c.change.targets, Before: c.change.before, After: c.change.after,
		Origin: c.origin, CreatedAt: c.Now(),
	})
}

// RecordRead makes sure that the audit log gets an entry for this read, also if the
// organization does not want its reads recorded.
func (c *Call) RecordRead() { c.recorded = true }

// recordsReads reports whether the audit log gets an entry for a call that reads: always
// if staff read or if it is the log itself that is read or a file of it, otherwise if the organization
// wants it. What the organization wants is relied on for a while.
func (s *Server) recordsReads(c *Call) (bool, error) {
	switch {
	case c.op.Permission == auth.Public || c.op.Access == NoRecords:
		return false, nil
	case c.op.Access == audit.ReadLog || c.recorded || c.Caller.IsStaff() || c.Caller.Actor.Type == auth.Staff:
		return true, nil
	}
	if wanted, fresh := s.reads.Get(c.Org, c.Now()); fresh {
		return wanted, nil
	}
	var set org.Settings
	err := c.inTx(func() (err error) {
		set, err = org.GetSettings(c, c.Tx, c.Org)
		return err
	})
	wanted := org.RecordReads.Of(set)
	if err == nil {
		s.reads.Put(c.Org, wanted, c.Now())
	}
	return wanted, err
}

// recordRead writes the audit entry of a call that has read something, if it is to have
// one: in its transaction, or before its reply. So nothing is shown without it.
func (s *Server) recordRead(c *Call) error {
	recorded, err := s.recordsReads(c)
	if err != nil || !recorded {
		return err
	}
	c.change = change{targets: c.named(), after: audit.Fields{"operation": c.op.ID}}
	return c.inTx(func() error { return c.record(*c.op) })
}

// inTx runs a function in the call's transaction. A call that has none gets one of its
// organization, or of the platform.
func (c *Call) inTx(fn func() error) error {
	switch {
	case c.Tx != nil:
		return fn()
	case c.Org.IsZero():
		return c.DB.PlatformIn(c, pg.Home, c.within(fn))
	}
	return c.InOrg(fn)
}

// NoRecords is for a read of which nobody has to know who did it: it shows no records of
// an organization, only what Portico is and how it is set.
const NoRecords = "none"

// action returns under which name the audit log has a call.
func (o Op) action() string {
	switch {
	case o.Acts != OnSelf && o.Audit != "":
		return o.Audit
	case o.Acts == OnSelf || o.Access == NoRecords:
		return "operation.call"
	}
	return o.Access
}

// object returns the kind of object that the path names, and the name of its parameter:
// api_key and id of /v1/api-keys/{id}. They are "" if it names none.
func (o Op) object() (noun, parameter string) {
	before, after, named := strings.Cut(o.Path, "/{")
	if !named {
		return "", ""
	}
	parameter, _, _ = strings.Cut(after, "}")
	return singular(path.Base(before)), parameter
}

// singular returns the noun of a part of a path: api_key of api-keys.
func singular(part string) string {
	noun := strings.ReplaceAll(part, "-", "_")
	if stem, changes := strings.CutSuffix(noun, "ies"); changes {
		return stem + "y"
	}
	if strings.HasSuffix(noun, "ss") {
		return noun // staff_access
	}
	return strings.TrimSuffix(noun, "s")
}

// checkRecorded returns an error if the declaration does not say how the audit log has
// its calls, also refused ones.
func (o Op) checkRecorded() error {
	if o.Permission == auth.Public || o.Acts == OnSelf || o.Method != http.MethodGet && o.Audit == "" {
		return nil // nobody is known to call, or check says what is missing
	}
	if o.Method == http.MethodGet && o.Access == "" {
		return fmt.Errorf("operation %s is a read: its Access must name an audit action, or NoRecords", o.ID)
	}
	action, found := audit.Find(o.action())
	if !found || o.Method != http.MethodGet && o.Access != "" {
		return fmt.Errorf("operation %s: the audit action %s is not described in shared/audit/actions.go, or its Access is no read", o.ID, o.action())
	}
	if noun, _ := o.object(); noun != "" && o.Access != NoRecords && !slices.Contains(action.Targets, noun) {
		return fmt.Errorf("operation %s: the audit action %s does not name %s as a target", o.ID, o.action(), noun)
	}
	return nil
}

// named returns what a request names, before it is known whether that exists: an object,
// otherwise an organization. Without both it is the organization of the call.
func (c *Call) named() []audit.Target {
	if noun, _ := c.op.object(); noun != "" && c.op.Acts != OnSelf && c.op.Access != NoRecords {
		return []audit.Target{audit.Named(noun, c.object)}
	}
	if named, err := id.Parse[id.Org](c.sent.Get(organizationHeader)); err == nil {
		return []audit.Target{audit.Of("organization", named)}
	}
	if own := c.Caller.Org; !own.IsZero() {
		return []audit.Target{audit.Of("organization", own)}
	}
	return nil
}

// refused returns the audit entry of a call that was refused because of who has sent it
// or what it names, and whether it is one. The organization is zero if it came into none.
func (c *Call) refused() (in id.Org, e audit.Entry, is bool) {
	f, bad, who := fault.Of(c.cause), apikey.Refused{}, c.Caller
	if c.op == nil || f == nil || c.op.Acts == OnSelf && who.IsSelf() { // that is nobody else's business
		return in, e, false
	}
	after := audit.Fields{"operation": c.op.ID, "code": f.Code}
	switch {
	case f.Kind == fault.Unauthenticated && errors.As(c.cause, &bad):
		who, after["reason"] = bad.Caller, bad.Reason
		e.Action, e.Targets = who.Actor.Type+".use", []audit.Target{{Type: who.Actor.Type, ID: who.Actor.ID}}
	case who.IsKnown() && (f.Kind == fault.Denied || f.Kind == fault.NotFound):
		e.Action, e.Targets = c.op.action(), c.named()
	default:
		return in, e, false
	}
	e.Actor, e.For = who.Actor, who.For
	e.After, e.Origin, e.CreatedAt = after, c.origin, c.Now()
	if gone := who.IsStaff() && errors.Is(c.cause, org.ErrNotFound); !gone && c.op.Acts != OnNew { // that one does not exist yet
		in = who.Org
	}
	return in, e, true
}

// refusalWithin bounds how long the reply of a refused call waits for its entry.
const refusalWithin = time.Second

// recordRefusal records a call that was refused, after its transaction and its reply are
// done. If that fails, only the log line has it.
func (s *Server) recordRefusal(c *Call) {
	in, e, is := c.refused()
	if !is {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c), refusalWithin)
	defer cancel()
	if err := s.refusals.Record(ctx, in, e); err != nil {
		c.Note(slog.String("refusal_not_recorded", err.Error()))
	}
}
