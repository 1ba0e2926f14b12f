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
		Permission: auth.JobsRead, Cost: 1, Access: "job_redrive.read", Tag: Tag, Summary: "List redrives",
		Description: "#listJobRedrives",
	},
	Handle: listRedrives,
}

// GetRedrive is GET /v1/job-redrives/{id}.
var GetRedrive = edge.Read[RedrivePath, redriveOutput]{
	Op: edge.Op{
		ID: "getJobRedrive", Method: http.MethodGet, Path: "/v1/job-redrives/{id}", Function: function,
		Faults:     []*fault.Error{job.ErrNotFound},
		Permission: auth.JobsRead, Cost: 1, Access: "job_redrive.read", Tag: Tag, Summary: "Get a redrive with its progress",
	},
	Handle: func(c *edge.Call, in *RedrivePath) (*redriveOutput, error) {
		j, err := redriveOf(c, redrive.Own.Name, in.ID)
		return &redriveOutput{Body: showRedrive(j)}, err
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
		after, err := endRedrive(c, redrive.Own.Name, in.ID)
		return &redriveOutput{Body: showRedrive(after)}, err
	},
}

// RedrivePath names a redrive.
type RedrivePath struct {
	ID id.Job `path:"id" doc:"The redrive's id, which is that of its job." example:"job_01jdf3z9k2e4nv6xq8r0s1t2v3"`
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

// RedriveFields are a redrive without its filter.
type RedriveFields struct {
	ID                id.Job       `json:"id" doc:"The redrive's id, which is that of its job." example:"job_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Status            string       `json:"status" enum:"pending,running,scheduled,dead,succeeded,cancelled,dropped,merged" doc:"#Job.status"`
	PerSecond         int          `json:"per_second" doc:"How many jobs are redriven in a second." example:"10"`
	Progress          progressBody `json:"progress" doc:"How many jobs have been redriven, and how many there are."`
	FinishedAt        *clock.Stamp `json:"finished_at" format:"date-time" doc:"When it finished; null if it has not."`
	CancelRequestedAt *clock.Stamp `json:"cancel_requested_at" format:"date-time" doc:"When somebody asked to end it while it ran; null if nobody has."`
	CreatedAt         clock.Stamp  `json:"created_at" format:"date-time" doc:"When it was made."`
	CreatedBy         *string      `json:"created_by" doc:"The id of who made it; null: Portico itself." example:"key_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

// RedriveBody is a redrive.
type RedriveBody struct {
	RedriveFields
	Filter ChosenFilter `json:"filter" doc:"Which dead jobs."`
}

type (
	redriveOutput      struct{ Body RedriveBody }
	listRedrivesOutput struct{ Body edge.List[RedriveBody] }
)

func showRedrive(j job.Info) RedriveBody {
	fields, args := redriveFields(j)
	return RedriveBody{RedriveFields: fields, Filter: showFilter(args.Filter)}
}

func redriveFields(j job.Info) (RedriveFields, redrive.Args) {
	var args redrive.Args
	_ = json.Unmarshal(j.Args, &args) // only its kind has written them
	return RedriveFields{
		ID: j.ID, Status: string(j.Status), PerSecond: args.PerSecond, Progress: show(j).Progress, FinishedAt: show(j).FinishedAt,
		CancelRequestedAt: clock.StampOf(j.CancelRequestedAt), CreatedAt: clock.Stamp(j.CreatedAt), CreatedBy: textOf(j.CreatedBy),
	}, args
}

func showFilter(f redrive.Filter) ChosenFilter {
	shown := ChosenFilter{Fingerprint: textOf(f.Fingerprint), Since: clock.StampOf(f.Since), Until: clock.StampOf(f.Until)}
	if f.Chosen {
		shown.Kind = &f.Kinds[0]
	}
	return shown
}

// Resolve hands the input to the frame.
func (in *createRedriveInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *createRedriveInput) Check(c *edge.Call) error {
	return in.Body.Filter.check(c.Jobs.Visible())
}

// check returns a fault that names what is wrong. kinds may be chosen, those of
// redrives excepted.
func (f RedriveFilter) check(kinds []string) (err error) {
	if f.Kind != nil && (slices.Contains(redrive.Kinds, *f.Kind) || !slices.Contains(kinds, *f.Kind)) {
		err = fault.InvalidField("body.filter.kind", "is not a kind of jobs that can be redriven")
	}
	if f.Since != nil && f.Until != nil && !f.Since.Before(*f.Until) {
		err = fault.Join(err, fault.InvalidField("body.filter.until", "must be later than since"))
	}
	return fault.Join(err, edge.CheckText("body.filter.fingerprint", f.Fingerprint))
}

// chosen returns the filter of the job. all are the kinds that it selects if none is
// chosen.
func (f RedriveFilter) chosen(all []string) redrive.Filter {
	chosen := redrive.Filter{Kinds: all, Since: f.Since, Until: f.Until}
	if f.Kind != nil {
		chosen.Kinds, chosen.Chosen = []string{*f.Kind}, true
	}
	if f.Fingerprint != nil {
		chosen.Fingerprint = *f.Fingerprint
	}
	return chosen
}

func createRedrive(c *edge.Call, in *createRedriveInput) (*redriveOutput, error) {
	f := in.Body.Filter.chosen(c.Jobs.Visible())
	made, err := addRedrive(c, redrive.Own, f, in.Body.PerSecond, showFilter(f))
	return &redriveOutput{Body: showRedrive(made)}, err
}

// addRedrive adds a redrive of the call's organization or platform. shown is the filter
// as the audit log shows it.
func addRedrive(c *edge.Call, kind job.Kind[redrive.Args], f redrive.Filter, perSecond *int, shown any) (job.Info, error) {
	if perSecond == nil {
		perSecond = new(10)
	}
	args, err := redrive.New(c, c.Tx, f, *perSecond)
	if err != nil {
		return job.Info{}, err
	}
	actor := c.Caller.Actor.ID
	made, err := job.Add(c, c.Tx, c.Org, kind, args, job.Options{By: actor})
	if err != nil {
		return job.Info{}, err
	}
	c.Audit(nil, audit.Fields{"filter": shown, "per_second": *perSecond}, audit.Of("job", made))
	encoded, err := json.Marshal(args)
	return job.Info{ID: made, Status: job.Pending, Args: encoded, CreatedAt: time.Time(args.Began), CreatedBy: actor}, err
}

// redriveOf returns a redrive of a kind.
func redriveOf(c *edge.Call, kind string, jobID id.Job) (job.Info, error) {
	j, err := job.Get(c, c.Tx, c.Org, jobID)
	if err == nil && j.Kind != kind {
		err = job.ErrNotFound
	}
	return j, err
}

func endRedrive(c *edge.Call, kind string, jobID id.Job) (job.Info, error) {
	if _, err := redriveOf(c, kind, jobID); err != nil {
		return job.Info{}, err
	}
	return end(c, jobID)
}

func listRedrives(c *edge.Call, in *listRedrivesInput) (*listRedrivesOutput, error) {
	list, err := redrivesOf(c, redrive.Own.Name, in, showRedrive)
	return &listRedrivesOutput{Body: list}, err
}

func redrivesOf[T any](c *edge.Call, kind string, in *listRedrivesInput, show func(job.Info) T) (page edge.List[T], err error) {
	f := job.Filter{Org: &c.Org, Status: job.Status(in.Status), Kinds: []string{kind}}
	if err := c.Position("job_redrives", in.After, (*[16]byte)(&f.Before.UUID)); err != nil {
		return page, err
	}
	list, err := job.List(c, c.Tx, f, in.Limit+1)
	if err != nil {
		return page, err
	}
	return edge.ListOf(list, in.Limit, show, func(last job.Info) *string { return c.Cursor("job_redrives", last.ID.UUID) }), nil
}
