package invitation

import (
	"context"
	"strings"
	"time"

	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/member"
	"portico/shared/pg"
	"portico/shared/secret"
)

// Insert writes a new invitation, which the token opens. It returns ErrExists if the address
// has an open one, member.ErrExists if it is a member's, and ErrTooMany. One that has expired
// is replaced.
func Insert(ctx context.Context, tx pg.Tx, org id.Org, i Invitation, token secret.Token) error {
	if err := pg.Exec(ctx, tx, "invitation.Insert: expired", `
		UPDATE invitation SET revoked_at = $3 WHERE org_id = $1 AND email = $2 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at <= $3`,
		org, i.Email, i.CreatedAt); err != nil {
		return err
	}
	known, err := member.Known(ctx, tx, org, i.Email)
	switch {
	case err != nil:
		return err
	case known:
		return member.ErrExists
	}
	made, err := pg.Affect(ctx, tx, "invitation.Insert", `
		INSERT INTO invitation (org_id, id, email, predefined, role_id, locale, token_hash, inviter_type, inviter_id, inviter_name, created_at, expires_at)
		SELECT $1, $2, $3, nullif($4, ''), $5, $6, $7, $8, $9, $10, $11, $12
		WHERE (SELECT count(*) FROM invitation WHERE org_id = $1 AND accepted_at IS NULL AND revoked_at IS NULL) < $13`,
		org, i.ID, i.Email, i.Role.Predefined, i.Role.Custom, i.Locale, token.Sum(), i.Inviter.Type, i.Inviter.ID, i.Inviter.Name, i.CreatedAt, i.ExpiresAt, Most)
	switch {
	case pg.IsUniqueViolation(err):
		return ErrExists
	case err == nil && made == 0:
		return ErrTooMany
	}
	return err
}

// List returns up to limit invitations older than after, newest first. A zero after starts
// with the newest.
func List(ctx context.Context, tx pg.Tx, org id.Org, after id.Invitation, limit int) ([]Invitation, error) {
	return pg.List[Invitation](ctx, tx, "invitation.List", `
		SELECT `+columns+` FROM invitation WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`, org, after, limit)
}

// Lock returns an invitation, which stays as it is until the transaction ends, or
// ErrNotFound.
func Lock(ctx context.Context, tx pg.Tx, org id.Org, wanted id.Invitation) (Invitation, error) {
	return pg.One[Invitation](ctx, tx, "invitation.Lock", ErrNotFound, `SELECT `+columns+` FROM invitation WHERE org_id = $1 AND id = $2 FOR UPDATE`, org, wanted)
}

// Find returns the invitation of an open organization that a token opens, or ErrNotFound.
func Find(ctx context.Context, tx pg.Tx, org id.Org, token secret.Token) (Invitation, error) {
	return pg.One[Invitation](ctx, tx, "invitation.Find", ErrNotFound, `
		SELECT `+columns+` FROM invitation WHERE org_id = $1 AND token_hash = $2 AND EXISTS (SELECT FROM organization WHERE id = $1 AND deleted_at IS NULL)`,
		org, token.Sum())
}

// Renew gives an invitation that was neither accepted nor revoked another inviter and
// another token, with another Lasts to live: the links before work no more. It returns
// ErrEnded.
func Renew(ctx context.Context, tx pg.Tx, org id.Org, i Invitation, by auth.Actor, token secret.Token, now time.Time) (Invitation, error) {
	if i.AcceptedAt != nil || i.RevokedAt != nil {
		return i, ErrEnded
	}
	i.Inviter, i.ExpiresAt = by, now.Add(Lasts)
	return i, pg.Exec(ctx, tx, "invitation.Renew", `
		UPDATE invitation SET token_hash = $3, expires_at = $4, inviter_type = $5, inviter_id = $6, inviter_name = $7 WHERE org_id = $1 AND id = $2`,
		org, i.ID, token.Sum(), i.ExpiresAt, by.Type, by.ID, by.Name)
}

// Revoke ends an invitation that was not accepted. It returns ErrEnded.
func Revoke(ctx context.Context, tx pg.Tx, org id.Org, i Invitation, now time.Time) error {
	if i.AcceptedAt != nil || i.RevokedAt != nil {
		return ErrEnded
	}
	return pg.Exec(ctx, tx, "invitation.Revoke", `UPDATE invitation SET revoked_at = $3 WHERE org_id = $1 AND id = $2`, org, i.ID, now)
}

// Offer is an open invitation as its person sees it.
type Offer struct {
	Org        id.Org
	Name       string // of the organization
	Invitation id.Invitation
}

// mostOffers bounds what one database returns: strangers may invite an address to any number
// of organizations.
const mostOffers = 50

// To returns the open invitations of an address in all databases, the oldest first in each.
// If a database does not answer, it returns those of the others together with the error.
func To(ctx context.Context, db *pg.DB, email string) (all []Offer, err error) {
	err = db.All().Each(func(_ string, q pg.Querier) error {
		list, err := pg.List[Offer](ctx, q, "invitation.To",
			`SELECT org_id AS org, org_name AS name, id AS invitation FROM invitations_to($1, $2)`, strings.ToLower(email), mostOffers)
		all = append(all, list...)
		return err
	})
	return all, err
}

// Forget deletes up to limit invitations that have ended 90 days ago, and returns how many.
func Forget(ctx context.Context, db *pg.Worker, limit int) (int64, error) {
	return pg.Affect(ctx, db, "invitation.Forget", `
		DELETE FROM invitation WHERE (org_id, id) IN (
			SELECT org_id, id FROM invitation WHERE expires_at < portico_now() - interval '90 days' ORDER BY expires_at LIMIT $1)`, limit)
}
