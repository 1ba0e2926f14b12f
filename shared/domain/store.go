package domain

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
)

const columns = `id, name, token, verified_at, created_at`

// List returns up to limit domains older than after, newest first. A zero after
// starts with the newest.
func List(ctx context.Context, tx pg.Tx, org id.Org, after id.Domain, limit int) ([]Domain, error) {
	rows, err := tx.Query(ctx, `
		SELECT `+columns+` FROM domain WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`, org, after, limit)
	return all("List", rows, err)
}

// Get returns the organization's domain or ErrNotFound.
func Get(ctx context.Context, tx pg.Tx, org id.Org, domain id.Domain) (Domain, error) {
	return get(ctx, tx, org, domain, "")
}

func get(ctx context.Context, tx pg.Tx, org id.Org, domain id.Domain, lock string) (Domain, error) {
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM domain WHERE org_id = $1 AND id = $2`+lock, org, domain)
	list, err := all("Get", rows, err)
	if err != nil {
		return Domain{}, err
	}
	if len(list) == 0 {
		return Domain{}, ErrNotFound
	}
	return list[0], nil
}

func insert(ctx context.Context, tx pg.Tx, org id.Org, d Domain) error {
	tag, err := tx.Exec(ctx, `
		INSERT INTO domain (org_id, id, name, token, created_at) SELECT $1, $2, $3, $4, $5
		WHERE (SELECT count(*) FROM domain WHERE org_id = $1) < $6`, org, d.ID, d.Name, d.Token, d.CreatedAt, Most)
	switch {
	case pg.IsUniqueViolation(err):
		return ErrExists
	case err != nil:
		return fmt.Errorf("domain.insert: %w", err)
	case tag.RowsAffected() == 0:
		return ErrTooMany
	}
	return nil
}

func all(caller string, rows pgx.Rows, err error) ([]Domain, error) {
	if err == nil {
		var list []Domain
		if list, err = pgx.CollectRows(rows, pgx.RowToStructByName[Domain]); err == nil {
			return list, nil
		}
	}
	return nil, fmt.Errorf("domain.%s: %w", caller, err)
}
