package eventtype

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
)

const columns = `t.name, t.description, t.group_name, t.validation, t.version, t.versions, t.archived_at, t.created_at, t.updated_at, v.schema, v.examples`

const current = ` event_type t LEFT JOIN event_type_version v ON v.org_id = t.org_id AND v.name = t.name AND v.number = t.version `

// ScanRow reads columns.
func (t *Type) ScanRow(row pgx.Rows) error {
	var examples []byte
	err := row.Scan(&t.Name, &t.Description, &t.Group, &t.Validation, &t.Version, &t.Versions, &t.Archived, &t.CreatedAt, &t.UpdatedAt, &t.Schema, &examples)
	if err != nil || examples == nil {
		return err
	}
	return json.Unmarshal(examples, &t.Examples)
}

// Filter narrows a list.
type Filter struct {
	Group    string // "": any
	Archived *bool  // nil: both
	After    string // the last name of the previous page
}

// List returns up to limit types, by their names, without schemas and examples.
func List(ctx context.Context, tx pg.Tx, org id.Org, f Filter, limit int) ([]Type, error) {
	return pg.List[Type](ctx, tx, "eventtype.List", `
		SELECT t.name, t.description, t.group_name, t.validation, t.version, t.versions, t.archived_at, t.created_at, t.updated_at,
			NULL::bytea AS schema, NULL::bytea AS examples
		FROM event_type t
		WHERE t.org_id = $1 AND t.name > $2 AND ($3 = '' OR t.group_name = $3) AND ($4::boolean IS NULL OR (t.archived_at IS NOT NULL) = $4)
		ORDER BY t.name LIMIT $5`, org, f.After, f.Group, f.Archived, limit)
}

// Get returns a type or ErrNotFound.
func Get(ctx context.Context, tx pg.Tx, org id.Org, name string) (Type, error) {
	return pg.One[Type](ctx, tx, "eventtype.Get", ErrNotFound, `SELECT `+columns+` FROM`+current+`WHERE t.org_id = $1 AND t.name = $2`, org, name)
}

// hold returns a type or ErrNotFound, and locks it until the transaction ends.
func hold(ctx context.Context, tx pg.Tx, org id.Org, name string) (Type, error) {
	return pg.One[Type](ctx, tx, "eventtype.hold", ErrNotFound, `SELECT `+columns+` FROM`+current+`WHERE t.org_id = $1 AND t.name = $2 FOR UPDATE OF t`, org, name)
}

// Insert writes a new type without versions.
func Insert(ctx context.Context, tx pg.Tx, org id.Org, t Type) error {
	made, err := pg.Affect(ctx, tx, "eventtype.Insert", `
		INSERT INTO event_type (org_id, name, description, group_name, validation, archived_at, created_at, updated_at)
		SELECT $1, $2, $3, $4, $5, $6, $7, $7 WHERE (SELECT count(*) FROM event_type WHERE org_id = $1) < $8`,
		org, t.Name, t.Description, t.Group, t.Validation, t.Archived, t.CreatedAt, MaxTypes)
	switch {
	case pg.IsUniqueViolation(err):
		return ErrExists
	case err == nil && made == 0:
		return ErrTooMany
	}
	return err
}

// Change names the fields to change; nil leaves one as it is.
type Change struct {
	Description *string
	Group       *string
	Validation  *string
	Archived    *bool
	Version     *int32 // which version is the current one
}

// Update changes a type and returns it before and after.
func Update(ctx context.Context, tx pg.Tx, org id.Org, name string, c Change, now time.Time) (before, after Type, err error) {
	if before, err = hold(ctx, tx, org, name); err != nil {
		return before, after, err
	}
	after = before
	set(&after.Description, c.Description)
	set(&after.Group, c.Group)
	set(&after.Validation, c.Validation)
	if c.Archived != nil && *c.Archived != (before.Archived != nil) {
		after.Archived = nil
		if *c.Archived {
			after.Archived = &now
		}
	}
	if c.Version != nil {
		if *c.Version < 1 || *c.Version > before.Versions {
			return before, after, ErrVersionNotFound
		}
		after.Version = c.Version
	}
	if after.Validation == Required && after.Version == nil {
		return before, after, errNothingToValidate
	}
	err = pg.Exec(ctx, tx, "eventtype.Update", `
		UPDATE event_type SET description = $3, group_name = $4, validation = $5, archived_at = $6, version = $7, updated_at = $8
		WHERE org_id = $1 AND name = $2`,
		org, name, after.Description, after.Group, after.Validation, after.Archived, after.Version, now)
	if err == nil {
		after, err = Get(ctx, tx, org, name)
	}
	return before, after, err
}

func set(field *string, to *string) {
	if to != nil {
		*field = *to
	}
}

// Delete removes a type with its versions and returns it.
func Delete(ctx context.Context, tx pg.Tx, org id.Org, name string) (Type, error) {
	t, err := hold(ctx, tx, org, name)
	if err != nil {
		return t, err
	}
	var batch pgx.Batch
	batch.Queue(`DELETE FROM event_type_version WHERE org_id = $1 AND name = $2`, org, name)
	batch.Queue(`DELETE FROM event_type WHERE org_id = $1 AND name = $2`, org, name)
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return t, fmt.Errorf("eventtype.Delete: %w", err)
	}
	return t, nil
}

// Count returns how many types an organization has.
func Count(ctx context.Context, tx pg.Tx, org id.Org) (int, error) {
	return pg.Value[int](ctx, tx, "eventtype.Count", `SELECT count(*) FROM event_type WHERE org_id = $1`, org)
}

// MaxDescribed bounds the bytes of the schemas and examples that All returns.
const MaxDescribed = 3 << 20

// All returns the types of a group with their schemas, by their names; "" is all
// groups. If they are larger than MaxDescribed, it returns ErrTooLarge.
func All(ctx context.Context, tx pg.Tx, org id.Org, group string) ([]Type, error) {
	bytes, err := pg.Value[int64](ctx, tx, "eventtype.All", `
		SELECT coalesce(sum(octet_length(v.schema) + octet_length(v.examples)), 0)::bigint FROM`+current+`
		WHERE t.org_id = $1 AND ($2 = '' OR t.group_name = $2)`, org, group)
	if err != nil {
		return nil, err
	}
	if bytes > MaxDescribed {
		return nil, ErrTooLarge
	}
	return pg.List[Type](ctx, tx, "eventtype.All", `
		SELECT `+columns+` FROM`+current+`WHERE t.org_id = $1 AND ($2 = '' OR t.group_name = $2) ORDER BY t.name`, org, group)
}
