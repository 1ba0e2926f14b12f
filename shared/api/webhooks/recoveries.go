package webhooks

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/webhook/recovery"
)

// GetRecovery is GET /v1/recoveries/{id}.
var GetRecovery = edge.Read[recoveryPath, recoveryOutput]{
	Op: edge.Op{
		ID: "getRecovery", Method: http.MethodGet, Path: "/v1/recoveries/{id}", Function: endpointsFunction,
		Faults:     []*fault.Error{recovery.ErrNotFound},
		Permission: auth.DeliveriesRead, Cost: 1, Access: "recovery.read", Tag: Tag, Summary: "Get a recovery with its progress",
	},
	Handle: func(c *edge.Call, in *recoveryPath) (*recoveryOutput, error) {
		r, err := recovery.Get(c, c.Tx, c.Org, in.ID)
		return &recoveryOutput{Body: showRecovery(r)}, err
	},
}

// CancelRecovery is POST /v1/recoveries/{id}/cancel.
var CancelRecovery = edge.Write[recoveryPath, recoveryOutput]{
	Op: edge.Op{
		ID: "cancelRecovery", Method: http.MethodPost, Path: "/v1/recoveries/{id}/cancel", Function: endpointsFunction,
		Faults:     []*fault.Error{recovery.ErrNotFound, recovery.ErrFinished},
		Permission: auth.DeliveriesWrite, Cost: 1, Audit: "recovery.cancel", Tag: Tag, Summary: "Cancel a recovery",
		Description: "What it has made due is sent all the same.",
	},
	Handle: cancelRecovery,
}

type recoveryPath struct {
	ID id.Recovery `path:"id" doc:"The recovery's id." example:"rec_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

func cancelRecovery(c *edge.Call, in *recoveryPath) (*recoveryOutput, error) {
	r, err := recovery.Cancel(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	c.Audit(audit.Fields{"status": recovery.Running}, audit.Fields{"status": r.Status}, recoveryTarget(r.ID))
	return &recoveryOutput{Body: showRecovery(r)}, nil
}
