package edge

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/org"
	"portico/shared/pg"
	"portico/shared/staff"
)

const (
	organizationHeader = "Portico-Organization"
	staffKeyHeader     = "Portico-Staff-Key"
)

var organizationParameter = &huma.Param{
	Name: organizationHeader, In: "header",
	Description: "The id of the organization to act on. An API key can act only on its own organization and need not send it.",
	Schema:      &huma.Schema{Type: huma.TypeString, Pattern: `^org_[0-7][0-9a-hjkmnp-tv-z]{25}$`},
}

var namedParameter = &huma.Param{
	Name: organizationHeader, In: "header",
	Description: "The id of the organization to act on. Without it the request acts on the platform itself.",
	Schema:      organizationParameter.Schema,
}

// enter sets the organization of a call: that of the API key, the one that a
// staff key's request names, or the one that the call creates. The reply is the
// same for an organization that the caller may not use and one that does not
// exist.
func (s *Server) enter(ctx huma.Context, c *Call) error {
	named, err := namedOrganization(ctx, c.op.Acts)
	if err != nil {
		return err
	}
	if c.op.Acts == OnNamed {
		return s.enterNamed(c, named)
	}
	if c.op.Acts == OnSelf || c.op.Acts.StaffOnly() && c.op.Acts != OnChosen && c.op.Acts != OnClosed {
		if !named.IsZero() {
			return errNamed
		}
		if c.op.Acts == OnNew {
			c.Caller.Org = newOrganization(c)
		}
		return nil
	}
	if named, err = s.byHost(ctx, named); err != nil {
		return err
	}
	if !c.Caller.IsStaff() {
		if !named.IsZero() && named != c.Caller.Org {
			return org.ErrNotFound
		}
		if c.Caller.Actor.Type == auth.Staff {
			return s.enterNamed(c, c.Caller.Org)
		}
		return nil
	}
	if named.IsZero() {
		return fault.InvalidField("header."+organizationHeader, "must name the organization to act on, because a staff key belongs to none")
	}
	return s.enterNamed(c, named)
}

// enterNamed sets the organization of a call of staff, if it exists; zero: the
// platform. For a person of staff it exists only while they have access to it.
func (s *Server) enterNamed(c *Call, named id.Org) error {
	if named.IsZero() {
		return nil
	}
	err := s.DB.InOrg(c, named, func(tx pg.Tx) error {
		if _, err := org.Get(c, tx, named); err != nil {
			return err
		}
		return c.mayEnter(tx, named)
	})
	if err == nil {
		c.Caller.Org = named
	}
	return err
}

// mayEnter returns org.ErrNotFound for a person of staff without an open access to the
// organization; who looks at it as one of its members needs one as this member.
func (c *Call) mayEnter(tx pg.Tx, named id.Org) error {
	if c.Caller.Actor.Type != auth.Staff || c.op.Acts == OnClosed {
		return nil
	}
	may, err := staff.MayEnter(c, tx, named, c.Caller.User, c.Caller.Member(), c.Now())
	if err == nil && !may {
		err = org.ErrNotFound
	}
	return err
}

// asStaff gives a person of staff the rights of their level. Who looks at an organization
// as one of its members reads what both may read, and changes nothing.
func (s *Server) asStaff(c *Call, caller auth.Caller) (auth.Caller, error) {
	user, err := id.Parse[id.User](caller.Actor.ID)
	if err != nil {
		return caller, err
	}
	person, err := s.Staff.Of(c, user)
	if err != nil {
		return caller, err
	}
	caller.User, caller.Actor.Name, caller.Rights = user, person.Name, person.Level.Permissions()
	if caller.For.ID == "" {
		return caller, nil
	}
	caller.ReadOnly, caller.Scope = true, auth.Bounded{Authority: person.Level.Permissions(), By: staff.Reads()}.Gives()
	if !person.Level.MayImpersonate() {
		caller.Scope = auth.Set{}
	}
	return caller, nil
}

// inOrg runs a function in a transaction that is bound to the call's organization,
// and statements after it; the second time again is true.
func (c *Call) inOrg(again bool, fn func(pg.Tx) error, then *pgx.Batch) error {
	platform := c.Org.IsZero() && (c.op.Acts == OnNamed || c.op.Acts == OnPlatform)
	switch {
	case platform && again:
		return c.DB.PlatformAgain(c, fn, then)
	case platform:
		return c.DB.PlatformThen(c, fn, then)
	case again:
		return c.DB.InOrgAgain(c, c.Org, fn, then)
	}
	return c.DB.InOrgThen(c, c.Org, fn, then)
}

// byHost returns the organization to which the request's host name belongs; if it
// belongs to none, it returns named. The host name is the one that the gateway
// accepted, not one from another header. At an organization's host name every
// other organization looks like one that does not exist.
func (s *Server) byHost(ctx huma.Context, named id.Org) (id.Org, error) {
	owner, err := s.Hosts.Org(ctx.Context(), ctx.Host())
	switch {
	case err != nil || owner.IsZero():
		return named, err
	case !named.IsZero() && named != owner:
		return named, org.ErrNotFound
	}
	return owner, nil
}
