package people

import (
	"net/http"
	"net/netip"

	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/member"
	"portico/shared/role"
)

// GetMemberPermissions is GET /v1/members/{id}/permissions.
var GetMemberPermissions = edge.Read[memberPermissionsInput, memberPermissionsOutput]{
	Op: edge.Op{
		ID: "getMemberPermissions", Method: http.MethodGet, Path: "/v1/members/{id}/permissions", Function: function,
		Faults:     []*fault.Error{member.ErrNotFound, role.ErrNoResource},
		Permission: auth.MembersRead, Cost: 1, Access: "member.read", Tag: Tag, Summary: "List what a member may do, and why",
		Description: "#getMemberPermissions",
	},
	Handle: getMemberPermissions,
}

type memberPermissionsInput struct {
	MemberPath
	Resource string `query:"resource" maxLength:"40" doc:"Check the permissions on this resource: a webhook endpoint (we_…) or an event (evt_…)." example:"we_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	IP       string `query:"ip" maxLength:"45" doc:"The member's IP address, for conditions that need it." example:"203.0.113.7"`
}

type memberPermissionBody struct {
	Permission auth.Permission `json:"permission" doc:"The permission." example:"events:read"`
	Allowed    bool            `json:"allowed" doc:"Whether the member has it."`
	Sources    []sourceBody    `json:"sources" nullable:"false" doc:"The roles and resource grants that contain the permission; empty if none does."`
}

type sourceBody struct {
	Type      string `json:"type" enum:"role,resource_grant" doc:"Whether a role or a resource grant contains the permission."`
	ID        string `json:"id" example:"developer" doc:"The id of the role or resource grant."`
	Name      string `json:"name" doc:"The role's name; empty for a resource grant." example:"developer"`
	Condition string `json:"condition" doc:"The role's condition; empty if there is none." example:"context.ip.isInRange(ip(\"10.0.0.0/8\"))"`
	Allows    bool   `json:"allows" doc:"Whether it gives the permission: its condition must be true."`
	Reason    string `json:"reason" doc:"Why it does not give the permission; empty if it does." example:"The condition is false."`
}

type memberPermissionsOutput struct {
	Body struct {
		Data []memberPermissionBody `json:"data" nullable:"false" doc:"All permissions."`
	}
}

func getMemberPermissions(c *edge.Call, in *memberPermissionsInput) (*memberPermissionsOutput, error) {
	known := role.Context{Now: c.Now()}
	if in.IP != "" {
		ip, err := netip.ParseAddr(in.IP)
		if err != nil || ip.Zone() != "" {
			return nil, fault.InvalidField("query.ip", "must be an IP address such as 203.0.113.7")
		}
		known.IP = ip
	}
	subject, err := member.Subject(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	var resource auth.Resource
	if in.Resource != "" {
		if resource, err = role.Load(c, c.Tx, c.Org, "query.resource", in.Resource); err != nil {
			return nil, err
		}
	}
	out, judge := &memberPermissionsOutput{}, role.NewJudge(subject)
	for _, p := range auth.All() {
		out.Body.Data = append(out.Body.Data, showDecision(judge.Decide(p, resource, known)))
	}
	return out, nil
}

func showDecision(d role.Decision) memberPermissionBody {
	b := memberPermissionBody{Permission: d.Permission, Allowed: d.Allowed, Sources: []sourceBody{}}
	for _, s := range d.Sources {
		b.Sources = append(b.Sources, sourceBody{
			Type: s.Kind, ID: s.ID, Name: s.Name, Condition: s.Condition, Allows: s.Allows, Reason: s.Why,
		})
	}
	return b
}
