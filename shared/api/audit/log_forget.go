package audit

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/audit/forget"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/limit"
)

// Forget is POST /v1/audit-log/forget-actor.
var Forget = edge.Write[forgetAuditActorInput, forgetAuditActorOutput]{
	Op: edge.Op{
		ID: "forgetAuditActor", Method: http.MethodPost, Path: "/v1/audit-log/forget-actor", Function: "audit-log", Status: http.StatusAccepted,
		Faults:     []*fault.Error{forget.ErrNotFound},
		Example:    `{"actor_id":"bootstrap"}`,
		Permission: auth.AuditLogDelete, Fresh: true, Cost: limit.CostsMuch, Audit: "audit_actor.forget", AddsJobs: true, Tag: Tag,
		Summary: "Erase who an actor was", Description: "#forgetAuditActor",
	},
	Handle: forgetActor,
}

type forgetAuditActorInput struct {
	Body struct {
		ActorID string `json:"actor_id" minLength:"1" maxLength:"100" doc:"The id of the actor, as entries have it: of a key, or of a part of Portico." example:"bootstrap"`
	}
}

// Resolve hands the input to the frame.
func (in *forgetAuditActorInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *forgetAuditActorInput) Check(*edge.Call) error {
	return edge.CheckText("actor_id", &in.Body.ActorID)
}

type forgetAuditActorOutput struct {
	Body struct {
		ActorID string `json:"actor_id" doc:"The id of the actor." example:"bootstrap"`
		JobID   id.Job `json:"job_id" doc:"The job that does it: GET /v1/jobs/{id} shows its progress." example:"job_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	}
}

func forgetActor(c *edge.Call, in *forgetAuditActorInput) (*forgetAuditActorOutput, error) {
	by := c.Caller.Actor.ID
	made, err := forget.Start(c, c.Tx, c.Org, in.Body.ActorID, by)
	if err != nil {
		return nil, err
	}
	c.Audit(nil, nil, audit.Target{Type: "audit_actor", ID: in.Body.ActorID})
	out := &forgetAuditActorOutput{}
	out.Body.ActorID, out.Body.JobID = in.Body.ActorID, made
	return out, nil
}
