package hostname

import (
	"context"

	"portico/shared/id"
	"portico/shared/pg"
)

const columns = `id, name, token, verified_at, created_at`

// List returns up to limit domains older than after, newest first. A zero after
// starts with the newest.
func List(ctx context.Context, tx pg.Tx, org id.Org, after id.Domain, limit int) ([]Domain, error) {
	return pg.List[Domain](ctx, tx, "hostname.List", `
		SELECT `+columns+` FROM domain WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`, org, after, limit)
}

// Get returns the organization's domain or ErrNotFound.
func Get(ctx context.Context, tx pg.Tx, org id.Org, domain id.Domain) (Domain, error) {
	return get(ctx, tx, org, domain, "")
}

// Owns reports whether a name is that of a verified domain of the organization.
func Owns(ctx context.Context, tx pg.Tx, org id.Org, name string) (bool, error) {
	return pg.Value[bool](ctx, tx, "hostname.Owns", `
		SELECT EXISTS (SELECT FROM domain WHERE org_id = $1 AND name = $2 AND verified_at IS NOT NULL)`, org, name)
}

func get(ctx context.Context, tx pg.Tx, org id.Org, domain id.Domain, lock string) (Domain, error) {
	return pg.One[Domain](ctx, tx, "hostname.Get", ErrNotFound, `SELECT `+columns+` FROM domain WHERE org_id = $1 AND id = $2`+lock, org, domain)
}

func insert(ctx context.Context, tx pg.Tx, org id.Org, d Domain) error {
	made, err := pg.Affect(ctx, tx, "hostname.insert", `
		INSERT INTO domain (org_id, id, name, token, created_at) SELECT $1, $2, $3, $4, $5
		WHERE (SELECT count(*) FROM domain WHERE org_id = $1) < $6`, org, d.ID, d.Name, d.Token, d.CreatedAt, Most)
	switch {
	case pg.IsUniqueViolation(err):
		return ErrExists
	case err == nil && made == 0:
		return ErrTooMany
	}
	return err
}
