package people

import (
	"errors"
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/member"
	"portico/shared/pg"
	"portico/shared/role"
	"portico/shared/session"
)

// ofPeople is the function that reaches sessions and how people sign in.
const ofPeople = "identity"

// ListMemberSessions is GET /v1/members/{id}/sessions.
var ListMemberSessions = edge.Read[MemberPath, memberSessionsOutput]{
	Op: edge.Op{
		ID: "listMemberSessions", Method: http.MethodGet, Path: "/v1/members/{id}/sessions", Function: ofPeople,
		Faults:     []*fault.Error{member.ErrNotFound},
		Permission: auth.MembersWrite, Cost: 1, Access: "member.read", Tag: Tag, Summary: "List the sessions of a member",
		Description: "Those in your organization, the last used first. There are 20 at most.",
	},
	Handle: listMemberSessions,
}

// RevokeMemberSessions is POST /v1/members/{id}/revoke-sessions.
var RevokeMemberSessions = edge.Write[MemberPath, struct{}]{
	Op: edge.Op{
		ID: "revokeMemberSessions", Method: http.MethodPost, Path: "/v1/members/{id}/revoke-sessions", Function: ofPeople,
		Faults:     []*fault.Error{member.ErrNotFound, role.ErrGrantExceeded},
		Permission: auth.MembersWrite, Fresh: true, Cost: 1, Audit: "member.revoke_sessions", Status: http.StatusNoContent,
		Tag: Tag, Summary: "End all sessions of a member", Description: "#revokeMemberSessions",
	},
	Handle: revokeMemberSessions,
}

type memberSessionBody struct {
	ID        id.Session  `json:"id" doc:"The session's id." example:"ses_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Device    string      `json:"device" doc:"The browser and system; empty: unknown." example:"Firefox, Linux"`
	SourceIP  string      `json:"source_ip" doc:"From which address of the network it was started; empty: unknown." example:"192.0.2.1"`
	Factors   []string    `json:"factors" nullable:"false" doc:"With what the member has signed in." example:"[\"password\",\"totp\"]"`
	CreatedAt clock.Stamp `json:"created_at" format:"date-time" doc:"When it began."`
	SeenAt    clock.Stamp `json:"seen_at" format:"date-time" doc:"When it was last used, to the minute."`
	EndsAt    clock.Stamp `json:"ends_at" format:"date-time" doc:"When it ends at the latest."`
}

type memberSessionsOutput struct {
	Body edge.List[memberSessionBody]
}

func listMemberSessions(c *edge.Call, in *MemberPath) (*memberSessionsOutput, error) {
	m, err := member.Get(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	live, err := c.Sessions.In(c, m.UserID, c.Org)
	return &memberSessionsOutput{edge.ListOf(live, len(live), showMemberSession, nil)}, err
}

func showMemberSession(s session.Session) memberSessionBody {
	return memberSessionBody{
		ID: s.ID, Device: s.Device, SourceIP: s.IP, Factors: s.Factors,
		CreatedAt: clock.Stamp(s.CreatedAt), SeenAt: clock.Stamp(s.SeenAt), EndsAt: clock.Stamp(s.EndsAt),
	}
}

// below returns a member all of whose permissions the caller has now.
func below(c *edge.Call, of id.Member) (member.Member, error) {
	m, err := member.Get(c, c.Tx, c.Org, of)
	if err != nil {
		return m, err
	}
	held, err := role.Get(c, c.Tx, c.Org, m.Role)
	if err == nil {
		err = mayGive(c)(held)
	}
	return m, err
}

// revokeMemberSessions ends the sessions under the lock of the person, so that none begins
// or moves to the organization meanwhile.
func revokeMemberSessions(c *edge.Call, in *MemberPath) (*struct{}, error) {
	m, err := below(c, in.ID)
	if err != nil {
		return nil, err
	}
	var ended []session.Session
	err = c.People.AsUser(c, m.UserID, func(tx pg.Tx) error {
		if _, err := identity.Lock(c, tx, m.UserID); err != nil {
			return err
		}
		if err := identity.SessionEnded(c, tx, m.UserID, string(session.Revoked), audit.Origin{}, c.Now()); err != nil {
			return err
		}
		ended, err = c.Sessions.RevokeIn(c, m.UserID, c.Org, session.Revoked)
		return err
	})
	if err != nil && !errors.Is(err, identity.ErrNoLogin) { // who cannot sign in has no session
		return nil, err
	}
	targets := []audit.Target{audit.Of("member", m.ID)}
	for _, s := range ended {
		targets = append(targets, audit.Of("session", s.ID))
	}
	c.Audit(nil, audit.Fields{"sessions": len(ended)}, targets...)
	return nil, nil
}
