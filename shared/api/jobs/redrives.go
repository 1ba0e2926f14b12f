package jobs

import (
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
	"portico/shared/job/redrive"
)

// CreateRedrive is POST /v1/job-redrives.
var CreateRedrive = edge.Write[createRedriveInput, redriveOutput]{
	Op: edge.Op{
		ID: "createJobRedrive", Method: http.MethodPost, Path: "/v1/job-redrives", Function: function, Status: http.StatusCreated,
		Example:    `{"filter":{"since":"2026-11-01T00:00:00Z"},"per_second":10}`,
		Permission: auth.JobsWrite, Cost: 1, Audit: "job_redrive.create", AddsJobs: true, Tag: Tag, Summary: "Try dead jobs again",
		Description: "#createJobRedrive",
	},
	Handle: createRedrive,
}

// ListRedrives is GET /v1/job-redrives.
var ListRedrives = edge.Read[listRedrivesInput, listRedrivesOutput]{
	Op: edge.Op{
		ID: "listJobRedrives", Method: http.MethodGet, Path: "/v1/job-redrives", Function: function,
		Permission: auth.JobsRead, Cost: 1, Tag: Tag, Summary: "List redrives",
		Description: "#listJobRedrives",
	},
	Handle: listRedrives,
}

// GetRedrive is GET /v1/job-redrives/{id}.
var GetRedrive = edge.Read[RedrivePath, redriveOutput]{
	Op: edge.Op{
		ID: "getJobRedrive", Method: http.MethodGet, Path: "/v1/job-redrives/{id}", Function: function,
		Faults:     []*fault.Error{job.ErrNotFound},
		Permission: auth.JobsRead, Cost: 1, Tag: Tag, Summary: "Get a redrive with its progress",
	},
	Handle: func(c *edge.Call, in *RedrivePath) (*redriveOutput, error) {
		j, err := redriveOf(c, in.ID)
		if err != nil {
			return nil, err
		}
		return &redriveOutput{Body: showRedrive(j)}, nil
	},
}

// CancelRedrive is POST /v1/job-redrives/{id}/cancel.
var CancelRedrive = edge.Write[RedrivePath, redriveOutput]{
	Op: edge.Op{
		ID: "cancelJobRedrive", Method: http.MethodPost, Path: "/v1/job-redrives/{id}/cancel", Function: function,
		Faults:     []*fault.Error{job.ErrNotFound, job.ErrIsDead, job.ErrFinished},
		Permission: auth.JobsWrite, Cost: 1, Audit: "job_redrive.cancel", Tag: Tag, Summary: "Cancel a redrive",
		Description: "#cancelJobRedrive",
	},
	Handle: func(c *edge.Call, in *RedrivePath) (*redriveOutput, error) {
		if _, err := redriveOf(c, in.ID); err != nil {
			return nil, err
		}
		after, err := end(c, in.ID, "")
		return &redriveOutput{Body: showRedrive(after)}, err
	},
}

// RedrivePath names a redrive.
type RedrivePath struct {
	ID id.Job `path:"id" doc:"The redrive's id, which is that of its job." example:"job_01jdf3z9k2e4nv6xq8r0s1t2u3"`
}

// RedriveFilter selects dead jobs.
type RedriveFilter struct {
	Kind        *string    `json:"kind,omitempty" maxLength:"100" doc:"Only jobs of this kind." example:"audit.export"`
	Fingerprint *string    `json:"fingerprint,omitempty" maxLength:"100" doc:"Only jobs that failed in this way." example:"0b6f0c2d9a1e4f37"`
	Since       *time.Time `json:"since,omitempty" doc:"Only jobs that died at this time or later." example:"2026-11-01T00:00:00Z"`
	Until       *time.Time `json:"until,omitempty" doc:"Only jobs that died before this time." example:"2026-12-01T00:00:00Z"`
}

type createRedriveInput struct {
	Body struct {
		Filter    RedriveFilter `json:"filter" doc:"Which dead jobs. Without members: all that you see."`
		PerSecond *int          `json:"per_second,omitempty" minimum:"1" maximum:"100" doc:"How many jobs are redriven in a second; 10 if you do not say." example:"10"`
	}
}

type listRedrivesInput struct {
	edge.Page
	Status string `query:"status" enum:"pending,running,scheduled,dead,succeeded,cancelled,dropped,merged" doc:"Only redrives with this status. Without it: those that have not finished."`
}

// ChosenFilter is the filter of a redrive.
type ChosenFilter struct {
	Kind        *string      `json:"kind" doc:"Only jobs of this kind; null: of every kind that you see." example:"audit.export"`
	Fingerprint *string      `json:"fingerprint" doc:"Only jobs that failed in this way; null: in any way." example:"0b6f0c2d9a1e4f37"`
	Since       *clock.Stamp `json:"since" format:"date-time" doc:"Only jobs that died at this time or later; null: at any time."`
	Until       *clock.Stamp `json:"until" format:"date-time" doc:"Only jobs that died before this time; null: before the redrive was made."`
}

// RedriveBody is a redrive.
type RedriveBody struct {
	ID                id.Job       `json:"id" doc:"The redrive's id, which is that of its job." example:"job_01jdf3z9k2e4nv6xq8r0s1t2u3"`
	Status            string       `json:"status" enum:"pending,running,scheduled,dead,succeeded,cancelled,dropped,merged" doc:"#Job.status"`
	Filter            ChosenFilter `json:"filter" doc:"Which dead jobs."`
	PerSecond         int          `json:"per_second" doc:"How many jobs are redriven in a second." example:"10"`
	Progress          progressBody `json:"progress" doc:"How many jobs have been redriven, and how many there are."`
	FinishedAt        *clock.Stamp `json:"finished_at" format:"date-time" doc:"When it finished; null if it has not."`
	CancelRequestedAt *clock.Stamp `json:"cancel_requested_at" format:"date-time" doc:"When somebody asked to end it while it ran; null if nobody has."`
	CreatedAt         clock.Stamp  `json:"created_at" format:"date-time" doc:"When it was made."`
	CreatedBy         *string      `json:"created_by" doc:"The id of who made it; null: Portico itself." example:"key_01jdf3z9k2e4nv6xq8r0s1t2u3"`
}

type (
	redriveOutput      struct{ Body RedriveBody }
	listRedrivesOutput struct{ Body edge.List[RedriveBody] }
)

func showRedrive(j job.Info) RedriveBody {
	var args redrive.Args
	_ = json.Unmarshal(j.Args, &args) // only its kind has written them
	f := args.Filter
	b := RedriveBody{
		ID: j.ID, Status: string(j.Status), PerSecond: args.PerSecond, Progress: show(j).Progress, FinishedAt: show(j).FinishedAt,
		Filter:            ChosenFilter{Fingerprint: textOf(f.Fingerprint), Since: clock.StampOf(f.Since), Until: clock.StampOf(f.Until)},
		CancelRequestedAt: clock.StampOf(j.CancelRequestedAt), CreatedAt: clock.Stamp(j.CreatedAt), CreatedBy: textOf(j.CreatedBy),
	}
	if f.Chosen {
		b.Filter.Kind = &f.Kinds[0]
	}
	return b
}

// Resolve hands the input to the frame.
func (in *createRedriveInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *createRedriveInput) Check(c *edge.Call) (err error) {
	f := in.Body.Filter
	if f.Kind != nil && (*f.Kind == redrive.Own.Name || !slices.Contains(c.Jobs.Visible(), *f.Kind)) {
		err = fault.InvalidField("body.filter.kind", "is not a kind of jobs that can be redriven")
	}
	if f.Since != nil && f.Until != nil && !f.Since.Before(*f.Until) {
		err = fault.Join(err, fault.InvalidField("body.filter.until", "must be later than since"))
	}
	return fault.Join(err, edge.CheckText("body.filter.fingerprint", f.Fingerprint))
}

func createRedrive(c *edge.Call, in *createRedriveInput) (*redriveOutput, error) {
	f, perSecond := redrive.Filter{Kinds: c.Jobs.Visible(), Since: in.Body.Filter.Since, Until: in.Body.Filter.Until}, 10
	if kind := in.Body.Filter.Kind; kind != nil {
		f.Kinds, f.Chosen = []string{*kind}, true
	}
	if in.Body.Filter.Fingerprint != nil {
		f.Fingerprint = *in.Body.Filter.Fingerprint
	}
	if in.Body.PerSecond != nil {
		perSecond = *in.Body.PerSecond
	}
	args, err := redrive.New(c, c.Tx, f, perSecond)
	if err != nil {
		return nil, err
	}
	_, actor := c.Caller.Actor()
	made, err := job.Add(c, c.Tx, c.Org, redrive.Own, args, job.Options{By: actor})
	if err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	c.Audit(nil, audit.Fields{"filter": in.Body.Filter, "per_second": perSecond}, audit.Of("job", made))
	return &redriveOutput{Body: showRedrive(job.Info{ID: made, Status: job.Pending, Args: encoded, CreatedAt: args.Began, CreatedBy: actor})}, nil
}

// redriveOf returns a redrive of the call's organization.
func redriveOf(c *edge.Call, jobID id.Job) (job.Info, error) {
	j, err := job.Get(c, c.Tx, c.Org, jobID)
	if err == nil && j.Kind != redrive.Own.Name {
		err = job.ErrNotFound
	}
	return j, err
}

func listRedrives(c *edge.Call, in *listRedrivesInput) (*listRedrivesOutput, error) {
	f := job.Filter{Org: &c.Org, Status: job.Status(in.Status), Kinds: []string{redrive.Own.Name}}
	if err := c.Position("job_redrives", in.After, (*[16]byte)(&f.Before.UUID)); err != nil {
		return nil, err
	}
	list, err := job.List(c, c.Tx, f, in.Limit+1)
	if err != nil {
		return nil, err
	}
	next := func(last job.Info) *string { return c.Cursor("job_redrives", last.ID.UUID) }
	return &listRedrivesOutput{Body: edge.ListOf(list, in.Limit, showRedrive, next)}, nil
}
