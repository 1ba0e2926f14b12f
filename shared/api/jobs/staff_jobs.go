package jobs

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
)

// ListAll is GET /v1/staff/jobs.
var ListAll = edge.Global[listAllInput, listAllOutput]{
	Op: edge.Op{
		ID: "listAllJobs", Method: http.MethodGet, Path: "/v1/staff/jobs", Function: function, Acts: edge.OnAll,
		Permission: auth.JobsRead, Cost: 1, Access: "job.read", Tag: Tag, Summary: "List the jobs of all organizations",
		Description: "#listAllJobs",
	},
	Handle: listAll,
}

// GetAny is GET /v1/staff/jobs/{id}.
var GetAny = edge.Read[JobPath, staffOneOutput]{
	Op: edge.Op{
		ID: "getAnyJob", Method: http.MethodGet, Path: "/v1/staff/jobs/{id}", Function: function, Acts: edge.OnNamed,
		Faults:     []*fault.Error{job.ErrNotFound},
		Permission: auth.JobsRead, Cost: 1, Access: "job.read", Tag: Tag, Summary: "Get a job of any kind with its failed tries",
	},
	Handle: func(c *edge.Call, in *JobPath) (*staffOneOutput, error) {
		var j job.Info
		err := whereItIs(c, func(tx pg.Tx) (err error) { j, err = job.Get(c, tx, c.Org, in.ID); return err })
		if err != nil {
			return nil, err
		}
		tries, err := showTries[staffTry](j)
		return &staffOneOutput{Body: staffOneBody{StaffJobBody: showStaff(j), Tries: tries, Reason: textOf(j.Reason)}}, err
	},
}

// ListDead is GET /v1/staff/dead-jobs.
var ListDead = edge.Global[listDeadInput, listDeadOutput]{
	Op: edge.Op{
		ID: "listDeadJobs", Method: http.MethodGet, Path: "/v1/staff/dead-jobs", Function: function, Acts: edge.OnAll,
		Permission: auth.JobsRead, Cost: 1, Access: "job.read", Tag: Tag, Summary: "List dead jobs in groups",
		Description: "#listDeadJobs",
	},
	Handle: listDead,
}

// Redrive is POST /v1/staff/jobs/{id}/redrive.
var Redrive = edge.Write[redriveInput, staffJobOutput]{
	Op: edge.Op{
		ID: "redriveJob", Method: http.MethodPost, Path: "/v1/staff/jobs/{id}/redrive", Function: function, Acts: edge.OnNamed,
		Faults:     []*fault.Error{job.ErrNotFound, job.ErrNotDead, job.ErrFinished},
		Example:    `{}`,
		Permission: auth.JobsWrite, Cost: 1, Audit: "job.redrive", Tag: Tag, Summary: "Try a dead job again",
		Description: "#redriveJob",
	},
	Handle: redriveOne,
}

// Drop is POST /v1/staff/jobs/{id}/drop.
var Drop = edge.Write[dropInput, staffJobOutput]{
	Op: edge.Op{
		ID: "dropJob", Method: http.MethodPost, Path: "/v1/staff/jobs/{id}/drop", Function: function, Acts: edge.OnNamed,
		Faults:     []*fault.Error{job.ErrNotFound, job.ErrNotDead, job.ErrFinished},
		Example:    `{"reason":"the endpoint was deleted"}`,
		Permission: auth.JobsWrite, Cost: 1, Audit: "job.drop", Tag: Tag, Summary: "Give a dead job up",
	},
	Handle: drop,
}

// CancelAny is POST /v1/staff/jobs/{id}/cancel.
var CancelAny = edge.Write[dropInput, staffJobOutput]{
	Op: edge.Op{
		ID: "cancelAnyJob", Method: http.MethodPost, Path: "/v1/staff/jobs/{id}/cancel", Function: function, Acts: edge.OnNamed,
		Faults:     []*fault.Error{job.ErrNotFound, job.ErrIsDead, job.ErrFinished},
		Example:    `{"reason":"asked for by the customer"}`,
		Permission: auth.JobsWrite, Cost: 1, Audit: "job.cancel", Tag: Tag, Summary: "Cancel a job of any kind",
		Description: "#cancelJob",
	},
	Handle: func(c *edge.Call, in *dropInput) (*staffJobOutput, error) { return endIn(c, in, job.Cancel) },
}

type listAllInput struct {
	edge.Page
	Status         string    `query:"status" enum:"pending,running,scheduled,dead,succeeded,cancelled,dropped,merged" doc:"Only jobs with this status. Without it: those that have not finished."`
	Kind           string    `query:"kind" maxLength:"100" doc:"Only jobs of this kind." example:"audit.export"`
	Queue          string    `query:"queue" enum:"high,bulk,billing" doc:"Only jobs of this queue."`
	Fingerprint    string    `query:"fingerprint" maxLength:"100" doc:"Only unfinished jobs that failed in this way."`
	OrganizationID id.Org    `query:"organization_id" doc:"Only jobs of this organization." example:"org_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Since          time.Time `query:"since" doc:"Only jobs that were added at this time or later." example:"2026-11-01T00:00:00Z"`
	Until          time.Time `query:"until" doc:"Only jobs that were added before this time." example:"2026-12-01T00:00:00Z"`
}

type listDeadInput struct {
	After          string `query:"after" maxLength:"300" doc:"The value of next from the previous page."`
	Kind           string `query:"kind" maxLength:"100" doc:"Only jobs of this kind." example:"audit.export"`
	OrganizationID id.Org `query:"organization_id" doc:"Only jobs of this organization." example:"org_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type redriveInput struct {
	JobPath
	Body struct {
		Args json.RawMessage `json:"args,omitempty" doc:"Other arguments, of the same shape. Without them: the same as before." example:"{}"`
	}
}

type dropInput struct {
	JobPath
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"Why, for the audit log." example:"the endpoint was deleted"`
	}
}

// StaffJobBody is a job with what only staff see.
type StaffJobBody struct {
	JobBody
	OrganizationID *id.Org         `json:"organization_id" doc:"The organization whose job it is; null: the platform's own." example:"org_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Queue          string          `json:"queue" enum:"high,bulk,billing" doc:"Where it runs."`
	Args           json.RawMessage `json:"args" doc:"Its arguments." example:"{}"`
	LastError      *string         `json:"last_error" doc:"Why the last failed try failed, in words; null if none has."`
	Fingerprint    *string         `json:"fingerprint" doc:"Equal for jobs that failed in the same way; null if no try has failed."`
	Crashes        int             `json:"crashes" doc:"How often its runner died while it ran." example:"0"`
	RequestID      *string         `json:"request_id" doc:"The id of the request that added it; null if none did."`
}

type staffTry struct {
	TryBody
	Error      string       `json:"error" doc:"Why it failed, in words." example:"no answer within 10s"`
	RedrivenAt *clock.Stamp `json:"redriven_at" format:"date-time" doc:"When somebody let the job begin anew after this try: those that follow are of its new schedule. null: nobody did."`
}

type staffOneBody struct {
	StaffJobBody
	Reason *string    `json:"reason" doc:"Why it was dropped or cancelled, or is to be cancelled; null: nobody said." example:"the endpoint was deleted"`
	Tries  []staffTry `json:"tries" nullable:"false" doc:"The last 20 failed tries, the oldest first."`
}

type groupBody struct {
	Fingerprint   string      `json:"fingerprint" doc:"Names the group." example:"0b6f0c2d"`
	Kind          string      `json:"kind" doc:"What the jobs do." example:"audit.export"`
	ErrorCode     string      `json:"error_code" doc:"Why they failed." example:"timeout"`
	LastError     string      `json:"last_error" doc:"The same in words, of the newest." example:"no answer within 10s"`
	Jobs          int         `json:"jobs" doc:"How many." example:"3"`
	Organizations int         `json:"organizations" doc:"Of how many organizations." example:"1"`
	Oldest        id.Job      `json:"oldest" doc:"The job that was added first." example:"job_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Newest        id.Job      `json:"newest" doc:"The job that was added last." example:"job_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	FirstAt       clock.Stamp `json:"first_at" format:"date-time" doc:"When the first of them died."`
	LastAt        clock.Stamp `json:"last_at" format:"date-time" doc:"When the last of them died."`
}

type (
	staffJobOutput struct{ Body StaffJobBody }
	staffOneOutput struct{ Body staffOneBody }
	listAllOutput  struct{ Body edge.List[StaffJobBody] }
	listDeadOutput struct {
		Body struct {
			Data []groupBody `json:"data" nullable:"false" doc:"The groups, the largest first."`
			Next *string     `json:"next" doc:"Pass it as after to get the groups of further jobs; null: these are all."`
		}
	}
)

func showStaff(j job.Info) StaffJobBody {
	b := StaffJobBody{
		JobBody: show(j), Queue: string(j.Queue), Args: j.Args, LastError: textOf(j.LastError), Fingerprint: textOf(j.Fingerprint),
		Crashes: j.Crashes, RequestID: textOf(j.RequestID),
	}
	if !j.OrgID.IsZero() {
		b.OrganizationID = &j.OrgID
	}
	return b
}

// filterOf returns a filter for staff, or a fault that names the wrong field.
func filterOf(c *edge.Call, kind string, org id.Org) (f job.Filter, err error) {
	if kind != "" {
		f.Kinds = []string{kind}
		if !c.Jobs.Has(kind) {
			err = fault.InvalidField("query.kind", "is not a kind of jobs")
		}
	}
	if !org.IsZero() {
		f.Org = &org
	}
	return f, err
}

func listAll(c *edge.Call, in *listAllInput) (*listAllOutput, error) {
	selected, err := filterOf(c, in.Kind, in.OrganizationID)
	f := job.StaffFilter{Filter: selected, Queue: job.Queue(in.Queue), Since: in.Since, Until: in.Until}
	f.Status, f.Fingerprint = job.Status(in.Status), in.Fingerprint
	var after job.Place
	err = fault.Join(err, edge.CheckText("query.fingerprint", &in.Fingerprint),
		c.Position("staff_jobs", in.After, (*[16]byte)(&after.Org.UUID), (*[16]byte)(&after.ID.UUID)))
	if err != nil {
		return nil, err
	}
	if in.After != "" {
		f.After = &after
	}
	all, read, err := job.ListAll(c, c.DB, f, in.Limit+1)
	if err != nil {
		return nil, err
	}
	next := func(at job.Place) *string { return c.Cursor("staff_jobs", at.Org.UUID, at.ID.UUID) }
	out := edge.ListOf(all, in.Limit, showStaff, func(last job.Info) *string { return next(job.Place{Org: last.OrgID, ID: last.ID}) })
	if out.Next == nil && read != nil {
		out.Next = next(*read)
	}
	return &listAllOutput{Body: out}, nil
}

func listDead(c *edge.Call, in *listDeadInput) (*listDeadOutput, error) {
	f, err := filterOf(c, in.Kind, in.OrganizationID)
	plain, wrong := c.TextPosition("dead_jobs", in.After)
	if err = fault.Join(err, wrong); err != nil {
		return nil, err
	}
	var after *job.GroupsPlace
	if plain != "" {
		after = &job.GroupsPlace{Database: plain[32:]}
		copy(after.Org.UUID[:], plain)
		copy(after.ID.UUID[:], plain[16:])
	}
	groups, read, err := job.ListGroups(c, c.DB, f, after)
	out := &listDeadOutput{}
	out.Body.Data = []groupBody{}
	for _, g := range groups {
		out.Body.Data = append(out.Body.Data, groupBody{
			Fingerprint: g.Fingerprint, Kind: g.Kind, ErrorCode: g.ErrorCode, LastError: g.LastError, Jobs: g.Jobs, Organizations: g.Organizations,
			Oldest: g.Oldest, Newest: g.Newest, FirstAt: clock.Stamp(g.FirstAt), LastAt: clock.Stamp(g.LastAt),
		})
	}
	if read != nil {
		out.Body.Next = c.TextCursor("dead_jobs", slices.Concat(read.Org.UUID[:], read.ID.UUID[:], []byte(read.Database)))
	}
	return out, err
}

func redriveOne(c *edge.Call, in *redriveInput) (*staffJobOutput, error) {
	var before, after job.Info
	err := whereItIs(c, func(tx pg.Tx) (err error) {
		before, after, err = job.Redrive(c, tx, c.Jobs, c.Org, in.ID, in.Body.Args)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.Audit(recorded(before), recorded(after), audit.Of("job", in.ID))
	return &staffJobOutput{Body: showStaff(after)}, nil
}

func drop(c *edge.Call, in *dropInput) (*staffJobOutput, error) {
	return endIn(c, in, job.Drop)
}

// endIn ends a job in its database.
func endIn(c *edge.Call, in *dropInput, end func(context.Context, pg.Tx, id.Org, id.Job, string) (job.Info, error)) (*staffJobOutput, error) {
	var before, after job.Info
	err := whereItIs(c, func(tx pg.Tx) (err error) {
		if before, err = end(c, tx, c.Org, in.ID, in.Body.Reason); err != nil {
			return err
		}
		after, err = job.Get(c, tx, c.Org, in.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.Audit(recorded(before), recorded(after), audit.Of("job", in.ID))
	return &staffJobOutput{Body: showStaff(after)}, nil
}

// Resolve hands the input to the frame.
func (in *dropInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *dropInput) Check(*edge.Call) error { return edge.CheckText("body.reason", &in.Body.Reason) }
