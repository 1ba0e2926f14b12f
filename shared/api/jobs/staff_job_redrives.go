package jobs

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/job/redrive"
)

// CreateRedriveOfAll is POST /v1/staff/job-redrives.
var CreateRedriveOfAll = edge.Write[createRedriveOfAllInput, redriveOfAllOutput]{
	Op: edge.Op{
		ID: "createRedriveOfAllJobs", Method: http.MethodPost, Path: "/v1/staff/job-redrives", Function: function, Acts: edge.OnPlatform, Status: http.StatusCreated,
		Example:    `{"filter":{"fingerprint":"0b6f0c2d9a1e4f37"},"per_second":10}`,
		Permission: auth.JobsWrite, Cost: 1, Audit: "job_redrive.create", AddsJobs: true, Tag: Tag, Summary: "Try dead jobs of all organizations again",
		Description: "#createRedriveOfAllJobs",
	},
	Handle: func(c *edge.Call, in *createRedriveOfAllInput) (*redriveOfAllOutput, error) {
		f := in.Body.Filter.chosen(nil)
		f.Org = in.Body.Filter.OrganizationID
		made, err := addRedrive(c, redrive.Everywhere, f, in.Body.PerSecond, ChosenOfAll{showFilter(f), f.Org})
		return &redriveOfAllOutput{Body: showRedriveOfAll(made)}, err
	},
}

// ListRedrivesOfAll is GET /v1/staff/job-redrives.
var ListRedrivesOfAll = edge.Read[listRedrivesInput, listRedrivesOfAllOutput]{
	Op: edge.Op{
		ID: "listRedrivesOfAllJobs", Method: http.MethodGet, Path: "/v1/staff/job-redrives", Function: function, Acts: edge.OnPlatform,
		Permission: auth.JobsRead, Cost: 1, Access: "job_redrive.read", Tag: Tag, Summary: "List redrives of all organizations",
		Description: "#listJobRedrives",
	},
	Handle: func(c *edge.Call, in *listRedrivesInput) (*listRedrivesOfAllOutput, error) {
		list, err := redrivesOf(c, redrive.Everywhere.Name, in, showRedriveOfAll)
		return &listRedrivesOfAllOutput{Body: list}, err
	},
}

// GetRedriveOfAll is GET /v1/staff/job-redrives/{id}.
var GetRedriveOfAll = edge.Read[RedrivePath, redriveOfAllOutput]{
	Op: edge.Op{
		ID: "getRedriveOfAllJobs", Method: http.MethodGet, Path: "/v1/staff/job-redrives/{id}", Function: function, Acts: edge.OnPlatform,
		Faults:     []*fault.Error{job.ErrNotFound},
		Permission: auth.JobsRead, Cost: 1, Access: "job_redrive.read", Tag: Tag, Summary: "Get a redrive of all organizations with its progress",
	},
	Handle: func(c *edge.Call, in *RedrivePath) (*redriveOfAllOutput, error) {
		j, err := redriveOf(c, redrive.Everywhere.Name, in.ID)
		return &redriveOfAllOutput{Body: showRedriveOfAll(j)}, err
	},
}

// CancelRedriveOfAll is POST /v1/staff/job-redrives/{id}/cancel.
var CancelRedriveOfAll = edge.Write[RedrivePath, redriveOfAllOutput]{
	Op: edge.Op{
		ID: "cancelRedriveOfAllJobs", Method: http.MethodPost, Path: "/v1/staff/job-redrives/{id}/cancel", Function: function, Acts: edge.OnPlatform,
		Faults:     []*fault.Error{job.ErrNotFound, job.ErrIsDead, job.ErrFinished},
		Permission: auth.JobsWrite, Cost: 1, Audit: "job_redrive.cancel", Tag: Tag, Summary: "Cancel a redrive of all organizations",
		Description: "#cancelJobRedrive",
	},
	Handle: func(c *edge.Call, in *RedrivePath) (*redriveOfAllOutput, error) {
		after, err := endRedrive(c, redrive.Everywhere.Name, in.ID)
		return &redriveOfAllOutput{Body: showRedriveOfAll(after)}, err
	},
}

// FilterOfAll selects dead jobs of all organizations.
type FilterOfAll struct {
	RedriveFilter
	OrganizationID *id.Org `json:"organization_id,omitempty" doc:"Only jobs of this organization." example:"org_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type createRedriveOfAllInput struct {
	Body struct {
		Filter    FilterOfAll `json:"filter" doc:"Which dead jobs. Without members: all, redrives excepted."`
		PerSecond *int        `json:"per_second,omitempty" minimum:"1" maximum:"100" doc:"How many jobs are redriven in a second; 10 if you do not say." example:"10"`
	}
}

// Resolve hands the input to the frame.
func (in *createRedriveOfAllInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *createRedriveOfAllInput) Check(c *edge.Call) error {
	return in.Body.Filter.check(c.Jobs.Names())
}

// ChosenOfAll is the filter of a redrive of all organizations.
type ChosenOfAll struct {
	ChosenFilter
	OrganizationID *id.Org `json:"organization_id" doc:"Only jobs of this organization; null: of all, and of the platform." example:"org_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

// RedriveOfAllBody is a redrive of all organizations.
type RedriveOfAllBody struct {
	RedriveFields
	Filter ChosenOfAll `json:"filter" doc:"Which dead jobs."`
}

type (
	redriveOfAllOutput      struct{ Body RedriveOfAllBody }
	listRedrivesOfAllOutput struct{ Body edge.List[RedriveOfAllBody] }
)

func showRedriveOfAll(j job.Info) RedriveOfAllBody {
	fields, args := redriveFields(j)
	return RedriveOfAllBody{RedriveFields: fields, Filter: ChosenOfAll{showFilter(args.Filter), args.Filter.Org}}
}
