package api

import (
	"github.com/danielgtaylor/huma/v2"

	"portico/shared/fault"
	"portico/shared/org"
	"portico/shared/pg"
)

const (
	organizationHeader = "Portico-Organization"
	staffKeyHeader     = "Portico-Staff-Key"
)

var organizationParameter = &huma.Param{
	Name: organizationHeader, In: "header",
	Description: "The id of the organization to act on. An API key acts on its own only, and need not name it.",
	Schema:      &huma.Schema{Type: huma.TypeString, Pattern: `^org_[0-7][0-9a-hjkmnp-tv-z]{25}$`},
}

// enter chooses the organization of a call: an API key's own, the one that a
// staff key's request names, or the one that it makes. One that the caller cannot
// enter looks like one that does not exist.
func (s *Server) enter(ctx huma.Context, c *Call) error {
	named, err := namedOrganization(ctx, c.op.Acts)
	if err != nil {
		return err
	}
	if c.op.Acts.StaffOnly() {
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
		return nil
	}
	if named.IsZero() {
		return fault.InvalidField("header."+organizationHeader, "must name the organization to act on: a staff key has none of its own")
	}
	return s.DB.InOrg(c, named, func(tx pg.Tx) error {
		c.Caller.Org = named
		_, err := org.Get(c, tx, named)
		return err
	})
}
