package jobs

import (
	"encoding/json"
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/job/schedule"
)

// ListSchedules is GET /v1/staff/job-schedules.
var ListSchedules = edge.Global[struct{}, listSchedulesOutput]{
	Op: edge.Op{
		ID: "listJobSchedules", Method: http.MethodGet, Path: "/v1/staff/job-schedules", Function: function, Acts: edge.OnAll,
		Permission: auth.JobsRead, Cost: 1, Access: edge.NoRecords, Tag: Tag, Summary: "List the schedules of jobs",
		Description: "#listJobSchedules",
	},
	Handle: listSchedules,
}

// GetSchedule is GET /v1/staff/job-schedules/{name}.
var GetSchedule = edge.Global[SchedulePath, scheduleOutput]{
	Op: edge.Op{
		ID: "getJobSchedule", Method: http.MethodGet, Path: "/v1/staff/job-schedules/{name}", Function: function, Acts: edge.OnAll,
		Faults:     []*fault.Error{schedule.ErrNotFound},
		Permission: auth.JobsRead, Cost: 1, Access: edge.NoRecords, Tag: Tag, Summary: "Get a schedule of jobs",
	},
	Handle: getSchedule,
}

// UpdateSchedule is PATCH /v1/staff/job-schedules/{name}.
var UpdateSchedule = edge.Write[updateScheduleInput, scheduleOutput]{
	Op: edge.Op{
		ID: "updateJobSchedule", Method: http.MethodPatch, Path: "/v1/staff/job-schedules/{name}", Function: function, Acts: edge.OnPlatform,
		Faults:     []*fault.Error{schedule.ErrNotFound},
		Example:    `{"cron":"30 2 * * *","timezone":"Europe/Berlin"}`,
		Permission: auth.JobsWrite, Cost: 1, Audit: "job_schedule.update", AddsJobs: true, Tag: Tag, Summary: "Change or pause a schedule of jobs",
		Description: "#updateJobSchedule",
	},
	Handle: func(c *edge.Call, in *updateScheduleInput) (*scheduleOutput, error) {
		return editSchedule(c, in.Name, func(e schedule.Editor) (before, after schedule.Schedule, err error) {
			return e.Change(c, c.Tx, in.Name, in.change())
		})
	},
}

// RunSchedule is POST /v1/staff/job-schedules/{name}/run.
var RunSchedule = edge.Write[SchedulePath, scheduleOutput]{
	Op: edge.Op{
		ID: "runJobSchedule", Method: http.MethodPost, Path: "/v1/staff/job-schedules/{name}/run", Function: function, Acts: edge.OnPlatform,
		Faults:     []*fault.Error{schedule.ErrNotFound},
		Permission: auth.JobsWrite, Cost: 1, Audit: "job_schedule.run", AddsJobs: true, Tag: Tag, Summary: "Run a schedule of jobs now",
		Description: "#runJobSchedule",
	},
	Handle: func(c *edge.Call, in *SchedulePath) (*scheduleOutput, error) {
		return editSchedule(c, in.Name, func(e schedule.Editor) (before, after schedule.Schedule, err error) {
			return e.RunNow(c, c.Tx, in.Name)
		})
	},
}

// ResetSchedule is POST /v1/staff/job-schedules/{name}/reset.
var ResetSchedule = edge.Write[SchedulePath, scheduleOutput]{
	Op: edge.Op{
		ID: "resetJobSchedule", Method: http.MethodPost, Path: "/v1/staff/job-schedules/{name}/reset", Function: function, Acts: edge.OnPlatform,
		Faults:     []*fault.Error{schedule.ErrNotFound},
		Permission: auth.JobsWrite, Cost: 1, Audit: "job_schedule.reset", AddsJobs: true, Tag: Tag, Summary: "Reset a schedule of jobs to the code",
		Description: "#resetJobSchedule",
	},
	Handle: func(c *edge.Call, in *SchedulePath) (*scheduleOutput, error) {
		return editSchedule(c, in.Name, func(e schedule.Editor) (before, after schedule.Schedule, err error) { return e.Reset(c, c.Tx, in.Name) })
	},
}

// SchedulePath names a schedule.
type SchedulePath struct {
	Name string `path:"name" maxLength:"100" pattern:"^[a-z][a-z0-9-]*$" doc:"The schedule's name, as the code declares it." example:"erase-closed-organizations"`
}

type updateScheduleInput struct {
	SchedulePath
	Body struct {
		Cron     *string         `json:"cron,omitempty" maxLength:"200" doc:"#JobSchedule.cron" example:"30 2 * * *"`
		Timezone *string         `json:"timezone,omitempty" maxLength:"100" doc:"The time zone of cron, a name of the IANA database." example:"Europe/Berlin"`
		CatchUp  *string         `json:"catch_up,omitempty" enum:"none,one,all" doc:"#JobSchedule.catch_up"`
		Args     json.RawMessage `json:"args,omitempty" doc:"The arguments of its jobs, of the shape that their kind has." example:"{}"`
		Enabled  *bool           `json:"enabled,omitempty" doc:"false pauses it. true lets it go on with the next planned time."`
	}
}

func (in *updateScheduleInput) change() schedule.Change {
	b := in.Body
	return schedule.Change{Cron: b.Cron, Timezone: b.Timezone, CatchUp: (*schedule.CatchUp)(b.CatchUp), Args: b.Args, Enabled: b.Enabled}
}

// SettingBody is what can be changed of a schedule, besides the pause.
type SettingBody struct {
	Cron     string          `json:"cron" doc:"#JobSchedule.cron" example:"27 3 * * *"`
	Timezone string          `json:"timezone" doc:"The time zone of cron, a name of the IANA database." example:"UTC"`
	CatchUp  string          `json:"catch_up" enum:"none,one,all" doc:"#JobSchedule.catch_up"`
	Args     json.RawMessage `json:"args" doc:"The arguments of its jobs." example:"{}"`
}

type scheduleBody struct {
	Name  string `json:"name" doc:"Its name, as the code declares it." example:"erase-closed-organizations"`
	Queue string `json:"queue" enum:"high,bulk,billing" doc:"Where its jobs run."`
	Kind  string `json:"kind" doc:"What its jobs do." example:"organization.erase_closed"`
	SettingBody
	Enabled   bool                   `json:"enabled" doc:"false: it is paused."`
	Origin    string                 `json:"origin" enum:"code,panel" doc:"#JobSchedule.origin"`
	Declared  SettingBody            `json:"declared" doc:"What the code declares. Resetting goes back to it."`
	NextTimes []clock.Stamp          `json:"next_times" nullable:"false" doc:"The next five times at which it fires, in UTC; none if it is paused." example:"[\"2026-11-23T03:27:00.000000Z\"]"`
	UpdatedAt clock.Stamp            `json:"updated_at" format:"date-time" doc:"When a person or a deployment last changed it."`
	UpdatedBy *string                `json:"updated_by" doc:"The id of the staff key that last changed it or ran it; null: a deployment." example:"staff_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Databases []scheduleDatabaseBody `json:"databases" nullable:"false" doc:"#JobSchedule.databases"`
}

type scheduleDatabaseBody struct {
	Name        string       `json:"name" doc:"The database's name." example:"home"`
	Status      string       `json:"status" enum:"current,behind,away" doc:"current: it has the last change. behind: the last change will be copied to it. away: it cannot be reached."`
	NextAt      *clock.Stamp `json:"next_at" format:"date-time" doc:"When the schedule fires there next; null if it is paused or not known."`
	LastFiredAt *clock.Stamp `json:"last_fired_at" format:"date-time" doc:"The planned time for which it last fired there; null if it has not, or this is not known."`
}

type (
	scheduleOutput      struct{ Body scheduleBody }
	listSchedulesOutput struct {
		Body struct {
			Data []scheduleBody `json:"data" nullable:"false" doc:"The schedules, by name."`
		}
	}
)

// scheduleFields are a schedule's fields in the audit log.
func scheduleFields(s schedule.Schedule) audit.Fields {
	return audit.Fields{"cron": s.Cron, "timezone": s.Timezone, "catch_up": s.CatchUp, "args": s.Args, "enabled": s.Enabled, "runs": s.Runs}
}

// scheduleName is a schedule's name as the target of an audit entry.
type scheduleName string

func (n scheduleName) String() string { return string(n) }

// editSchedule changes a schedule in the home database. Jobs copy the change to the
// others.
func editSchedule(c *edge.Call, name string, edit func(schedule.Editor) (before, after schedule.Schedule, err error)) (*scheduleOutput, error) {
	actor := c.Caller.Actor.ID
	others := c.DB.Others().Names()
	before, after, err := edit(schedule.Editor{Kinds: c.Jobs, By: actor, Others: others})
	if err != nil {
		return nil, err
	}
	c.Audit(scheduleFields(before), scheduleFields(after), audit.Of("job_schedule", scheduleName(name)))
	body, err := showSchedule(after, c.Now(), stateOf(after, &after, "home"))
	for _, database := range others {
		body.Databases = append(body.Databases, scheduleDatabaseBody{Name: database, Status: behind})
	}
	return &scheduleOutput{Body: body}, err
}
