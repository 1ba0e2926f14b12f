package people

import (
	"net/http"
	"strings"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/member"
	"portico/shared/org"
	"portico/shared/role"
)

// CreateMember is POST /v1/members.
var CreateMember = edge.Write[createMemberInput, createdMemberOutput]{
	Op: edge.Op{
		ID: "createMember", Method: http.MethodPost, Path: "/v1/members", Function: function,
		Faults:     []*fault.Error{role.ErrNotFound, role.ErrNotInModel, role.ErrGrantExceeded, member.ErrExists, member.ErrTooMany},
		Example:    `{"email":"ada@example.com","name":"Ada Lovelace","role":"developer"}`,
		Permission: auth.MembersWrite, Fresh: true, Cost: 1, Audit: "member.create", AddsJobs: true, Status: http.StatusCreated, Tag: Tag, Summary: "Add a member",
		Description: "#createMember",
	},
	Handle: createMember,
}

// ListMembers is GET /v1/members.
var ListMembers = edge.Read[edge.Page, listMembersOutput]{
	Op: edge.Op{
		ID: "listMembers", Method: http.MethodGet, Path: "/v1/members", Function: function,
		Permission: auth.MembersRead, Cost: 1, Access: "member.read", Tag: Tag, Summary: "List members",
	},
	Handle: listMembers,
}

// GetMember is GET /v1/members/{id}.
var GetMember = edge.Read[MemberPath, memberOutput]{
	Op: edge.Op{
		ID: "getMember", Method: http.MethodGet, Path: "/v1/members/{id}", Function: function,
		Faults:     []*fault.Error{member.ErrNotFound},
		Permission: auth.MembersRead, Cost: 1, Access: "member.read", Tag: Tag, Summary: "Get a member",
	},
	Handle: getMember,
}

// UpdateMember is PATCH /v1/members/{id}.
var UpdateMember = edge.Write[updateMemberInput, memberOutput]{
	Op: edge.Op{
		ID: "updateMember", Method: http.MethodPatch, Path: "/v1/members/{id}", Function: function,
		Faults:     []*fault.Error{member.ErrNotFound, role.ErrNotFound, role.ErrNotInModel, role.ErrGrantExceeded, member.ErrOwnRole, member.ErrLastOwner},
		Example:    `{"role":"admin"}`,
		Permission: auth.MembersWrite, Fresh: true, Cost: 1, Audit: "member.update", Tag: Tag, Summary: "Change a member's name, role or language",
		Description: "To change the role, your API key must have all permissions of the old and the new one. The last owner stays owner.",
	},
	Handle: updateMember,
}

// DeleteMember is DELETE /v1/members/{id}.
var DeleteMember = edge.Write[MemberPath, struct{}]{
	Op: edge.Op{
		ID: "deleteMember", Method: http.MethodDelete, Path: "/v1/members/{id}", Function: function,
		Faults:     []*fault.Error{member.ErrNotFound, role.ErrGrantExceeded, member.ErrLastOwner},
		Permission: auth.MembersWrite, Fresh: true, Cost: 1, Audit: "member.delete", Status: http.StatusNoContent, Tag: Tag, Summary: "Remove a member",
		Description: "Also deletes the member's resource grants. The last owner cannot be removed.",
	},
	Handle: deleteMember,
}

// MemberPath names a member.
type MemberPath struct {
	ID id.Member `path:"id" doc:"The member's id." example:"mem_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

// memberBody has no id of the user: the time in it would show when another
// organization first added that person.
type memberBody struct {
	ID        id.Member   `json:"id" doc:"The member's id." example:"mem_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Email     string      `json:"email" doc:"The member's e-mail address, in lower case." example:"ada@example.com"`
	Name      string      `json:"name" doc:"The member's name in your organization." example:"Ada Lovelace"`
	Role      string      `json:"role" doc:"owner, admin, member, developer, viewer or the id of your own role." example:"developer"`
	Locale    *string     `json:"locale" doc:"The language of mails to the member; null: that of your organization." example:"de"`
	CreatedAt clock.Stamp `json:"created_at" format:"date-time" doc:"When the member was added."`
	UpdatedAt clock.Stamp `json:"updated_at" format:"date-time" doc:"When the name, role or language was last changed."`
}

type memberOutput struct{ Body memberBody }

type listMembersOutput struct{ Body edge.List[memberBody] }

type createMemberInput struct {
	Body struct {
		Email  string `json:"email" maxLength:"254" doc:"The member's e-mail address, stored in lower case. It cannot be changed." example:"ada@example.com"`
		Name   string `json:"name,omitempty" maxLength:"200" doc:"The member's name in your organization." example:"Ada Lovelace"`
		Role   string `json:"role,omitempty" maxLength:"40" doc:"#CreateMember.role" example:"developer"`
		Locale string `json:"locale,omitempty" maxLength:"10" doc:"The language of mails to the member. If left out: that of your organization." example:"de"`
	}
	role *role.Ref // set by Check
}

type createdMemberOutput struct {
	Location string `header:"Location"`
	Body     memberBody
}

type updateMemberInput struct {
	MemberPath
	Body struct {
		Name   *string `json:"name,omitempty" maxLength:"200" doc:"The member's name in your organization."`
		Role   *string `json:"role,omitempty" maxLength:"40" doc:"owner, admin, member, developer, viewer or the id of your own role."`
		Locale *string `json:"locale,omitempty" maxLength:"10" doc:"The language of mails to the member; empty: that of your organization." example:"de"`
	}
	role *role.Ref // set by Check
}

func showMember(m member.Member) memberBody {
	var locale *string
	if m.Locale != "" {
		locale = &m.Locale
	}
	return memberBody{
		ID: m.ID, Email: m.Email, Name: m.Name, Role: m.Role.String(), Locale: locale,
		CreatedAt: clock.Stamp(m.CreatedAt), UpdatedAt: clock.Stamp(m.UpdatedAt),
	}
}

// localeOf checks body.locale; an empty one is that of the organization.
func localeOf(locale *string) error {
	if locale == nil || *locale == "" {
		return nil
	}
	return org.CheckLocale("body.locale", *locale)
}

// mayGive returns a check that the caller has all permissions of a role now.
func mayGive(c *edge.Call) func(role.Role) error {
	return func(r role.Role) error { return mayGiveThese(c, r.Permissions...) }
}

func mayGiveThese(c *edge.Call, list ...auth.Permission) error {
	caller, err := c.CallerNow()
	if err != nil {
		return err
	}
	return role.MayGrant(list, caller.Rights.Gives())
}

// roleOf parses body.role; it returns nil if name is nil.
func roleOf(name *string) (*role.Ref, error) {
	if name == nil {
		return nil, nil
	}
	ref, err := role.ParseRef(*name)
	if err != nil {
		return nil, fault.InvalidField("body.role", err.Error())
	}
	return &ref, nil
}

// Resolve hands the input to the frame.
func (in *createMemberInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *createMemberInput) Check(*edge.Call) (err error) {
	var email error
	if !org.IsEmail(in.Body.Email) {
		email = fault.InvalidField("body.email", "must be an e-mail address such as ada@example.com")
	}
	if in.Body.Role != "" {
		in.role, err = roleOf(&in.Body.Role)
	}
	return fault.Join(email, edge.CheckName("body.name", &in.Body.Name), localeOf(&in.Body.Locale), err)
}

// Resolve hands the input to the frame.
func (in *updateMemberInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *updateMemberInput) Check(*edge.Call) (err error) {
	in.role, err = roleOf(in.Body.Role)
	return fault.Join(edge.CheckName("body.name", in.Body.Name), localeOf(in.Body.Locale), err)
}

func createMember(c *edge.Call, in *createMemberInput) (*createdMemberOutput, error) {
	b, given := in.Body, ""
	chosen, err := member.ChooseRole(c, c.Tx, c.Org, "body.role", in.role)
	if err != nil {
		return nil, err
	}
	err = member.CheckRole(c, c.Tx, c.Org, chosen, func(r role.Role) error {
		given = r.Name
		return mayGive(c)(r)
	})
	if err != nil {
		return nil, err
	}
	now, email := c.Now(), strings.ToLower(b.Email)
	user, err := member.FindUser(c, c.DB, email, now)
	if err != nil {
		return nil, err
	}
	m, err := member.Insert(c, c.Tx, c.Org, member.Member{ID: id.New[id.Member](now), UserID: user, Email: email, Name: b.Name, Role: chosen, Locale: b.Locale, CreatedAt: now})
	if err != nil {
		return nil, err
	}
	if err := welcome(c, m, given); err != nil {
		return nil, err
	}
	c.Audit(nil, m.Fields(), audit.Of("member", m.ID))
	return &createdMemberOutput{Location: "/v1/members/" + m.ID.String(), Body: showMember(m)}, nil
}

func listMembers(c *edge.Call, in *edge.Page) (*listMembersOutput, error) {
	var after id.Member
	if err := c.Position("members", in.After, (*[16]byte)(&after.UUID)); err != nil {
		return nil, err
	}
	members, err := member.List(c, c.Tx, c.Org, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return &listMembersOutput{Body: edge.ListOf(members, in.Limit, showMember, func(last member.Member) *string {
		return c.Cursor("members", last.ID.UUID)
	})}, nil
}

func getMember(c *edge.Call, in *MemberPath) (*memberOutput, error) {
	m, err := member.Get(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	return &memberOutput{Body: showMember(m)}, nil
}

func updateMember(c *edge.Call, in *updateMemberInput) (*memberOutput, error) {
	if in.role != nil && c.Caller.Member() == in.ID {
		return nil, member.ErrOwnRole
	}
	before, after, err := member.Update(c, c.Tx, c.Org, in.ID, member.Change{Name: in.Body.Name, Role: in.role, Locale: in.Body.Locale}, c.Now(), mayGive(c))
	if err != nil {
		return nil, err
	}
	c.Audit(before.Fields(), after.Fields(), audit.Of("member", in.ID))
	return &memberOutput{Body: showMember(after)}, nil
}

func deleteMember(c *edge.Call, in *MemberPath) (*struct{}, error) {
	m, err := member.Delete(c, c.Tx, c.Org, in.ID, mayGive(c))
	if err != nil {
		return nil, err
	}
	c.Audit(m.Fields(), nil, audit.Of("member", m.ID))
	return nil, nil
}
