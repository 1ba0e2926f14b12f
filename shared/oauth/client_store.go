package oauth

import (
	"context"
	"fmt"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
)

// MaxClients is how many apps an organization may register.
const MaxClients = 100

var (
	// ErrNotFound is returned when the organization has not registered such an app.
	ErrNotFound = fault.New(fault.NotFound, "oauth_client_not_found", "There is no OAuth client with this id.").
			Means("Your organization has registered no OAuth client with this id.")
	// ErrGrantNotFound is returned when no app was let into the organization by this grant.
	ErrGrantNotFound = fault.New(fault.NotFound, "oauth_grant_not_found", "There is no OAuth grant with this id.").
				Means("No OAuth client was let into your organization by a grant with this id.")
	// ErrTooMany is returned when the organization has MaxClients apps.
	ErrTooMany = fault.New(fault.Conflict, "too_many_oauth_clients",
		fmt.Sprintf("The organization has %d OAuth clients. Delete those that nobody uses.", MaxClients)).
		Means("The organization has reached the limit of OAuth clients.")
	// ErrNoSecret is returned when the secret of a native app would be rotated.
	ErrNoSecret = fault.New(fault.Conflict, "oauth_client_without_secret", "A native OAuth client has no secret.").
			Means("A native OAuth client has no secret that could be rotated.")
)

const clientColumns = `id, name, kind, redirect_uris, permissions, published, secret_hash, old_secret_hash, old_secret_ends_at, created_at, updated_at`

// Insert writes a new app, or returns ErrTooMany.
func Insert(ctx context.Context, tx pg.Tx, org id.Org, c Client) error {
	made, err := pg.Affect(ctx, tx, "oauth.Insert", `
		INSERT INTO oauth_client (org_id, id, name, kind, redirect_uris, permissions, published, secret_hash, created_at, updated_at)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $9
		WHERE (SELECT count(*) FROM oauth_client WHERE org_id = $1) < $10`,
		org, c.ID, c.Name, c.Kind, c.RedirectURIs, c.Permissions, c.Published, c.SecretHash, c.CreatedAt, MaxClients)
	if err == nil && made == 0 {
		return ErrTooMany
	}
	return err
}

// Get returns the organization's app or ErrNotFound, also in an organization that was
// deleted: its apps act nowhere any more.
func Get(ctx context.Context, tx pg.Tx, org id.Org, client id.OAuthClient) (Client, error) {
	return pg.One[Client](ctx, tx, "oauth.Get", ErrNotFound, `SELECT `+clientColumns+` FROM oauth_client
		WHERE org_id = $1 AND id = $2 AND EXISTS (SELECT FROM organization WHERE id = $1 AND deleted_at IS NULL)`, org, client)
}

// Lock does the same and locks the app until the transaction ends.
func Lock(ctx context.Context, tx pg.Tx, org id.Org, client id.OAuthClient) (Client, error) {
	return pg.One[Client](ctx, tx, "oauth.Lock", ErrNotFound, `SELECT `+clientColumns+` FROM oauth_client WHERE org_id = $1 AND id = $2 FOR UPDATE`, org, client)
}

// List returns up to limit apps older than after, newest first.
func List(ctx context.Context, tx pg.Tx, org id.Org, after id.OAuthClient, limit int) ([]Client, error) {
	return pg.List[Client](ctx, tx, "oauth.List", `
		SELECT `+clientColumns+` FROM oauth_client
		WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`, org, after, limit)
}

// Save writes what may change of an app. Lock it first.
func Save(ctx context.Context, tx pg.Tx, org id.Org, c Client) error {
	return pg.Exec(ctx, tx, "oauth.Save", `
		UPDATE oauth_client SET name = $3, redirect_uris = $4, permissions = $5, published = $6,
			secret_hash = $7, old_secret_hash = $8, old_secret_ends_at = $9, updated_at = $10
		WHERE org_id = $1 AND id = $2`,
		org, c.ID, c.Name, c.RedirectURIs, c.Permissions, c.Published, c.SecretHash, c.OldSecretHash, c.OldSecretEndsAt, c.UpdatedAt)
}

// Delete removes an app. Its tokens work no more, in every organization.
func Delete(ctx context.Context, tx pg.Tx, org id.Org, client id.OAuthClient) error {
	return pg.Exec(ctx, tx, "oauth.Delete", `DELETE FROM oauth_client WHERE org_id = $1 AND id = $2`, org, client)
}
