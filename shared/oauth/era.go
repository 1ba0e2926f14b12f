package oauth

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/dynamo"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/pg"
)

// eraKey is the item that names a person's era: a text that changes whenever all of the
// person's grants end. A grant has the era in which it was made, and works in no other.
const eraKey = "era"

func (s *Store) eraOf(user id.User) dynamo.Partition {
	return s.table.Partition("grant#" + user.String())
}

// era returns the present era of a grant's person; "": the first one, or the grant is an
// app's for itself.
func (s *Store) era(ctx context.Context, g Grant) (string, error) {
	if g.User.IsZero() {
		return "", nil
	}
	item, err := s.eraOf(g.User).Get(ctx, eraKey)
	if err != nil {
		return "", fmt.Errorf("oauth: era: %w", err)
	}
	return dynamo.TextOf(item["era"]), nil
}

// inEra returns a grant as revoked if it is of another era. When the item is gone, all
// grants of earlier eras have ended.
func (s *Store) inEra(ctx context.Context, g Grant) (Grant, error) {
	now, err := s.era(ctx, g)
	if err == nil && now != "" && now != g.era && g.revokedAt.IsZero() {
		g.revokedAt, g.why = s.now(), All
	}
	return g, err
}

// RevokeAll takes away all grants of a person with one write: in other environments within
// five seconds. End the sessions first: then no session makes a grant that stays.
func (s *Store) RevokeAll(ctx context.Context, user id.User) error {
	item := dynamo.Item{"era": dynamo.Text(uuid.NewString()), "expires_at": dynamo.Number(s.now().Add(grantFor + 24*time.Hour).Unix())}
	if err := s.eraOf(user).Put(ctx, eraKey, item, dynamo.Write{}); err != nil {
		return fmt.Errorf("oauth.RevokeAll: %w", err)
	}
	return nil
}

// RevokeAll takes away all grants of a person, in all organizations, whose logs say so. A
// log that cannot be reached keeps no app alive: it says so when the app comes again.
func (d *Desk) RevokeAll(ctx context.Context, user id.User, by audit.Origin) error {
	if err := d.Grants.RevokeAll(ctx, user); err != nil {
		return err
	}
	in, _ := identity.Memberships(ctx, d.DB, user)
	for _, m := range in {
		_ = d.noteAll(ctx, m, by)
	}
	return nil
}

// mostNoted is how many grants of a member are noted at once.
const mostNoted = 100

// noteAll notes that the grants of a member were revoked.
func (d *Desk) noteAll(ctx context.Context, m identity.Membership, by audit.Origin) error {
	now := d.Clock.Now()
	return d.DB.InOrg(ctx, m.Org, func(tx pg.Tx) error {
		rows, err := pg.List[Row](ctx, tx, "oauth.noteAll", `
			UPDATE oauth_grant SET revoked_at = $3 WHERE org_id = $1 AND id IN (
				SELECT id FROM oauth_grant WHERE org_id = $1 AND member_id = $2 AND revoked_at IS NULL AND ends_at > $3 ORDER BY id DESC LIMIT $4)
			RETURNING `+rowColumns, m.Org, m.Member, now, mostNoted)
		for _, row := range rows {
			if err != nil {
				return err
			}
			err = audit.Insert(ctx, tx, m.Org, audit.Entry{
				Action: "oauth_grant.revoke", Actor: audit.Actor{Type: auth.Member, ID: m.Member.String()}, Targets: []audit.Target{audit.Of("oauth_grant", row.ID)},
				After: audit.Fields{"client_id": row.ClientID.String(), "member_id": row.MemberID.String(), "scopes": row.Scopes, "reason": string(All)}, Origin: by, CreatedAt: now,
			})
		}
		return err
	})
}
