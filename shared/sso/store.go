package sso

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/role"
	"portico/shared/secret"
)

const columns = `id, type, name, status, issuer, sso_url, certificates, certificates_end_at, metadata_url, metadata_read_at, metadata_error,
	client_id, sealed_client_secret, domains, predefined, role_id, enforced, break_glass_id, version, created_at, updated_at`

// ScanRow reads columns.
func (c *Connection) ScanRow(row pgx.Rows) error {
	var predefined *string
	err := row.Scan(&c.ID, &c.Type, &c.Name, &c.Status, &c.Issuer, &c.SSOURL, &c.Certificates, &c.CertificatesEndAt, &c.MetadataURL, &c.MetadataReadAt, &c.MetadataError,
		&c.ClientID, &c.SealedClientSecret, &c.Domains,
		&predefined, &c.DefaultRole.Custom, &c.Enforced, &c.BreakGlass, &c.Version, &c.CreatedAt, &c.UpdatedAt)
	if predefined != nil {
		c.DefaultRole.Predefined = *predefined
	}
	return err
}

// Insert writes a new draft, or returns ErrTooMany.
func Insert(ctx context.Context, tx pg.Tx, org id.Org, c Connection) error {
	made, err := pg.Affect(ctx, tx, "sso.Insert", `
		INSERT INTO sso_connection (org_id, id, type, name, issuer, sso_url, certificates, certificates_end_at, client_id, sealed_client_secret, domains,
			predefined, role_id, enforced, break_glass_id, created_at, updated_at, metadata_url)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, nullif($12, ''), $13, $14, $15, $16, $16, $18
		WHERE (SELECT count(*) FROM sso_connection WHERE org_id = $1) < $17`,
		org, c.ID, c.Type, c.Name, c.Issuer, c.SSOURL, list(c.Certificates), c.CertificatesEndAt, c.ClientID, c.SealedClientSecret, list(c.Domains),
		c.DefaultRole.Predefined, c.DefaultRole.Custom, c.Enforced, c.BreakGlass, c.CreatedAt, MaxConnections, c.MetadataURL)
	if err == nil && made == 0 {
		return ErrTooMany
	}
	return err
}

// list returns an empty list for nil, which would be NULL.
func list(l []string) []string { return append([]string{}, l...) }

// Get returns the organization's connection or ErrNotFound.
func Get(ctx context.Context, tx pg.Tx, org id.Org, connection id.SSOConnection) (Connection, error) {
	return pg.One[Connection](ctx, tx, "sso.Get", ErrNotFound, `SELECT `+columns+` FROM sso_connection WHERE org_id = $1 AND id = $2`, org, connection)
}

// Lock does the same and locks all connections of the organization until the transaction
// ends: whether one may be active depends on the others.
func Lock(ctx context.Context, tx pg.Tx, org id.Org, connection id.SSOConnection) (Connection, error) {
	all, err := pg.List[Connection](ctx, tx, "sso.Lock", `SELECT `+columns+` FROM sso_connection WHERE org_id = $1 ORDER BY id FOR UPDATE`, org)
	if err != nil {
		return Connection{}, err
	}
	if i := slices.IndexFunc(all, func(c Connection) bool { return c.ID == connection }); i >= 0 {
		return all[i], nil
	}
	return Connection{}, ErrNotFound
}

// List returns up to limit connections older than after, newest first.
func List(ctx context.Context, tx pg.Tx, org id.Org, after id.SSOConnection, limit int) ([]Connection, error) {
	return pg.List[Connection](ctx, tx, "sso.List", `
		SELECT `+columns+` FROM sso_connection
		WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`, org, after, limit)
}

// ForDomain returns the organization's active connection for addresses at a domain, or
// ErrNotFound.
func ForDomain(ctx context.Context, tx pg.Tx, org id.Org, domain string) (Connection, error) {
	return pg.One[Connection](ctx, tx, "sso.ForDomain", ErrNotFound, `
		SELECT `+columns+` FROM sso_connection WHERE org_id = $1 AND status = 'active' AND $2 = ANY (domains)`, org, domain)
}

// Find returns a connection of whatever organization, or ErrNotFound.
func Find(ctx context.Context, db *pg.DB, connection id.SSOConnection) (Found, error) {
	org, err := pg.Search[id.Org](ctx, db.All(), "sso.Find", `SELECT sso_connection_org($1)`, connection)
	switch {
	case err != nil:
		return Found{}, err
	case org.IsZero():
		return Found{}, ErrNotFound
	}
	found := Found{Org: org}
	err = db.InOrg(ctx, org, func(tx pg.Tx) (err error) {
		found.Connection, err = Get(ctx, tx, org, connection)
		return err
	})
	return found, err
}

// Save writes a changed connection, which Lock has returned, with the next version. One
// that is active must be fit for it.
func Save(ctx context.Context, tx pg.Tx, org id.Org, c *Connection, now time.Time) error {
	if c.Status == Active {
		if err := fit(ctx, tx, org, *c, now); err != nil {
			return err
		}
	}
	c.Version, c.UpdatedAt = c.Version+1, now
	return pg.Exec(ctx, tx, "sso.Save", `
		UPDATE sso_connection SET name = $3, status = $4, issuer = $5, sso_url = $6, certificates = $7, certificates_end_at = $8, client_id = $9,
			sealed_client_secret = $10, domains = $11, predefined = nullif($12, ''), role_id = $13, enforced = $14, break_glass_id = $15,
			version = $16, updated_at = $17, metadata_url = $18, metadata_read_at = $19, metadata_error = $20
		WHERE org_id = $1 AND id = $2`,
		org, c.ID, c.Name, c.Status, c.Issuer, c.SSOURL, list(c.Certificates), c.CertificatesEndAt, c.ClientID,
		c.SealedClientSecret, list(c.Domains), c.DefaultRole.Predefined, c.DefaultRole.Custom, c.Enforced, c.BreakGlass,
		c.Version, c.UpdatedAt, c.MetadataURL, c.MetadataReadAt, c.MetadataError)
}

// fit returns why a connection may not be active: it is not complete, a domain is not
// verified, another active one has the domain, or nobody could enter if its provider fails.
func fit(ctx context.Context, tx pg.Tx, org id.Org, c Connection, now time.Time) error {
	if err := c.Testable(now); err != nil {
		return err
	}
	if len(c.Domains) == 0 {
		return ErrIncomplete.Saying("The connection has no domains.")
	}
	found, err := pg.One[struct {
		Unverified, Used []string
		Owner            bool
	}](ctx, tx, "sso.fit", nil, `
		SELECT array(SELECT name FROM unnest($3::text[]) AS name EXCEPT SELECT name FROM domain WHERE org_id = $1 AND verified_at IS NOT NULL) AS unverified,
			array(SELECT unnest(domains) FROM sso_connection WHERE org_id = $1 AND id <> $2 AND status = 'active' AND domains && $3) AS used,
			EXISTS (SELECT FROM member WHERE org_id = $1 AND id = $4 AND predefined = $5) AS owner`, org, c.ID, c.Domains, c.BreakGlass, role.Owner)
	switch {
	case err != nil:
		return err
	case len(found.Unverified) > 0:
		return ErrDomain.Saying("%s is not a verified domain of the organization. Add and verify it with the operations on domains.", found.Unverified[0])
	case len(found.Used) > 0:
		return ErrDomainInUse
	case c.Enforced && !found.Owner:
		return ErrBreakGlass
	}
	return nil
}

// Delete removes a connection with its traces. The accounts that it has linked go too;
// if the transaction fails then, they are linked again by the next login.
func Delete(ctx context.Context, tx pg.Tx, db *pg.DB, org id.Org, connection id.SSOConnection) error {
	if err := pg.Exec(ctx, tx, "sso.Delete", `DELETE FROM sso_connection WHERE org_id = $1 AND id = $2`, org, connection); err != nil {
		return err
	}
	return Forget(ctx, db, connection)
}

// Forget removes the accounts that a connection has linked, which are at home.
func Forget(ctx context.Context, db *pg.DB, connection id.SSOConnection) error {
	return db.PlatformIn(ctx, pg.Home, func(tx pg.Tx) error {
		return pg.Exec(ctx, tx, "sso.Forget", `SELECT forget_connection($1)`, connection.String())
	})
}

// ForgetAll does so for all connections of an organization, which is being erased.
func ForgetAll(ctx context.Context, db *pg.DB, org id.Org) error {
	var all []Connection
	err := db.InOrg(ctx, org, func(tx pg.Tx) (err error) {
		all, err = List(ctx, tx, org, id.SSOConnection{}, MaxConnections)
		return err
	})
	for _, c := range all {
		err = errors.Join(err, Forget(ctx, db, c.ID))
	}
	return err
}

// secretContext binds a sealed client secret to its connection.
func secretContext(org id.Org, connection id.SSOConnection) string {
	return "sso_connection/" + org.String() + "/" + connection.String()
}

// SetSecret gives a connection the client secret; "" removes it.
func (c *Connection) SetSecret(box *secret.Box, org id.Org, plain string) {
	c.SealedClientSecret = nil
	if plain != "" {
		c.SealedClientSecret = box.Seal([]byte(plain), secretContext(org, c.ID))
	}
}

// Secret returns the client secret; "": there is none.
func (c Found) Secret(box *secret.Box) (string, error) {
	if c.SealedClientSecret == nil {
		return "", nil
	}
	plain, err := box.Open(c.SealedClientSecret, secretContext(c.Org, c.ID))
	if err != nil {
		return "", fmt.Errorf("secret of %s: %w", c.ID, err)
	}
	return string(plain), nil
}
