package directory

import (
	"context"
	"time"

	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/member"
	"portico/shared/pg"
)

// Desk is where providers change directories.
type Desk struct {
	DB    *pg.DB
	Clock *clock.Clock
}

// Origin is where a request came from.
type Origin = audit.Origin

// by is when and from where something is changed.
type by struct {
	origin Origin
	now    time.Time
}

// actor is what the audit log names for what a provider does.
const actor = "scim"

// log writes an entry of the audit log.
func (o *Open) log(ctx context.Context, action string, before, after audit.Fields, targets ...audit.Target) error {
	return audit.Insert(ctx, o.tx, o.Org, audit.Entry{
		Action: action, Actor: audit.Actor{Type: auth.System, ID: actor, Name: o.connection.Name}, Targets: targets,
		Before: before, After: after, Origin: o.by.origin, CreatedAt: o.by.now,
	})
}

func (o *Open) logUser(ctx context.Context, action string, before, after *User) error {
	var of id.DirectoryUser
	fields := func(u *User) audit.Fields {
		if u == nil {
			return nil
		}
		of = u.ID
		f := audit.Fields{
			"user_name": u.UserName, "external_id": u.ExternalID, "email": u.Email, "given_name": u.GivenName, "family_name": u.FamilyName,
			"display_name": u.DisplayName, "active": u.Active, "member_id": "",
		}
		if !u.Member.IsZero() {
			f["member_id"] = u.Member.String()
		}
		return f
	}
	b, a := fields(before), fields(after)
	return o.log(ctx, action, b, a, audit.Of("directory_user", of), audit.Of("sso_connection", o.Connection))
}

func (o *Open) logGroup(ctx context.Context, action string, before, after *Group) error {
	var of id.DirectoryGroup
	fields := func(g *Group) audit.Fields {
		if g == nil {
			return nil
		}
		of = g.ID
		return audit.Fields{"display_name": g.DisplayName, "external_id": g.ExternalID, "members": len(g.Members)}
	}
	b, a := fields(before), fields(after)
	return o.log(ctx, action, b, a, audit.Of("directory_group", of), audit.Of("sso_connection", o.Connection))
}

// logMember writes the entry of what a change did to a member.
func (o *Open) logMember(ctx context.Context, action string, before, after *member.Member) error {
	var of id.Member
	fields := func(m *member.Member) audit.Fields {
		if m == nil {
			return nil
		}
		of = m.ID
		return m.Fields()
	}
	b, a := fields(before), fields(after)
	return o.log(ctx, action, b, a, audit.Of("member", of), audit.Of("sso_connection", o.Connection))
}
