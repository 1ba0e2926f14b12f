package jobs

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/job"
	"portico/shared/job/kinds"
	"portico/shared/pg"
)

// ListKinds is GET /v1/staff/job-kinds.
var ListKinds = edge.Global[struct{}, listKindsOutput]{
	Op: edge.Op{
		ID: "listJobKinds", Method: http.MethodGet, Path: "/v1/staff/job-kinds", Function: function, Acts: edge.OnAll,
		Permission: auth.JobsRead, Cost: 1, Access: edge.NoRecords, Tag: Tag, Summary: "List the kinds of jobs",
		Description: "#listJobKinds",
	},
	Handle: listKinds,
}

// GetKind is GET /v1/staff/job-kinds/{name}.
var GetKind = edge.Global[KindPath, kindOutput]{
	Op: edge.Op{
		ID: "getJobKind", Method: http.MethodGet, Path: "/v1/staff/job-kinds/{name}", Function: function, Acts: edge.OnAll,
		Faults:     []*fault.Error{kinds.ErrNotFound},
		Permission: auth.JobsRead, Cost: 1, Access: edge.NoRecords, Tag: Tag, Summary: "Get a kind of jobs",
	},
	Handle: getKind,
}

// PauseKind is POST /v1/staff/job-kinds/{name}/pause.
var PauseKind = edge.Write[pauseKindInput, kindOutput]{
	Op: edge.Op{
		ID: "pauseJobKind", Method: http.MethodPost, Path: "/v1/staff/job-kinds/{name}/pause", Function: function, Acts: edge.OnPlatform,
		Faults:     []*fault.Error{kinds.ErrNotFound},
		Example:    `{"reason":"the outside API returns faults"}`,
		Permission: auth.JobsWrite, Cost: 1, Audit: "job_kind.pause", AddsJobs: true, Tag: Tag, Summary: "Pause a kind of jobs",
		Description: "#pauseJobKind",
	},
	Handle: func(c *edge.Call, in *pauseKindInput) (*kindOutput, error) {
		return editKind(c, in.Name, func(e kinds.Editor) (before, after kinds.Override, err error) {
			return e.Pause(c, c.Tx, in.Name, in.Body.Reason)
		})
	},
}

// ResumeKind is POST /v1/staff/job-kinds/{name}/resume.
var ResumeKind = edge.Write[KindPath, kindOutput]{
	Op: edge.Op{
		ID: "resumeJobKind", Method: http.MethodPost, Path: "/v1/staff/job-kinds/{name}/resume", Function: function, Acts: edge.OnPlatform,
		Faults:     []*fault.Error{kinds.ErrNotFound},
		Permission: auth.JobsWrite, Cost: 1, Audit: "job_kind.resume", AddsJobs: true, Tag: Tag, Summary: "Resume a kind of jobs",
		Description: "#resumeJobKind",
	},
	Handle: func(c *edge.Call, in *KindPath) (*kindOutput, error) {
		return editKind(c, in.Name, func(e kinds.Editor) (before, after kinds.Override, err error) { return e.Resume(c, c.Tx, in.Name) })
	},
}

// UpdateKind is PATCH /v1/staff/job-kinds/{name}.
var UpdateKind = edge.Write[updateKindInput, kindOutput]{
	Op: edge.Op{
		ID: "updateJobKind", Method: http.MethodPatch, Path: "/v1/staff/job-kinds/{name}", Function: function, Acts: edge.OnPlatform,
		Faults:     []*fault.Error{kinds.ErrNotFound},
		Example:    `{"max_per_organization":1}`,
		Permission: auth.JobsWrite, Cost: 1, Audit: "job_kind.update", AddsJobs: true, Tag: Tag, Summary: "Bound how many jobs of a kind run",
		Description: "#updateJobKind",
	},
	Handle: func(c *edge.Call, in *updateKindInput) (*kindOutput, error) {
		return editKind(c, in.Name, func(e kinds.Editor) (before, after kinds.Override, err error) {
			return e.Limit(c, c.Tx, in.Name, in.Body.MaxPerOrganization, in.Body.MaxInAll)
		})
	},
}

// KindPath names a kind.
type KindPath struct {
	Name string `path:"name" maxLength:"100" pattern:"^[a-z][a-z0-9_.]*$" doc:"The kind's name, as the code declares it." example:"organization.erase"`
}

type pauseKindInput struct {
	KindPath
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"Why, for those who wonder why nothing happens." example:"the outside API returns faults"`
	}
}

// Resolve hands the input to the frame.
func (in *pauseKindInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *pauseKindInput) Check(*edge.Call) error {
	return edge.CheckText("body.reason", &in.Body.Reason)
}

type updateKindInput struct {
	KindPath
	Body struct {
		MaxPerOrganization *int `json:"max_per_organization,omitempty" minimum:"0" maximum:"1000000" doc:"How many of its jobs may run at a time for one organization. 0: as the code declares." example:"1"`
		MaxInAll           *int `json:"max_in_all,omitempty" minimum:"0" maximum:"1000000" doc:"How many of its jobs may run at a time in one database. 0: as the code declares." example:"20"`
	}
}

type kindLimitsBody struct {
	MaxPerOrganization *int `json:"max_per_organization" doc:"How many of its jobs may run at a time for one organization; null: not set." example:"1"`
	MaxInAll           *int `json:"max_in_all" doc:"How many of its jobs may run at a time in one database; null: not set." example:"20"`
}

type kindBody struct {
	Name           string             `json:"name" doc:"The kind's name, as the code declares it." example:"organization.erase"`
	Queue          string             `json:"queue" enum:"high,bulk,billing" doc:"Where its jobs run."`
	TimeoutSeconds int                `json:"timeout_seconds" doc:"How long a try may take." example:"60"`
	Throttle       *string            `json:"throttle" doc:"The throttle that its jobs share; null: none." example:"ses"`
	Visible        bool               `json:"visible" doc:"true: customers see its jobs."`
	Declared       kindLimitsBody     `json:"declared" doc:"The limits that the code declares; null: any number."`
	Override       kindLimitsBody     `json:"override" doc:"The limits that staff have set instead; null: as declared."`
	PausedAt       *clock.Stamp       `json:"paused_at" format:"date-time" doc:"When it was paused: none of its jobs starts. null: it is not paused."`
	PausedBy       *string            `json:"paused_by" doc:"The staff key that paused it, or the kind of the job of Portico that did; null: it is not paused." example:"staff_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	PauseReason    *string            `json:"pause_reason" doc:"Why it was paused; null: it is not paused."`
	Databases      []kindDatabaseBody `json:"databases" nullable:"false" doc:"#JobKind.databases"`
}

type kindDatabaseBody struct {
	Name     string       `json:"name" doc:"The database's name." example:"home"`
	Status   string       `json:"status" enum:"current,behind,away" doc:"current: it has the last change. behind: the last change will be copied to it. away: it cannot be reached."`
	PausedAt *clock.Stamp `json:"paused_at" format:"date-time" doc:"When it was paused there; null: it is not paused there, or this is not known."`
}

type (
	kindOutput      struct{ Body kindBody }
	listKindsOutput struct {
		Body struct {
			Data []kindBody `json:"data" nullable:"false" doc:"The kinds, by name."`
		}
	}
)

// kindFields are an override's fields in the audit log.
func kindFields(o kinds.Override) audit.Fields {
	return audit.Fields{"paused_at": clock.StampOf(o.PausedAt), "pause_reason": o.PauseReason, "max_per_organization": o.PerOrg, "max_in_all": o.InAll}
}

// kindName is a kind's name as the target of an audit entry.
type kindName string

func (n kindName) String() string { return string(n) }

// editKind changes a kind in the home database. Jobs copy the change to the others.
func editKind(c *edge.Call, name string, edit func(kinds.Editor) (before, after kinds.Override, err error)) (*kindOutput, error) {
	actor := c.Caller.Actor.ID
	others := c.DB.Others().Names()
	before, after, err := edit(kinds.Editor{Kinds: c.Jobs, By: actor, Others: others})
	if err != nil {
		return nil, err
	}
	c.Audit(kindFields(before), kindFields(after), audit.Of("job_kind", kindName(name)))
	states := []kindDatabaseBody{kindState(after, after, pg.Home)}
	for _, database := range others {
		states = append(states, kindDatabaseBody{Name: database, Status: behind})
	}
	for _, d := range c.Jobs.Declarations() {
		if d.Name == name {
			return &kindOutput{Body: showKind(d, after, states)}, nil
		}
	}
	return nil, kinds.ErrNotFound
}

func showKind(d job.Declaration, o kinds.Override, states []kindDatabaseBody) kindBody {
	return kindBody{
		Name: d.Name, Queue: string(d.Queue), TimeoutSeconds: int(d.Timeout.Seconds()), Throttle: textOf(d.Throttle), Visible: d.Visible,
		Declared: showLimits(d.PerOrg, d.InAll), Override: showLimits(o.PerOrg, o.InAll),
		PausedAt: clock.StampOf(o.PausedAt), PausedBy: textOf(o.PausedBy), PauseReason: textOf(o.PauseReason), Databases: states,
	}
}

func showLimits(perOrg, inAll int) (b kindLimitsBody) {
	if perOrg > 0 {
		b.MaxPerOrganization = &perOrg
	}
	if inAll > 0 {
		b.MaxInAll = &inAll
	}
	return b
}

func kindState(home, own kinds.Override, database string) kindDatabaseBody {
	b := kindDatabaseBody{Name: database, Status: current, PausedAt: clock.StampOf(own.PausedAt)}
	if own.Revision < home.Revision {
		b.Status = behind
	}
	return b
}

// kindsThat returns the declared kinds that match, with their states in every database.
func kindsThat(c *edge.Call, match func(job.Declaration) bool) ([]kindBody, error) {
	home := storedIn(c, c.DB, pg.Home, kinds.List)
	if home.err != nil {
		return nil, home.err
	}
	others, bodies := storedInOthers(c, kinds.List), []kindBody{}
	for _, d := range c.Jobs.Declarations() {
		if !match(d) {
			continue
		}
		o := home.rows[d.Name]
		states := []kindDatabaseBody{kindState(o, o, pg.Home)}
		for _, other := range others {
			if other.err != nil {
				states = append(states, kindDatabaseBody{Name: other.database, Status: away})
				continue
			}
			states = append(states, kindState(o, other.rows[d.Name], other.database))
		}
		bodies = append(bodies, showKind(d, o, states))
	}
	return bodies, nil
}

func listKinds(c *edge.Call, _ *struct{}) (out *listKindsOutput, err error) {
	out = &listKindsOutput{}
	out.Body.Data, err = kindsThat(c, func(job.Declaration) bool { return true })
	return out, err
}

func getKind(c *edge.Call, in *KindPath) (*kindOutput, error) {
	list, err := kindsThat(c, func(d job.Declaration) bool { return d.Name == in.Name })
	switch {
	case err != nil:
		return nil, err
	case len(list) == 0:
		return nil, kinds.ErrNotFound
	}
	return &kindOutput{Body: list[0]}, nil
}
