package people

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"

	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/hostname"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/mail"
	"portico/shared/mail/template"
	"portico/shared/mail/transport"
	"portico/shared/member"
	"portico/shared/org"
	"portico/shared/pg"
	"portico/shared/role"
	"portico/shared/session"
	"portico/shared/sso"
	"portico/shared/staff"
)

// ResetMemberFactors is POST /v1/members/{id}/reset-factors.
var ResetMemberFactors = edge.Write[MemberPath, struct{}]{
	Op: edge.Op{
		ID: "resetMemberFactors", Method: http.MethodPost, Path: "/v1/members/{id}/reset-factors", Function: ofPeople,
		Faults:     []*fault.Error{member.ErrNotFound, role.ErrGrantExceeded, errOwnFactors, errFactorsElsewhere},
		Permission: auth.MembersWrite, Fresh: true, Cost: 1, Audit: "member.reset_factors", AddsJobs: true, Status: http.StatusNoContent,
		Tag: Tag, Summary: "Remove a member's second factors", Description: "#resetMemberFactors",
	},
	Handle: resetMemberFactors,
}

var (
	errOwnFactors = fault.New(fault.Denied, "own_factors", "You cannot reset your own second factors. Change them on the pages of your account, or ask another owner or admin.").
			Means("Nobody resets their own second factors: whoever has their session could.")
	errFactorsElsewhere = fault.New(fault.Conflict, "factors_elsewhere", "Your organization cannot reset the second factors of this member, because they may protect more than your organization. Add and verify the domain of the member's address, or let the member use a recovery code.").
				Means("The member's address is at no verified domain of your organization, and the person is not a member of your organization alone.")
)

// resetMemberFactors also ends all sessions of the person, as each change of factors does.
func resetMemberFactors(c *edge.Call, in *MemberPath) (*struct{}, error) {
	if c.Caller.Member() == in.ID {
		return nil, errOwnFactors
	}
	m, err := below(c, in.ID)
	if err != nil {
		return nil, err
	}
	if err := belongs(c, m); err != nil {
		return nil, err
	}
	o, err := org.Get(c, c.Tx, c.Org)
	if err != nil {
		return nil, err
	}
	removed, err := identity.ResetFactors(c, c.Tx, c.Org, m.ID, c.Now(), func(tx pg.Tx, user id.User) error {
		if _, err := staff.Get(c, tx, user); !errors.Is(err, staff.ErrNotStaff) {
			return cmp.Or(err, error(errFactorsElsewhere))
		}
		if err := c.Sessions.RevokeAll(c, user, id.Session{}, session.Revoked); err != nil {
			return err
		}
		return tellOfReset(c, m, o)
	})
	if err != nil {
		return nil, err
	}
	c.Audit(nil, audit.Fields{"reset": removed}, audit.Of("member", m.ID))
	return nil, nil
}

// belongs returns errFactorsElsewhere unless the member's address is at a verified domain of
// the organization, or the person is a member of no other one: otherwise any organization
// could add a person and take away what protects the others.
func belongs(c *edge.Call, m member.Member) error {
	owns, err := hostname.Owns(c, c.Tx, c.Org, sso.DomainOf(m.Email))
	if err != nil || owns {
		return err
	}
	all, err := identity.Memberships(c, c.DB, m.UserID)
	switch {
	case err != nil:
		return err
	case len(all) > 1:
		return errFactorsElsewhere
	}
	return nil
}

// tellOfReset tells the person, in a transaction of its own: a mail about a change that then
// fails is better than a change of which nobody is told. Without pages nobody has factors.
func tellOfReset(c *edge.Call, m member.Member, o org.Organization) error {
	if c.Apps.Resource == "" || transport.CheckAddress(m.Email) != nil {
		return nil
	}
	return c.DB.PlatformIn(c, pg.Home, func(tx pg.Tx) error {
		_, err := mail.Send(c, tx, c.Box, c.Now(), id.Org{}, mail.Mail{
			To:     transport.Address{Address: m.Email},
			Locale: cmp.Or(m.Locale, org.Locale.Of(o.Settings)),
			Key:    fmt.Sprintf("factors_reset/%s/%d", m.UserID, c.Now().UnixMicro()),
			Content: template.FactorsReset.With(template.FactorsResetData{
				Organization: cmp.Or(o.Branding.DisplayName, o.Name), At: c.Now(), URL: c.Apps.Resource + "/account/totp",
			}),
		})
		return err
	})
}
