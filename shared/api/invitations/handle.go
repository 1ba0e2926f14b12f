package invitations

import (
	"portico/shared/api/edge"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/invitation"
	"portico/shared/mail"
	"portico/shared/member"
	"portico/shared/org"
	"portico/shared/role"
	"portico/shared/secret"
)

func show(c *edge.Call) func(invitation.Invitation) invitationBody {
	return func(i invitation.Invitation) invitationBody {
		var locale *string
		if i.Locale != "" {
			locale = &i.Locale
		}
		return invitationBody{
			ID: i.ID, Email: i.Email, Role: i.Role.String(), Locale: locale, Status: i.Status(c.Now()), InvitedBy: i.Inviter.ID,
			CreatedAt: clock.Stamp(i.CreatedAt), ExpiresAt: clock.Stamp(i.ExpiresAt), AcceptedAt: clock.StampOf(i.AcceptedAt),
		}
	}
}

// Resolve hands the input to the frame.
func (in *createInvitationInput) Resolve(r edge.Request) []error { return edge.Hold(r, in) }

func (in *createInvitationInput) Check(*edge.Call) error {
	var faults []error
	if in.email = mail.CleanAddress(in.Body.Email); in.email == "" {
		faults = append(faults, fault.InvalidField("body.email", "must be an e-mail address such as ada@example.com"))
	}
	if in.Body.Role != "" {
		ref, err := role.ParseRef(in.Body.Role)
		if in.role = &ref; err != nil {
			faults = append(faults, fault.InvalidField("body.role", err.Error()))
		}
	}
	if in.Body.Locale != "" {
		faults = append(faults, org.CheckLocale("body.locale", in.Body.Locale))
	}
	return fault.Join(faults...)
}

// inviter is who invites: for an app or staff in a member's name, the member.
func inviter(c auth.Caller) auth.Actor {
	by := c.Actor
	if c.For.Type == auth.Member {
		by = c.For
	}
	if by.Type != auth.Member {
		by.Name = "" // of a program, which mails do not show
	}
	return by
}

// offered returns the role of an invitation, if the caller may give it now.
func offered(c *edge.Call, ref role.Ref) (r role.Role, err error) {
	caller, err := c.CallerNow()
	if err != nil {
		return r, err
	}
	err = member.CheckRole(c, c.Tx, c.Org, ref, func(found role.Role) error {
		r = found
		return role.MayGrant(found.Permissions, caller.Rights.Gives())
	})
	return r, err
}

func create(c *edge.Call, in *createInvitationInput) (*createdOutput, error) {
	o, err := org.Lock(c, c.Tx, c.Org) // one after the other, so that the limits hold
	if err != nil {
		return nil, err
	}
	chosen, err := member.ChooseRole(c, c.Tx, c.Org, "body.role", in.role)
	if err != nil {
		return nil, err
	}
	r, err := offered(c, chosen)
	if err != nil {
		return nil, err
	}
	now, token := c.Now(), secret.NewToken()
	i := invitation.Invitation{
		ID: id.New[id.Invitation](now), Email: in.email, Role: chosen, Locale: in.Body.Locale, Inviter: inviter(c.Caller), CreatedAt: now, ExpiresAt: now.Add(invitation.Lasts),
	}
	if err := invitation.Insert(c, c.Tx, c.Org, i, token); err != nil {
		return nil, err
	}
	if err := invitation.Mail(c, c.Tx, c.Box, c.Apps.Resource, o, i, r.Name, token, now); err != nil {
		return nil, err
	}
	c.Audit(nil, invitation.Fields(i), audit.Of("invitation", i.ID))
	return &createdOutput{Body: show(c)(i)}, nil
}

func list(c *edge.Call, in *edge.Page) (*listOutput, error) {
	var after id.Invitation
	if err := c.Position("invitations", in.After, (*[16]byte)(&after.UUID)); err != nil {
		return nil, err
	}
	all, err := invitation.List(c, c.Tx, c.Org, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	return &listOutput{Body: edge.ListOf(all, in.Limit, show(c), func(last invitation.Invitation) *string {
		return c.Cursor("invitations", last.ID.UUID)
	})}, nil
}

// resend makes whoever sends it the inviter: the one before may have left.
func resend(c *edge.Call, in *path) (*output, error) {
	o, err := org.Lock(c, c.Tx, c.Org)
	if err != nil {
		return nil, err
	}
	i, err := invitation.Lock(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	r, err := offered(c, i.Role)
	if err != nil {
		return nil, err
	}
	now, token, before := c.Now(), secret.NewToken(), invitation.Fields(i)
	if i, err = invitation.Renew(c, c.Tx, c.Org, i, inviter(c.Caller), token, now); err != nil {
		return nil, err
	}
	if err := invitation.Mail(c, c.Tx, c.Box, c.Apps.Resource, o, i, r.Name, token, now); err != nil {
		return nil, err
	}
	c.Audit(before, invitation.Fields(i), audit.Of("invitation", i.ID))
	return &output{Body: show(c)(i)}, nil
}

func revoke(c *edge.Call, in *path) (*struct{}, error) {
	i, err := invitation.Lock(c, c.Tx, c.Org, in.ID)
	if err != nil {
		return nil, err
	}
	if err := invitation.Revoke(c, c.Tx, c.Org, i, c.Now()); err != nil {
		return nil, err
	}
	c.Audit(invitation.Fields(i), nil, audit.Of("invitation", i.ID))
	return nil, nil
}
