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
func (e *Edge) enter(ctx huma.Context, c *call) error {
	named, err := namedOrganization(ctx, c.op.Acts)
	if err != nil {
		return err
	}
	if c.op.Acts.StaffOnly() {
		if !named.IsZero() {
			return errNamed
		}
		if c.op.Acts == OnNew {
			c.caller.Org = e.newOrganization(c)
		}
		return nil
	}
	if named, err = e.byHost(ctx, named); err != nil {
		return err
	}
	if !c.caller.IsStaff() {
		if !named.IsZero() && named != c.caller.Org {
			return org.ErrNotFound
		}
		return nil
	}
	if named.IsZero() {
		return fault.InvalidField("header."+organizationHeader, "must name the organization to act on: a staff key has none of its own")
	}
	return e.DB.InOrg(ctx.Context(), named, func(tx pg.Tx) error {
		c.caller.Org = named
		_, err := org.Get(ctx.Context(), tx, named)
		return err
	})
}
