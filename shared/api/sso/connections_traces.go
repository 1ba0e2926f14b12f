package sso

import (
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/sso"
)

// ListTraces is GET /v1/sso-connections/{id}/traces.
var ListTraces = edge.Read[tracesInput, tracesOutput]{
	Op: edge.Op{
		ID: "listSSOTraces", Method: http.MethodGet, Path: "/v1/sso-connections/{id}/traces", Function: function,
		Faults:     []*fault.Error{sso.ErrNotFound},
		Permission: auth.SSOConnectionsRead, Cost: 1, Access: "sso_connection.read", Tag: Tag, Summary: "List failed logins",
		Description: "#listSSOTraces",
	},
	Handle: listTraces,
}

type tracesInput struct {
	ConnectionPath
	edge.Page
}

// SSOTraceBody is a login that let nobody in.
type SSOTraceBody struct {
	ID        id.SSOTrace       `json:"id" doc:"The trace's id." example:"sst_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Step      string            `json:"step" enum:"discover,callback,verify,admit" doc:"#SSOTrace.step"`
	Code      string            `json:"code" doc:"Why it failed, for programs; ok: it was a test that would have let the person in." example:"domain_not_verified"`
	Detail    string            `json:"detail" doc:"The same for people." example:"The address is not in a verified domain of the connection."`
	Claims    map[string]string `json:"claims" doc:"#SSOTrace.claims"`
	Test      bool              `json:"test" doc:"Whether it was a test, which lets nobody in."`
	CreatedAt clock.Stamp       `json:"created_at" format:"date-time" doc:"When it was."`
}

type tracesOutput struct{ Body edge.List[SSOTraceBody] }

func listTraces(c *edge.Call, in *tracesInput) (*tracesOutput, error) {
	var after id.SSOTrace
	if err := c.Position("sso_traces", in.After, (*[16]byte)(&after.UUID)); err != nil {
		return nil, err
	}
	if _, err := sso.Get(c, c.Tx, c.Org, in.ID); err != nil {
		return nil, err
	}
	traces, err := sso.ListTraces(c, c.Tx, c.Org, in.ID, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return &tracesOutput{Body: edge.ListOf(traces, in.Limit, showTrace, func(last sso.Trace) *string {
		return c.Cursor("sso_traces", last.ID.UUID)
	})}, nil
}

func showTrace(t sso.Trace) SSOTraceBody {
	return SSOTraceBody{ID: t.ID, Step: t.Step, Code: t.Code, Detail: t.Detail, Claims: t.Claims, Test: t.Test, CreatedAt: clock.Stamp(t.CreatedAt)}
}
