package schedules

import (
	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/audit/scheduled"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
)

func show(s scheduled.Schedule) auditExportScheduleBody {
	b := auditExportScheduleBody{
		ID: s.ID, Every: s.Every, Format: s.Format, Filter: showFilter(s.Filter),
		Next:     schedulePeriodBody{Since: clock.Stamp(s.Next.Since), Until: clock.Stamp(s.Next.Until)},
		Failures: s.Failures, FailingSince: clock.StampOf(s.FailingSince), NextTryAt: clock.StampOf(s.NextTryAt), LastError: s.LastError, Problem: s.Problem(),
		CreatedBy: edge.OrNull(s.CreatedBy), CreatedAt: clock.Stamp(s.CreatedAt), UpdatedAt: clock.Stamp(s.UpdatedAt),
	}
	if s.To.Stream.IsZero() {
		b.Member = &s.To.Member
	} else {
		b.Stream = &s.To.Stream
	}
	if last := s.Last(); last != nil {
		b.Last = &scheduledExportBody{ID: s.LastExport, Since: clock.Stamp(last.Since), Until: clock.Stamp(last.Until), DeliveredAt: clock.Stamp(*s.DeliveredAt)}
	}
	return b
}

// checkDestination refuses two destinations.
func checkDestination(to scheduled.Destination) error {
	if !to.Stream.IsZero() && !to.Member.IsZero() {
		return fault.InvalidField("member_id", "cannot be sent with stream_id: send one of them")
	}
	return nil
}

// Resolve hands the input to the frame.
func (in *createAuditExportScheduleInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *createAuditExportScheduleInput) Check(*edge.Call) error {
	return fault.Join(in.Body.Filter.check(), checkDestination(scheduled.Destination{Stream: in.Body.Stream, Member: in.Body.Member}))
}

// Resolve hands the input to the frame.
func (in *updateAuditExportScheduleInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *updateAuditExportScheduleInput) Check(*edge.Call) error {
	return fault.Join(in.Body.Filter.check(), checkDestination(scheduled.Destination{Stream: in.Body.Stream, Member: in.Body.Member}))
}

func target(schedule id.AuditExportSchedule) audit.Target {
	return audit.Of("audit_export_schedule", schedule)
}

// fields are those of the audit log.
func fields(s scheduled.Schedule) audit.Fields {
	f := audit.Fields{"every": s.Every, "format": s.Format, "filter": showFilter(s.Filter)}
	if s.To.Stream.IsZero() {
		f["member_id"] = s.To.Member
	} else {
		f["stream_id"] = s.To.Stream
	}
	return f
}

func create(c *edge.Call, in *createAuditExportScheduleInput) (*createdOutput, error) {
	by := c.Caller.Actor.ID
	b := in.Body
	made, err := scheduled.Insert(c, c.Tx, c.Org, scheduled.New{
		Every: b.Every, Format: b.Format, Filter: b.Filter.filter(), To: scheduled.Destination{Stream: b.Stream, Member: b.Member}, By: by,
	}, c.Now())
	if err != nil {
		return nil, err
	}
	c.Audit(nil, fields(made), target(made.ID))
	return &createdOutput{Location: "/v1/audit-export-schedules/" + made.ID.String(), Body: show(made)}, nil
}

func list(c *edge.Call, in *edge.Page) (*listOutput, error) {
	var after id.AuditExportSchedule
	if err := c.Position("audit_export_schedules", in.After, (*[16]byte)(&after.UUID)); err != nil {
		return nil, err
	}
	all, err := scheduled.List(c, c.Tx, c.Org, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return &listOutput{Body: edge.ListOf(all, in.Limit, show, func(last scheduled.Schedule) *string {
		return c.Cursor("audit_export_schedules", last.ID.UUID)
	})}, nil
}

func get(c *edge.Call, in *Path) (*output, error) {
	s, err := scheduled.Get(c, c.Tx, c.Org, in.ID)
	return &output{Body: show(s)}, err
}

func update(c *edge.Call, in *updateAuditExportScheduleInput) (*output, error) {
	b, change := in.Body, scheduled.Change{Format: in.Body.Format}
	if b.Filter != nil {
		change.Filter = new(b.Filter.filter())
	}
	if to := (scheduled.Destination{Stream: b.Stream, Member: b.Member}); to != (scheduled.Destination{}) {
		change.To = &to
	}
	before, after, err := scheduled.Update(c, c.Tx, c.Org, in.ID, change, c.Now())
	if err != nil {
		return nil, err
	}
	c.Audit(fields(before), fields(after), target(in.ID))
	return &output{Body: show(after)}, nil
}

func remove(c *edge.Call, in *Path) (*struct{}, error) {
	gone, err := scheduled.Delete(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	c.Audit(fields(gone), nil, target(in.ID))
	return nil, nil
}
