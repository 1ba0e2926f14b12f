package schedules

import (
	"net/http"
	"strings"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/audit/scheduled"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
)

// Create is POST /v1/audit-export-schedules.
var Create = edge.Write[createAuditExportScheduleInput, createdOutput]{
	Op: edge.Op{
		ID: "createAuditExportSchedule", Method: http.MethodPost, Path: "/v1/audit-export-schedules", Function: "audit-log", Status: http.StatusCreated,
		Faults:     []*fault.Error{scheduled.ErrTooMany},
		Example:    `{"every":"day","format":"ndjson","member_id":"mem_01jdf3z9k2e4nv6xq8r0s1t2v3"}`,
		Permission: auth.AuditStreamsWrite, Cost: 1, Audit: "audit_export_schedule.create", Tag: Tag, Summary: "Export the audit log of each day or week",
		Description: "#createAuditExportSchedule",
	},
	Handle: create,
}

// List is GET /v1/audit-export-schedules.
var List = edge.Read[edge.Page, listOutput]{
	Op: edge.Op{
		ID: "listAuditExportSchedules", Method: http.MethodGet, Path: "/v1/audit-export-schedules", Function: "audit-log",
		Permission: auth.AuditStreamsRead, Cost: 1, Access: "audit_export_schedule.read", Tag: Tag, Summary: "List export schedules",
	},
	Handle: list,
}

// Get is GET /v1/audit-export-schedules/{id}.
var Get = edge.Read[Path, output]{
	Op: edge.Op{
		ID: "getAuditExportSchedule", Method: http.MethodGet, Path: "/v1/audit-export-schedules/{id}", Function: "audit-log",
		Faults:     []*fault.Error{scheduled.ErrNotFound},
		Permission: auth.AuditStreamsRead, Cost: 1, Access: "audit_export_schedule.read", Tag: Tag, Summary: "Get an export schedule",
	},
	Handle: get,
}

// Update is PATCH /v1/audit-export-schedules/{id}.
var Update = edge.Write[updateAuditExportScheduleInput, output]{
	Op: edge.Op{
		ID: "updateAuditExportSchedule", Method: http.MethodPatch, Path: "/v1/audit-export-schedules/{id}", Function: "audit-log",
		Faults:     []*fault.Error{scheduled.ErrNotFound},
		Example:    `{"format":"csv"}`,
		Permission: auth.AuditStreamsWrite, Cost: 1, Audit: "audit_export_schedule.update", AddsJobs: true, Tag: Tag, Summary: "Change an export schedule",
		Description: "It counts from the next file on. If a file waits, because it could not be sent, the next try begins at once.",
	},
	Handle: update,
}

// Delete is DELETE /v1/audit-export-schedules/{id}.
var Delete = edge.Write[Path, struct{}]{
	Op: edge.Op{
		ID: "deleteAuditExportSchedule", Method: http.MethodDelete, Path: "/v1/audit-export-schedules/{id}", Function: "audit-log", Status: http.StatusNoContent,
		Faults:     []*fault.Error{scheduled.ErrNotFound},
		Permission: auth.AuditStreamsWrite, Cost: 1, Audit: "audit_export_schedule.delete", Tag: Tag, Summary: "Delete an export schedule",
		Description: "Files that were sent stay where they are. A file that is being made is not sent.",
	},
	Handle: remove,
}

// Path names a schedule. It is exported because huma fills and describes only embedded
// structs that are exported.
type Path struct {
	ID id.AuditExportSchedule `path:"id" doc:"The schedule's id." example:"aes_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type conditions struct {
	Action   string `json:"action,omitempty" maxLength:"100" pattern:"^[a-z_]+\\.(\\*|[a-z_]+)$" patternDescription:"an action such as webhook_endpoint.update, or webhook_endpoint.* for every action on an endpoint" doc:"Only this action, or every action on this kind of object." example:"webhook_endpoint.*"`
	Category string `json:"category,omitempty" enum:"security,configuration,access,data" doc:"Only actions of this category."`
	Outcome  string `json:"outcome,omitempty" enum:"success,failure" doc:"failure: only attempts that were refused."`
	ActorID  string `json:"actor_id,omitempty" maxLength:"100" doc:"Only changes by this actor." example:"bootstrap"`
	TargetID string `json:"target_id,omitempty" maxLength:"100" doc:"Only changes to the object with this id or name, or on behalf of this member." example:"member_added"`
	Words    string `json:"q,omitempty" maxLength:"200" doc:"Only entries with all of these words, as in the list." example:"ada@example.com"`
}

func (b *conditions) check() error {
	if b == nil {
		return nil
	}
	return fault.Join(edge.CheckText("filter.actor_id", &b.ActorID), edge.CheckText("filter.target_id", &b.TargetID), edge.CheckText("filter.q", &b.Words))
}

func (b *conditions) filter() (f audit.Filter) {
	if b == nil {
		return f
	}
	f = audit.Filter{Category: audit.Category(b.Category), Outcome: b.Outcome, ActorID: b.ActorID, TargetID: b.TargetID, Words: strings.Fields(b.Words), Action: b.Action}
	if noun, all := strings.CutSuffix(b.Action, ".*"); all {
		f.Noun, f.Action = noun, ""
	}
	return f
}

// scheduleConditionsBody is conditions in a reply.
type scheduleConditionsBody struct {
	Action   string `json:"action,omitempty" doc:"Only this action, or every action on this kind of object." example:"webhook_endpoint.*"`
	Category string `json:"category,omitempty" enum:"security,configuration,access,data" doc:"Only actions of this category."`
	Outcome  string `json:"outcome,omitempty" enum:"success,failure" doc:"failure: only attempts that were refused."`
	ActorID  string `json:"actor_id,omitempty" doc:"Only changes by this actor." example:"bootstrap"`
	TargetID string `json:"target_id,omitempty" doc:"Only changes to the object with this id or name, or on behalf of this member." example:"member_added"`
	Words    string `json:"q,omitempty" doc:"Only entries with all of these words, as in the list." example:"ada@example.com"`
}

func showFilter(f audit.Filter) scheduleConditionsBody {
	b := scheduleConditionsBody{Action: f.Action, Category: string(f.Category), Outcome: f.Outcome, ActorID: f.ActorID, TargetID: f.TargetID, Words: strings.Join(f.Words, " ")}
	if f.Noun != "" {
		b.Action = f.Noun + ".*"
	}
	return b
}

type createAuditExportScheduleInput struct {
	Body struct {
		Every  string         `json:"every" enum:"day,week" doc:"Of what an export is made: each day, or each week from Monday on, in UTC. It cannot be changed."`
		Format string         `json:"format" enum:"csv,ndjson" doc:"The format of the files, as of an export."`
		Filter *conditions    `json:"filter,omitempty" doc:"The conditions, without a time."`
		Stream id.AuditStream `json:"stream_id,omitempty" doc:"#AuditExportSchedule.stream_id" example:"ast_01jdf3z9k2e4nv6xq8r0s1t2v3"`
		Member id.Member      `json:"member_id,omitempty" doc:"#AuditExportSchedule.member_id" example:"mem_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	}
}

type updateAuditExportScheduleInput struct {
	Path
	Body struct {
		Format *string        `json:"format,omitempty" enum:"csv,ndjson" doc:"The format of the files, as of an export."`
		Filter *conditions    `json:"filter,omitempty" doc:"The conditions, all of them: {} for none."`
		Stream id.AuditStream `json:"stream_id,omitempty" doc:"#AuditExportSchedule.stream_id"`
		Member id.Member      `json:"member_id,omitempty" doc:"#AuditExportSchedule.member_id"`
	}
}

type schedulePeriodBody struct {
	Since clock.Stamp `json:"since" format:"date-time" doc:"Where the period begins."`
	Until clock.Stamp `json:"until" format:"date-time" doc:"Where it ends. The export begins in the night after this."`
}

type scheduledExportBody struct {
	_           struct{}       `nullable:"true"`
	ID          id.AuditExport `json:"id" doc:"The export, which can be read for 90 days." example:"aex_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Since       clock.Stamp    `json:"since" format:"date-time" doc:"Where its period begins."`
	Until       clock.Stamp    `json:"until" format:"date-time" doc:"Where its period ends."`
	DeliveredAt clock.Stamp    `json:"delivered_at" format:"date-time" doc:"When it was written to the bucket, or the mail was sent."`
}

type auditExportScheduleBody struct {
	ID           id.AuditExportSchedule `json:"id" doc:"The schedule's id." example:"aes_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Every        string                 `json:"every" enum:"day,week" doc:"Of what an export is made."`
	Format       string                 `json:"format" enum:"csv,ndjson" doc:"The format of the files."`
	Filter       scheduleConditionsBody `json:"filter" doc:"The conditions; {} if there are none."`
	Stream       *id.AuditStream        `json:"stream_id" doc:"To the bucket of which stream the files are written; null: a member is told." example:"ast_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Member       *id.Member             `json:"member_id" doc:"Which member is told by mail; null: the files are written to a bucket." example:"mem_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Next         schedulePeriodBody     `json:"next_period" doc:"The period that is exported next."`
	Last         *scheduledExportBody   `json:"last_export" doc:"The export that was sent last; null if none was."`
	Failures     int                    `json:"failures" doc:"How many tries to send have failed since the last success." example:"0"`
	FailingSince *clock.Stamp           `json:"failing_since" format:"date-time" doc:"When the first of these failed; null if the last try did not."`
	NextTryAt    *clock.Stamp           `json:"next_try_at" format:"date-time" doc:"When the next try begins after a failure; null: nothing is waited for."`
	LastError    *string                `json:"last_error" doc:"What the last try has failed with; null if it has not." example:"the role cannot be assumed: access was denied"`
	Problem      *string                `json:"problem" doc:"#AuditExportSchedule.problem" example:"the stream was deleted: choose another destination"`
	CreatedBy    *string                `json:"created_by" doc:"The id of the key that created it." example:"key_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	CreatedAt    clock.Stamp            `json:"created_at" format:"date-time" doc:"When it was created."`
	UpdatedAt    clock.Stamp            `json:"updated_at" format:"date-time" doc:"When it was last changed."`
}

type (
	output     struct{ Body auditExportScheduleBody }
	listOutput struct {
		Body edge.List[auditExportScheduleBody]
	}
	createdOutput struct {
		Location string `header:"Location"`
		Body     auditExportScheduleBody
	}
)
