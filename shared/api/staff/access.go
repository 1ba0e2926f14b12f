// Package staff has the operations on the people who run Portico, and on their access to
// organizations.
package staff

import (
	"embed"
	"net/http"
	"time"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/member"
	"portico/shared/staff"
)

// Tag groups the operations in the documentation.
const Tag = "Staff"

// Texts are descriptions, each below the heading that stands for it in Go.
//
//go:embed *.md
var Texts embed.FS

const function = "organization"

const accessPath = "/v1/staff-access"

// OpenAccess is POST /v1/staff-access.
var OpenAccess = edge.Write[openInput, accessOutput]{
	Op: edge.Op{
		ID: "openStaffAccess", Method: http.MethodPost, Path: accessPath, Function: function, Acts: edge.OnClosed,
		Faults:     []*fault.Error{errNoPerson, errMayNotImpersonate, member.ErrNotFound},
		Example:    `{"reason":"Ticket 4711: deliveries to one endpoint fail","minutes":60}`,
		Permission: auth.StaffAccessWrite, Fresh: true, Cost: 1, Audit: "staff_access.open", Status: http.StatusCreated,
		Tag: Tag, Summary: "Enter an organization for a while", Description: "#openStaffAccess",
	},
	Handle: open,
}

// ListAccess is GET /v1/staff-access.
var ListAccess = edge.Read[edge.Page, listOutput]{
	Op: edge.Op{
		ID: "listStaffAccess", Method: http.MethodGet, Path: accessPath, Function: function,
		Permission: auth.StaffAccessRead, Cost: 1, Access: "staff_access.read", Tag: Tag, Summary: "List the access of staff",
		Description: "Who of staff may enter the organization, or could, and why; the newest first.",
	},
	Handle: list,
}

// EndAccess is POST /v1/staff-access/{id}/end.
var EndAccess = edge.Write[accessInput, accessOutput]{
	Op: edge.Op{
		ID: "endStaffAccess", Method: http.MethodPost, Path: accessPath + "/{id}/end", Function: function,
		Faults:     []*fault.Error{staff.ErrNoAccess},
		Permission: auth.StaffAccessWrite, Cost: 1, Audit: "staff_access.end", Tag: Tag, Summary: "End an access of staff",
		Description: "The organization ends it, or the person of staff does. One that has ended stays as it is.",
	},
	Handle: end,
}

var errNoPerson = fault.New(fault.Denied, "staff_person_only", "Only a person of staff opens an access. A staff key needs none.").
	Means("Only a person of staff may do this, not a staff key.")

var errMayNotImpersonate = fault.New(fault.Denied, "impersonation_denied", "Your level does not let you look at an organization as one of its members. Leave out member_id, or ask an operator.").
	Means("The level of the person of staff does not let them look at an organization as one of its members.")

type openInput struct {
	Body struct {
		Reason   string     `json:"reason" minLength:"1" maxLength:"500" example:"Ticket 4711: deliveries to one endpoint fail" doc:"Why. The organization reads it in its audit log."`
		Minutes  int        `json:"minutes" minimum:"1" maximum:"240" example:"60" doc:"How long, four hours at most."`
		MemberID *id.Member `json:"member_id,omitempty" example:"mem_01jdf3z9k2e4nv6xq8r0s1t2v3" doc:"As which member to look at the organization, without changing anything; left out: as staff."`
	}
}

type accessInput struct {
	ID id.StaffAccess `path:"id" doc:"The access' id." example:"sac_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type staffAccessBody struct {
	ID        id.StaffAccess `json:"id" doc:"The access' id." example:"sac_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	UserID    id.User        `json:"user_id" doc:"Who of staff." example:"usr_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Name      string         `json:"name" doc:"What the person is called." example:"Grace Hopper"`
	Reason    string         `json:"reason" doc:"Why." example:"Ticket 4711: deliveries to one endpoint fail"`
	MemberID  *id.Member     `json:"member_id" doc:"As which member the person may look at the organization; null: as staff." example:"mem_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Open      bool           `json:"open" doc:"Whether the person may enter now."`
	CreatedAt clock.Stamp    `json:"created_at" format:"date-time" doc:"When it was opened."`
	EndsAt    clock.Stamp    `json:"ends_at" format:"date-time" doc:"When it ends at the latest."`
	EndedAt   *clock.Stamp   `json:"ended_at" format:"date-time" doc:"When it was ended before; null: it was not."`
}

type accessOutput struct{ Body staffAccessBody }

type listOutput struct{ Body edge.List[staffAccessBody] }

func show(a staff.Access, now time.Time) staffAccessBody {
	b := staffAccessBody{
		ID: a.ID, UserID: a.User, Name: a.Name, Reason: a.Reason, Open: a.IsOpen(now),
		CreatedAt: clock.Stamp(a.CreatedAt), EndsAt: clock.Stamp(a.EndsAt), EndedAt: clock.StampOf(a.EndedAt),
	}
	if !a.Member.IsZero() {
		b.MemberID = &a.Member
	}
	return b
}

func open(c *edge.Call, in *openInput) (*accessOutput, error) {
	if c.Caller.Actor.Type != auth.Staff {
		return nil, errNoPerson
	}
	person, err := c.Staff.Of(c, c.Caller.User)
	if err != nil {
		return nil, err
	}
	now := c.Now()
	a := staff.Access{
		ID: id.New[id.StaffAccess](now), User: person.User, Name: person.Name, Reason: in.Body.Reason,
		CreatedAt: now, EndsAt: now.Add(time.Duration(in.Body.Minutes) * time.Minute),
	}
	if in.Body.MemberID != nil {
		if !person.Level.MayImpersonate() {
			return nil, errMayNotImpersonate
		}
		a.Member = *in.Body.MemberID
		if _, err := member.Get(c, c.Tx, c.Org, a.Member); err != nil {
			return nil, err
		}
	}
	c.Audit(nil, a.Fields(), targetsOf(a)...)
	return &accessOutput{show(a, now)}, staff.Open(c, c.Tx, c.Org, a)
}

func targetsOf(a staff.Access) []audit.Target {
	list := []audit.Target{audit.Of("staff_access", a.ID)}
	if !a.Member.IsZero() {
		list = append(list, audit.Of("member", a.Member))
	}
	return list
}

func list(c *edge.Call, in *edge.Page) (*listOutput, error) {
	var after id.StaffAccess
	if err := c.Position("staff_access", in.After, (*[16]byte)(&after.UUID)); err != nil {
		return nil, err
	}
	all, err := staff.List(c, c.Tx, c.Org, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	now := c.Now()
	return &listOutput{edge.ListOf(all, in.Limit, func(a staff.Access) staffAccessBody { return show(a, now) }, func(last staff.Access) *string {
		return c.Cursor("staff_access", last.ID.UUID)
	})}, nil
}

func end(c *edge.Call, in *accessInput) (*accessOutput, error) {
	before, after, err := staff.End(c, c.Tx, c.Org, in.ID, c.Now())
	if err != nil {
		return nil, err
	}
	c.Audit(before.Fields(), after.Fields(), targetsOf(after)...)
	return &accessOutput{show(after, c.Now())}, nil
}
