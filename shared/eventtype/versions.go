package eventtype

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/eventtype/schema"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
)

var errNothingToValidate = fault.InvalidField("validation", "needs a version with a schema: add one first")

// NewVersion is a version before it has its number.
type NewVersion struct {
	Schema   json.RawMessage
	Examples []json.RawMessage
}

// MatchesSchema reports whether a schema says the same as that of a type.
func (t Type) MatchesSchema(text json.RawMessage) bool {
	if t.Schema == nil || text == nil {
		return t.Schema == nil && text == nil
	}
	a, errA := schema.Parse(t.Schema)
	b, errB := schema.Parse(text)
	return errA == nil && errB == nil && reflect.DeepEqual(a.Below("#"), b.Below("#"))
}

// Check refuses a schema that does not compile, and examples that do not match it.
func (v NewVersion) Check(ctx context.Context) error {
	s, err := schema.Compile(v.Schema)
	if err != nil {
		return fault.InvalidField("schema", err.Error())
	}
	var faults []error
	for i, example := range v.Examples {
		faults = append(faults, refusals(ctx, s, fmt.Sprintf("examples[%d]", i), example))
	}
	return fault.Join(faults...)
}

// refusals returns the fault of data that a schema refuses; at is what the data are
// called.
func refusals(ctx context.Context, s *schema.Schema, at string, data json.RawMessage) error {
	violations, err := s.Validate(ctx, data)
	switch {
	case errors.Is(err, schema.ErrTooMuch):
		return fault.InvalidField(at, err.Error())
	case err != nil:
		return fmt.Errorf("eventtype.refusals: %w", err)
	}
	faults := make([]error, len(violations))
	for i, v := range violations {
		faults[i] = fault.InvalidField(at+v.Path, v.Message+" (rule "+v.Rule+")")
	}
	return fault.Join(faults...)
}

// AddVersion adds a version, which becomes the current one, and returns the type
// before and after.
func AddVersion(ctx context.Context, tx pg.Tx, org id.Org, name string, v NewVersion, actor string, now time.Time) (before, after Type, err error) {
	if before, err = hold(ctx, tx, org, name); err != nil {
		return before, after, err
	}
	if before.Versions >= MaxVersions {
		return before, after, ErrTooManyVersions
	}
	examples, err := encodeExamples(v.Examples)
	if err != nil {
		return before, after, err
	}
	digest := sha256.Sum256(v.Schema)
	var batch pgx.Batch
	batch.Queue(`
		INSERT INTO event_type_version (org_id, name, number, schema, digest, examples, created_at, created_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, org, name, before.Versions+1, []byte(v.Schema), digest[:], examples, now, actor)
	batch.Queue(`
		UPDATE event_type SET version = $3, versions = $3, updated_at = $4 WHERE org_id = $1 AND name = $2`, org, name, before.Versions+1, now)
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return before, after, fmt.Errorf("eventtype.AddVersion: %w", err)
	}
	after = before
	number := before.Versions + 1
	after.Version, after.Versions, after.UpdatedAt, after.Schema, after.Examples = &number, number, now, v.Schema, v.Examples
	return before, after, nil
}

func encodeExamples(examples []json.RawMessage) ([]byte, error) {
	if len(examples) == 0 {
		return []byte("[]"), nil
	}
	out, err := json.Marshal(examples)
	if err != nil {
		return nil, fmt.Errorf("eventtype.encodeExamples: %w", err)
	}
	return out, nil
}

// ListVersions returns up to limit versions of a type with lower numbers than before,
// the newest first; 0 starts with the newest.
func ListVersions(ctx context.Context, tx pg.Tx, org id.Org, name string, before int32, limit int) ([]Version, error) {
	if _, err := Get(ctx, tx, org, name); err != nil {
		return nil, err
	}
	return pg.List[Version](ctx, tx, "eventtype.ListVersions", `
		SELECT number, schema, examples, created_at, created_by FROM event_type_version
		WHERE org_id = $1 AND name = $2 AND ($3 = 0 OR number < $3) ORDER BY number DESC LIMIT $4`, org, name, before, limit)
}

// GetVersion returns a version of a type; nil: the current one.
func GetVersion(ctx context.Context, tx pg.Tx, org id.Org, name string, number *int32) (Version, error) {
	t, err := Get(ctx, tx, org, name)
	if err != nil {
		return Version{}, err
	}
	if number == nil {
		number = t.Version
	}
	return pg.One[Version](ctx, tx, "eventtype.GetVersion", ErrVersionNotFound, `
		SELECT number, schema, examples, created_at, created_by FROM event_type_version
		WHERE org_id = $1 AND name = $2 AND number = $3`, org, name, number)
}

// ScanRow reads a version.
func (v *Version) ScanRow(row pgx.Rows) error {
	var examples []byte
	if err := row.Scan(&v.Number, &v.Schema, &examples, &v.CreatedAt, &v.CreatedBy); err != nil {
		return err
	}
	return json.Unmarshal(examples, &v.Examples)
}

// Try returns the fault of data that a version's schema refuses.
func (v Version) Try(ctx context.Context, data json.RawMessage) error {
	s, err := compiled.of(sha256.Sum256(v.Schema), v.Schema)
	if err != nil {
		return err
	}
	return refusals(ctx, s, "data", data)
}
