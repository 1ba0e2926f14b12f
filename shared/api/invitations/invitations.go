// Package invitations has the operations by which an organization invites people.
package invitations

import (
	"embed"
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/invitation"
	"portico/shared/member"
	"portico/shared/role"
)

// Tag groups the operations in the documentation.
const Tag = "Invitations"

// Texts are long descriptions; Go refers to each by its heading.
//
//go:embed *.md
var Texts embed.FS

const function = "organization"

// Create is POST /v1/invitations.
var Create = edge.Write[createInvitationInput, createdOutput]{
	Op: edge.Op{
		ID: "createInvitation", Method: http.MethodPost, Path: "/v1/invitations", Function: function,
		Faults: []*fault.Error{
			role.ErrNotFound, role.ErrNotInModel, role.ErrGrantExceeded, member.ErrExists, invitation.ErrExists, invitation.ErrTooMany, invitation.ErrTooManyMails, invitation.ErrNoPages,
		},
		Example:    `{"email":"grace@example.com","role":"developer"}`,
		Permission: auth.MembersWrite, Fresh: true, Cost: 1, Audit: "invitation.create", AddsJobs: true, Status: http.StatusCreated, Tag: Tag, Summary: "Invite somebody",
		Description: "#createInvitation",
	},
	Handle: create,
}

// List is GET /v1/invitations.
var List = edge.Read[edge.Page, listOutput]{
	Op: edge.Op{
		ID: "listInvitations", Method: http.MethodGet, Path: "/v1/invitations", Function: function,
		Permission: auth.MembersRead, Cost: 1, Access: "invitation.read", Tag: Tag, Summary: "List invitations",
		Description: "Newest first, also those that have ended: they stay for 90 days.",
	},
	Handle: list,
}

// Resend is POST /v1/invitations/{id}/resend.
var Resend = edge.Write[path, output]{
	Op: edge.Op{
		ID: "resendInvitation", Method: http.MethodPost, Path: "/v1/invitations/{id}/resend", Function: function,
		Faults:     []*fault.Error{invitation.ErrNotFound, role.ErrNotFound, role.ErrNotInModel, role.ErrGrantExceeded, invitation.ErrEnded, invitation.ErrTooManyMails, invitation.ErrNoPages},
		Permission: auth.MembersWrite, Fresh: true, Cost: 1, Audit: "invitation.resend", AddsJobs: true, Tag: Tag, Summary: "Send an invitation again",
		Description: "#resendInvitation",
	},
	Handle: resend,
}

// Delete is DELETE /v1/invitations/{id}.
var Delete = edge.Write[path, struct{}]{
	Op: edge.Op{
		ID: "deleteInvitation", Method: http.MethodDelete, Path: "/v1/invitations/{id}", Function: function,
		Faults:     []*fault.Error{invitation.ErrNotFound, invitation.ErrEnded},
		Permission: auth.MembersWrite, Fresh: true, Cost: 1, Audit: "invitation.revoke", Status: http.StatusNoContent, Tag: Tag, Summary: "Revoke an invitation",
		Description: "Its link works no more. The list shows it as revoked.",
	},
	Handle: revoke,
}

type path struct {
	ID id.Invitation `path:"id" doc:"The invitation's id." example:"inv_01jdf3z9k2e4nv6xq8r0s1t2v3"`
}

type invitationBody struct {
	ID         id.Invitation `json:"id" doc:"The invitation's id." example:"inv_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	Email      string        `json:"email" doc:"The invited address, in lower case." example:"ada@example.com"`
	Role       string        `json:"role" doc:"The role that the member gets: owner, admin, member, developer, viewer or the id of your own role." example:"developer"`
	Locale     *string       `json:"locale" doc:"The language of mails to the member; null: that of your organization." example:"de"`
	Status     string        `json:"status" enum:"open,accepted,declined,revoked,expired" doc:"Where the invitation stands." example:"open"`
	InvitedBy  string        `json:"invited_by" doc:"The id of who has invited, or sent it last: a member, an API key, an OAuth client or staff." example:"mem_01jdf3z9k2e4nv6xq8r0s1t2v3"`
	CreatedAt  clock.Stamp   `json:"created_at" format:"date-time" doc:"When the invitation was made."`
	ExpiresAt  clock.Stamp   `json:"expires_at" format:"date-time" doc:"Until when it can be accepted."`
	AcceptedAt *clock.Stamp  `json:"accepted_at" format:"date-time" doc:"When it was accepted; null: it was not."`
}

type output struct{ Body invitationBody }

type listOutput struct{ Body edge.List[invitationBody] }

type createInvitationInput struct {
	Body struct {
		Email  string `json:"email" maxLength:"254" doc:"The address to invite." example:"ada@example.com"`
		Role   string `json:"role,omitempty" maxLength:"40" doc:"#CreateInvitation.role" example:"developer"`
		Locale string `json:"locale,omitempty" maxLength:"10" doc:"The language of mails to the member; without it that of your organization." example:"de"`
	}
	email string    // as it is kept
	role  *role.Ref // nil: none was chosen
}

type createdOutput struct {
	Body invitationBody
}
