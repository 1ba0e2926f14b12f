package oauth

import (
	"context"
	"slices"
	"time"

	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/org"
	"portico/shared/pg"
	"portico/shared/signingkey"
)

// Desk lets apps in, and gives them their tokens.
type Desk struct {
	*Apps
	DB    *pg.DB
	Clock *clock.Clock
	Keys  *signingkey.Ring // sign ID tokens; nil: this desk gives no tokens
}

// Person is who is asked to let an app in, and into which organization.
type Person struct {
	User     id.User
	Org      id.Org
	ProvedAt time.Time
	Methods  []string // see Grant
	By       audit.Origin
	// Bound: the session has come by the connection of the organization and is in it alone,
	// so no app gets anything of the person's own account.
	Bound bool
	// Live returns nil if the person's session has not ended, as it is stored.
	Live func(context.Context) error
}

// Question is what the person is asked.
type Question struct {
	Request
	Publisher    string // the organization that has registered the app
	Organization string // the one that it is let into
}

// nobody is told to an app that the person cannot let in: they are in no organization, or
// in another one than the app is for, or may not give away what the app asks for.
var nobody = Error{AccessDenied, "the person cannot let this app in"}

// as works in a transaction of the organization that the app is let into, for the member
// that the person is there.
func (d *Desk) as(ctx context.Context, r Request, p Person, work func(pg.Tx, id.Member) error) error {
	if p.Org.IsZero() || !r.Client.mayActIn(p.Org) || p.Bound && slices.ContainsFunc(r.Scopes, isPersonal) {
		return nobody
	}
	return d.DB.InOrg(ctx, p.Org, func(tx pg.Tx) error {
		member, err := pg.Value[id.Member](ctx, tx, "oauth.as", `SELECT (SELECT id FROM member WHERE org_id = $1 AND user_id = $2)`, p.Org, p.User)
		switch {
		case err != nil:
			return err
		case member.IsZero():
			return nobody
		}
		return work(tx, member)
	})
}

// isPersonal reports whether a scope is about the person's own account or who they are.
func isPersonal(scope string) bool {
	return scope == string(auth.Self) || slices.Contains(About, scope)
}

// Ask returns what the person is asked, each time: a native app could not prove that it is
// the one that was let in before (RFC 8252, section 8.6).
func (d *Desk) Ask(ctx context.Context, r Request, p Person) (q Question, err error) {
	q = Question{Request: r}
	err = d.as(ctx, r, p, func(tx pg.Tx, _ id.Member) error {
		own, err := org.Get(ctx, tx, p.Org)
		if err != nil {
			return err
		}
		q.Organization = own.Name
		return nil
	})
	if err != nil {
		return q, err
	}
	return q, d.DB.InOrg(ctx, r.Client.Org, func(tx pg.Tx) error {
		publisher, err := org.Get(ctx, tx, r.Client.Org)
		q.Publisher = publisher.Name
		return err
	})
}

// Allow lets the app in and returns the code for it. The grant is stored before the
// commit: without the commit nobody has its code. Grants over the maximum are revoked
// before their rows go. The session is looked at after the grant is stored: if it ends
// later, so does the grant, see RevokeAll.
func (d *Desk) Allow(ctx context.Context, r Request, p Person) (code string, err error) {
	g := Grant{
		Client: r.Client.ID, Org: p.Org, User: p.User, Scopes: r.Scopes, Resource: r.Resource, ProvedAt: p.ProvedAt,
		Methods: p.Methods, Redirect: r.Redirect, Challenge: r.Challenge, Nonce: r.Nonce,
	}
	err = d.as(ctx, r, p, func(tx pg.Tx, member id.Member) error {
		g.Member = member
		if code, err = d.Grants.Begin(ctx, &g); err != nil {
			return err
		}
		if err := p.Live(ctx); err != nil {
			return err
		}
		gone, err := InsertRow(ctx, tx, p.Org, g, r.Client.Name)
		if err != nil {
			return err
		}
		for _, old := range gone {
			if err := d.Grants.Revoke(ctx, old, ByPerson); err != nil {
				return err
			}
		}
		return audit.Insert(ctx, tx, p.Org, audit.Entry{
			Action: "oauth_grant.create", Actor: audit.Actor{Type: auth.Member, ID: g.Member.String()}, Targets: []audit.Target{audit.Of("oauth_grant", g.ID)},
			After: g.fields(), Origin: p.By, CreatedAt: d.Clock.Now(),
		})
	})
	return code, err
}

// fields lists what audit entries show of a grant.
func (g Grant) fields() audit.Fields {
	return audit.Fields{"client_id": g.Client.String(), "member_id": g.Member.String(), "scopes": g.Scopes}
}

// note notes that a grant was revoked by the app, or because a token was used again.
// Repeating it changes nothing.
func (d *Desk) note(ctx context.Context, g Grant, why Why, by audit.Origin) error {
	if g.Member.IsZero() {
		return nil // an app's grant for itself is in no list
	}
	return d.DB.InOrg(ctx, g.Org, func(tx pg.Tx) error {
		changed, err := pg.Affect(ctx, tx, "oauth.note", `
			UPDATE oauth_grant SET revoked_at = $3 WHERE org_id = $1 AND id = $2 AND revoked_at IS NULL`, g.Org, g.ID, d.Clock.Now())
		if err != nil || changed == 0 {
			return err
		}
		after := g.fields()
		after["reason"] = string(why)
		return audit.Insert(ctx, tx, g.Org, audit.Entry{
			Action: "oauth_grant.revoke", Actor: audit.Actor{Type: auth.OAuthClient, ID: g.Client.String()}, Targets: []audit.Target{audit.Of("oauth_grant", g.ID)},
			After: after, Origin: by, CreatedAt: d.Clock.Now(),
		})
	})
}
