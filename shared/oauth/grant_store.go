package oauth

import (
	"context"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
)

// Row is a grant of a member as its organization sees it.
type Row struct {
	ID         id.OAuthGrant
	ClientID   id.OAuthClient
	ClientName string // when the member let the app in
	MemberID   id.Member
	Scopes     []string
	Resource   string
	CreatedAt  time.Time
	EndsAt     time.Time
	RevokedAt  *time.Time
}

// mostGrants is how many grants a member has for one app. The oldest go.
const mostGrants = 20

const rowColumns = `id, client_id, client_name, member_id, scopes, resource, created_at, ends_at, revoked_at`

// InsertRow writes a member's grant and removes those that have ended or are too many.
// It returns the latter, which are to be revoked.
func InsertRow(ctx context.Context, tx pg.Tx, org id.Org, g Grant, client string) (gone []id.OAuthGrant, err error) {
	rows, err := pg.List[struct{ ID id.OAuthGrant }](ctx, tx, "oauth.InsertRow", `
		WITH made AS (
			INSERT INTO oauth_grant (org_id, id, client_id, client_name, member_id, scopes, resource, created_at, ends_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		)
		DELETE FROM oauth_grant WHERE org_id = $1 AND member_id = $5 AND client_id = $3 AND (
			ends_at <= $8 OR revoked_at IS NOT NULL OR id NOT IN (
				SELECT id FROM oauth_grant WHERE org_id = $1 AND member_id = $5 AND client_id = $3 AND ends_at > $8 AND revoked_at IS NULL
				ORDER BY id DESC LIMIT $10))
		RETURNING id`,
		org, g.ID, g.Client, client, g.Member, g.Scopes, g.Resource, g.CreatedAt, g.EndsAt, mostGrants-1)
	for _, row := range rows {
		gone = append(gone, row.ID)
	}
	return gone, err
}

// ListRows returns up to limit grants older than after, newest first.
func ListRows(ctx context.Context, tx pg.Tx, org id.Org, after id.OAuthGrant, limit int) ([]Row, error) {
	return pg.List[Row](ctx, tx, "oauth.ListRows", `
		SELECT `+rowColumns+` FROM oauth_grant
		WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`, org, after, limit)
}

// RevokeRow notes that a grant was taken away and returns it, or ErrGrantNotFound. One
// that was taken away before stays as it is.
func RevokeRow(ctx context.Context, tx pg.Tx, org id.Org, grant id.OAuthGrant, now time.Time) (Row, error) {
	return pg.One[Row](ctx, tx, "oauth.RevokeRow", ErrGrantNotFound, `
		UPDATE oauth_grant SET revoked_at = coalesce(revoked_at, $3) WHERE org_id = $1 AND id = $2 RETURNING `+rowColumns, org, grant, now)
}
