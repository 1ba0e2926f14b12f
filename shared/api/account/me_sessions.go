package account

import (
	"errors"
	"net/http"

	"portico/shared/account"
	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/oauth"
	"portico/shared/session"
)

// ListMySessions is GET /v1/me/sessions.
var ListMySessions = edge.Self[struct{}, listSessionsOutput]{
	Op: edge.Op{
		ID: "listMySessions", Method: http.MethodGet, Path: "/v1/me/sessions", Function: function, Acts: edge.OnSelf,
		Permission: auth.Self, Cost: 1, Tag: Tag, Summary: "List your sessions", Description: "Where you are signed in, the last used first. There are 20 at most.",
	},
	Handle: listMySessions,
}

// RevokeMySession is DELETE /v1/me/sessions/{id}.
var RevokeMySession = edge.Self[sessionPath, struct{}]{
	Op: edge.Op{
		ID: "revokeMySession", Method: http.MethodDelete, Path: "/v1/me/sessions/{id}", Function: function, Acts: edge.OnSelf,
		Permission: auth.Self, Cost: 1, Audit: identity.EndSession, Status: http.StatusNoContent, Tag: Tag, Summary: "End a session",
		Faults: []*fault.Error{errNoSession},
	},
	Handle: revokeMySession,
}

// RevokeMySessions is POST /v1/me/revoke-sessions.
var RevokeMySessions = edge.Self[struct{}, struct{}]{
	Op: edge.Op{
		ID: "revokeMySessions", Method: http.MethodPost, Path: "/v1/me/revoke-sessions", Function: function, Acts: edge.OnSelf,
		Permission: auth.Self, Cost: 1, Audit: identity.RevokeSession, Status: http.StatusNoContent, Tag: Tag, Summary: "End all your sessions",
		Description: "#revokeMySessions",
	},
	Handle: func(c *edge.Call, _ *struct{}) (*struct{}, error) {
		return nil, deskOf(c).SignOutEverywhere(c, c.Caller.User, account.Visitor{Origin: c.Origin()})
	},
}

var errNoSession = fault.New(fault.NotFound, "session_not_found", "You have no session with this id.").
	Means("The person who calls has no session with this id, or it ended long ago.")

type sessionPath struct {
	ID id.Session `path:"id" doc:"The session's id." example:"ses_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type sessionBody struct {
	ID             id.Session  `json:"id" doc:"The session's id." example:"ses_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	OrganizationID *id.Org     `json:"organization_id" doc:"The organization that it is in; null: none." example:"org_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Device         string      `json:"device" doc:"The browser and system; empty: unknown." example:"Firefox, Linux"`
	SourceIP       string      `json:"source_ip" doc:"From which address of the network it was started; empty: unknown." example:"192.0.2.1"`
	Factors        []string    `json:"factors" nullable:"false" doc:"With what the person has signed in." example:"[\"password\",\"totp\"]"`
	CreatedAt      clock.Stamp `json:"created_at" format:"date-time" doc:"When it began."`
	SeenAt         clock.Stamp `json:"seen_at" format:"date-time" doc:"When it was last used, to the minute."`
	EndsAt         clock.Stamp `json:"ends_at" format:"date-time" doc:"When it ends at the latest."`
}

type listSessionsOutput struct{ Body edge.List[sessionBody] }

func listMySessions(c *edge.Call, _ *struct{}) (*listSessionsOutput, error) {
	live, err := c.Sessions.List(c, c.Caller.User)
	return &listSessionsOutput{edge.ListOf(live, len(live), showSession, nil)}, err
}

func showSession(s session.Session) sessionBody {
	b := sessionBody{
		ID: s.ID, Device: s.Device, SourceIP: s.IP, Factors: s.Factors,
		CreatedAt: clock.Stamp(s.CreatedAt), SeenAt: clock.Stamp(s.SeenAt), EndsAt: clock.Stamp(s.EndsAt),
	}
	if !s.Org.IsZero() {
		b.OrganizationID = &s.Org
	}
	return b
}

// deskOf is what ends sessions as the pages do.
func deskOf(c *edge.Call) *account.Desk {
	apps := &oauth.Desk{Apps: c.Apps, DB: c.DB, Clock: c.Clock}
	return &account.Desk{DB: c.DB, People: c.People, Sessions: c.Sessions, Apps: apps, Clock: c.Clock}
}

func revokeMySession(c *edge.Call, in *sessionPath) (*struct{}, error) {
	err := deskOf(c).Revoke(c, c.Caller.User, in.ID, account.Visitor{Origin: c.Origin()})
	if errors.Is(err, session.ErrNone) {
		err = errNoSession
	}
	return nil, err
}
