package oauth

import (
	"context"
	"errors"
	"slices"
	"time"

	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/pg"
)

// LetIn is an app that a person has let in.
type LetIn struct {
	ID     id.OAuthClient
	Name   string     // when it was let in last
	Grants []OwnGrant // that have not ended, the newest first
}

// OwnGrant is a grant as its person sees it.
type OwnGrant struct {
	Row
	Org          id.Org
	Organization string     // its name
	UsedAt       *time.Time // when the app last got tokens, which work for an hour; nil: it has got none
}

// mostLetIn is how many grants of a person are listed: the newest.
const mostLetIn = 100

// LetIn lists the apps that a person has let into one organization, or, if in is zero, into
// all; the one that was let in last comes first.
func (d *Desk) LetIn(ctx context.Context, user id.User, in id.Org) (list []LetIn, err error) {
	var grants []OwnGrant
	err = d.inEach(ctx, user, in, func(tx pg.Tx, m identity.Membership) error {
		rows, err := pg.List[Row](ctx, tx, "oauth.LetIn", `
			SELECT `+rowColumns+` FROM oauth_grant
			WHERE org_id = $1 AND member_id = $2 AND revoked_at IS NULL AND ends_at > $3 ORDER BY id DESC LIMIT $4`,
			m.Org, m.Member, d.Clock.Now(), mostLetIn)
		for _, row := range rows {
			grants = append(grants, OwnGrant{Row: row, Org: m.Org, Organization: m.Name})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(grants, func(a, b OwnGrant) int { return slices.Compare(b.ID.UUID[:], a.ID.UUID[:]) })
	for _, g := range grants[:min(len(grants), mostLetIn)] {
		live, err := d.see(ctx, &g)
		if err != nil {
			return nil, err
		}
		if live {
			list = add(list, g)
		}
	}
	return list, nil
}

// see notes when a grant was last used; live: it has not ended.
func (d *Desk) see(ctx context.Context, g *OwnGrant) (live bool, err error) {
	seen, err := d.Grants.load(ctx, g.ID)
	if errors.Is(err, errUngranted) {
		return false, nil
	}
	if seen.Generation > 0 {
		g.UsedAt = &seen.RotatedAt
	}
	return err == nil && seen.check(d.Clock.Now()) == nil, err
}

func add(list []LetIn, g OwnGrant) []LetIn {
	at := slices.IndexFunc(list, func(one LetIn) bool { return one.ID == g.ClientID })
	if at < 0 {
		return append(list, LetIn{g.ClientID, g.ClientName, []OwnGrant{g}})
	}
	list[at].Grants = append(list[at].Grants, g)
	return list
}

// TakeAway ends all grants of a person for an app, in one organization or, if in is zero,
// in all. It returns ErrNotFound if there are none that could still work. If it fails,
// some may have ended; a repetition ends the others.
func (d *Desk) TakeAway(ctx context.Context, user id.User, in id.Org, app id.OAuthClient, by audit.Origin) (name string, err error) {
	now := d.Clock.Now()
	err = d.inEach(ctx, user, in, func(tx pg.Tx, m identity.Membership) error {
		rows, err := pg.List[Row](ctx, tx, "oauth.TakeAway", `
			SELECT `+rowColumns+` FROM oauth_grant WHERE org_id = $1 AND member_id = $2 AND client_id = $3 AND ends_at > $4`, m.Org, m.Member, app, now)
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := noteAll(ctx, tx, m, app, ByPerson, by, now); err != nil {
			return err
		}
		for _, row := range rows { // also those that were noted before: perhaps no more than that was done
			if err := d.Grants.Revoke(ctx, row.ID, ByPerson); err != nil {
				return err
			}
		}
		name = rows[0].ClientName
		return nil
	})
	if err == nil && name == "" {
		err = ErrNotFound
	}
	return name, err
}

// inEach works in each organization of a person, or in the one that is wanted. One that
// fails does not keep it from the others.
func (d *Desk) inEach(ctx context.Context, user id.User, wanted id.Org, work func(pg.Tx, identity.Membership) error) error {
	all, err := identity.Memberships(ctx, d.DB, user)
	for _, m := range all {
		if wanted.IsZero() || m.Org == wanted {
			err = errors.Join(err, d.DB.InOrg(ctx, m.Org, func(tx pg.Tx) error { return work(tx, m) }))
		}
	}
	return err
}

// mostNoted is how many grants of a member are noted at once.
const mostNoted = 100

// noteAll notes that the grants of a member were revoked: those for an app or, if it is
// zero, all.
func noteAll(ctx context.Context, tx pg.Tx, m identity.Membership, app id.OAuthClient, why Why, by audit.Origin, now time.Time) error {
	rows, err := pg.List[Row](ctx, tx, "oauth.noteAll", `
		UPDATE oauth_grant SET revoked_at = $3 WHERE org_id = $1 AND id IN (
			SELECT id FROM oauth_grant WHERE org_id = $1 AND member_id = $2 AND ($5::uuid IS NULL OR client_id = $5)
				AND revoked_at IS NULL AND ends_at > $3 ORDER BY id DESC LIMIT $4)
		RETURNING `+rowColumns, m.Org, m.Member, now, mostNoted, app)
	for _, row := range rows {
		if err != nil {
			return err
		}
		actor, on := by.Actor(audit.Actor{Type: auth.Member, ID: m.Member.String()})
		err = audit.Insert(ctx, tx, m.Org, audit.Entry{
			Action: "oauth_grant.revoke", Actor: actor, For: on, Targets: []audit.Target{audit.Of("oauth_grant", row.ID)},
			After: audit.Fields{"client_id": row.ClientID.String(), "member_id": row.MemberID.String(), "scopes": row.Scopes, "reason": string(why)}, Origin: by, CreatedAt: now,
		})
	}
	return err
}
