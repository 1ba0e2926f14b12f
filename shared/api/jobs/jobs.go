// Package jobs has the operations on what is done in the background.
package jobs

import (
	"embed"
	"encoding/json"
	"net/http"
	"slices"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/job"
)

// Tag groups the operations in the documentation.
const Tag = "Jobs"

// Texts are long descriptions; Go refers to each by its heading.
//
//go:embed *.md
var Texts embed.FS

const function = "jobs"

// List is GET /v1/jobs.
var List = edge.Read[listInput, listOutput]{
	Op: edge.Op{
		ID: "listJobs", Method: http.MethodGet, Path: "/v1/jobs", Function: function,
		Permission: auth.JobsRead, Cost: 1, Access: "job.read", Tag: Tag, Summary: "List jobs",
		Description: "#listJobs",
	},
	Handle: list,
}

// Get is GET /v1/jobs/{id}.
var Get = edge.Read[JobPath, oneOutput]{
	Op: edge.Op{
		ID: "getJob", Method: http.MethodGet, Path: "/v1/jobs/{id}", Function: function,
		Faults:     []*fault.Error{job.ErrNotFound},
		Permission: auth.JobsRead, Cost: 1, Access: "job.read", Tag: Tag, Summary: "Get a job with its failed tries",
	},
	Handle: get,
}

// Cancel is POST /v1/jobs/{id}/cancel.
var Cancel = edge.Write[JobPath, jobOutput]{
	Op: edge.Op{
		ID: "cancelJob", Method: http.MethodPost, Path: "/v1/jobs/{id}/cancel", Function: function,
		Faults:     []*fault.Error{job.ErrNotFound, job.ErrIsDead, job.ErrFinished},
		Permission: auth.JobsWrite, Cost: 1, Audit: "job.cancel", Tag: Tag, Summary: "Cancel a job",
		Description: "#cancelJob",
	},
	Handle: cancel,
}

// JobPath names a job.
type JobPath struct {
	ID id.Job `path:"id" doc:"The job's id." example:"job_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type listInput struct {
	edge.Page
	Status string `query:"status" enum:"pending,running,scheduled,dead,succeeded,cancelled,dropped,merged" doc:"Only jobs with this status. Without it: those that have not finished."`
	Kind   string `query:"kind" maxLength:"100" doc:"Only jobs of this kind." example:"audit.export"`
}

type progressBody struct {
	Done  int64  `json:"done" doc:"How much is done, as the kind counts." example:"40"`
	Total *int64 `json:"total" doc:"How much there is to do; null: not known." example:"100"`
	Note  string `json:"note" doc:"What it is doing, for people; may be empty." example:"writing the file"`
}

// JobBody is a job without its tries.
type JobBody struct {
	ID                id.Job       `json:"id" doc:"The job's id." example:"job_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Kind              string       `json:"kind" doc:"What the job does." example:"audit.export"`
	Status            string       `json:"status" enum:"pending,running,scheduled,dead,succeeded,cancelled,dropped,merged" doc:"#Job.status"`
	Progress          progressBody `json:"progress" doc:"How far it has come."`
	Attempts          int          `json:"attempts" doc:"How many tries have failed." example:"0"`
	ErrorCode         *string      `json:"error_code" doc:"Why the last failed try failed; null if none has." example:"timeout"`
	DueAt             *clock.Stamp `json:"due_at" format:"date-time" doc:"When the job or its next try may start; null unless it waits."`
	FinishedAt        *clock.Stamp `json:"finished_at" format:"date-time" doc:"When it finished; null if it has not."`
	CancelRequestedAt *clock.Stamp `json:"cancel_requested_at" format:"date-time" doc:"When somebody asked to end it while it ran; null if nobody has."`
	CreatedAt         clock.Stamp  `json:"created_at" format:"date-time" doc:"When it was added."`
	CreatedBy         *string      `json:"created_by" doc:"The id of who added it; null: Portico itself." example:"key_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

// TryBody is a failed try.
type TryBody struct {
	At     clock.Stamp `json:"at" format:"date-time" doc:"When the try failed."`
	TookMS float64     `json:"took_ms" doc:"How long it took, in milliseconds." example:"48"`
	Code   string      `json:"code" doc:"Why it failed." example:"timeout"`
}

type oneBody struct {
	JobBody
	Tries []TryBody `json:"tries" nullable:"false" doc:"The last 20 failed tries, the oldest first."`
}

type (
	jobOutput  struct{ Body JobBody }
	oneOutput  struct{ Body oneBody }
	listOutput struct{ Body edge.List[JobBody] }
)

func show(j job.Info) JobBody {
	b := JobBody{
		ID: j.ID, Kind: j.Kind, Status: string(j.Status), Attempts: j.Attempts, ErrorCode: textOf(j.ErrorCode),
		Progress:          progressBody{Done: j.ProgressDone, Note: j.ProgressNote},
		CancelRequestedAt: clock.StampOf(j.CancelRequestedAt), CreatedAt: clock.Stamp(j.CreatedAt), CreatedBy: textOf(j.CreatedBy),
	}
	if j.ProgressTotal != 0 {
		b.Progress.Total = &j.ProgressTotal
	}
	switch {
	case j.Status.IsFinished():
		b.FinishedAt = clock.StampOf(&j.DueAt)
	case j.Status == job.Pending || j.Status == job.Scheduled:
		b.DueAt = clock.StampOf(&j.DueAt)
	}
	return b
}

// textOf returns a text for JSON: null if there is none.
func textOf(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// recorded are a job's fields in the audit log.
func recorded(j job.Info) audit.Fields {
	return audit.Fields{"kind": j.Kind, "status": j.Status, "args": j.Args, "cancel_requested_at": clock.StampOf(j.CancelRequestedAt), "reason": j.Reason}
}

func list(c *edge.Call, in *listInput) (*listOutput, error) {
	f := job.Filter{Org: &c.Org, Status: job.Status(in.Status), Kinds: c.Jobs.Visible()}
	if in.Kind != "" {
		f.Kinds = slices.DeleteFunc(f.Kinds, func(kind string) bool { return kind != in.Kind })
	}
	if err := c.Position("jobs", in.After, (*[16]byte)(&f.Before.UUID)); err != nil {
		return nil, err
	}
	var jobs []job.Info
	if len(f.Kinds) > 0 { // a filter without kinds would find all
		var err error
		if jobs, err = job.List(c, c.Tx, f, in.Limit+1); err != nil {
			return nil, err
		}
	}
	return &listOutput{Body: edge.ListOf(jobs, in.Limit, show, func(last job.Info) *string { return c.Cursor("jobs", last.ID.UUID) })}, nil
}

// visible returns a job of a kind that customers see.
func visible(c *edge.Call, jobID id.Job) (job.Info, error) {
	j, err := job.Get(c, c.Tx, c.Org, jobID)
	if err == nil && !slices.Contains(c.Jobs.Visible(), j.Kind) {
		err = job.ErrNotFound
	}
	return j, err
}

func get(c *edge.Call, in *JobPath) (*oneOutput, error) {
	j, err := visible(c, in.ID)
	if err != nil {
		return nil, err
	}
	tries, err := showTries[TryBody](j)
	return &oneOutput{Body: oneBody{JobBody: show(j), Tries: tries}}, err
}

func showTries[T TryBody | staffTry](j job.Info) ([]T, error) {
	tries := []T{}
	return tries, json.Unmarshal(j.Tries, &tries)
}

func cancel(c *edge.Call, in *JobPath) (*jobOutput, error) {
	if _, err := visible(c, in.ID); err != nil {
		return nil, err
	}
	after, err := end(c, in.ID)
	return &jobOutput{Body: show(after)}, err
}

// end cancels a job of the call's organization and returns it as it is then.
func end(c *edge.Call, jobID id.Job) (after job.Info, err error) {
	before, err := job.Cancel(c, c.Tx, c.Org, jobID, "")
	if err != nil {
		return after, err
	}
	if after, err = job.Get(c, c.Tx, c.Org, jobID); err != nil {
		return after, err
	}
	c.Audit(recorded(before), recorded(after), audit.Of("job", jobID))
	return after, nil
}
