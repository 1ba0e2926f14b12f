package apikey

import (
	"context"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
)

// OrganizationsOfExpiring returns the organizations of the database with keys that
// expire within a time.
func OrganizationsOfExpiring(ctx context.Context, q pg.Querier, within time.Duration) ([]id.Org, error) {
	return pg.List[id.Org](ctx, q, "apikey.OrganizationsOfExpiring", `
		SELECT DISTINCT org_id FROM api_key
		WHERE expires_at > portico_now() AND expires_at <= portico_now() + $1 AND revoked_at IS NULL
			AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = api_key.org_id AND p.until > portico_now())`, within)
}

// ExpireWithin returns up to limit of an organization's keys that expire within a time and
// that no rotation has replaced, the first to expire first.
func ExpireWithin(ctx context.Context, tx pg.Tx, org id.Org, within time.Duration, limit int) ([]Stored, error) {
	return pg.List[Stored](ctx, tx, "apikey.ExpireWithin", `
		SELECT `+columns+`, hash FROM api_key
		WHERE org_id = $1 AND expires_at > portico_now() AND expires_at <= portico_now() + $2 AND revoked_at IS NULL AND replaced_by IS NULL
		ORDER BY expires_at LIMIT $3`, org, within, limit)
}
