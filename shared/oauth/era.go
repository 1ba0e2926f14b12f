package oauth

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"portico/shared/audit"
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
	now := d.Clock.Now()
	_ = d.inEach(ctx, user, id.Org{}, func(tx pg.Tx, m identity.Membership) error {
		return noteAll(ctx, tx, m, id.OAuthClient{}, All, by, now)
	})
	return nil
}
