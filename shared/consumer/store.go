package consumer

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
)

const columns = `id, name, description, event_types, filter, dead_letters_of, created_at, updated_at`

// ScanRow reads columns.
func (c *Consumer) ScanRow(row pgx.Rows) error {
	return row.Scan(&c.ID, &c.Name, &c.Description, &c.EventTypes, &c.Filter, &c.DeadLettersOf, &c.CreatedAt, &c.UpdatedAt)
}

// Insert writes a new consumer with its secret, sealed. The caller has checked that
// DeadLettersOf is an endpoint of the organization. If it is set, the consumer starts
// with the dead letters that the endpoint has, up to maxBackfill of the newest.
func Insert(ctx context.Context, tx pg.Tx, org id.Org, c Consumer, plain string, box *secret.Box) error {
	made, err := pg.Affect(ctx, tx, "consumer.Insert", `
		WITH made AS (
			INSERT INTO event_consumer (org_id, id, name, description, event_types, filter, dead_letters_of, sealed_secret, created_at, updated_at)
			SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $9
			WHERE (SELECT count(*) FROM event_consumer WHERE org_id = $1 AND deleted_at IS NULL) < $10
			RETURNING org_id, id
		)
		INSERT INTO event_consumer_progress (org_id, consumer_id) SELECT org_id, id FROM made`,
		org, c.ID, c.Name, c.Description, c.EventTypes, c.Filter, c.DeadLettersOf, seal(box, org, c.ID, plain), c.CreatedAt, MaxConsumers)
	switch {
	case pg.IsUniqueViolation(err):
		return ErrExists.Because(err)
	case err != nil:
		return err
	case made == 0:
		return ErrTooMany
	case c.DeadLettersOf.IsZero():
		return nil
	}
	return backfill(ctx, tx, org, c)
}

// Get returns the organization's consumer or ErrNotFound.
func Get(ctx context.Context, tx pg.Tx, org id.Org, consumer id.EventConsumer) (Consumer, error) {
	return pg.One[Consumer](ctx, tx, "consumer.Get", ErrNotFound, `
		SELECT `+columns+` FROM event_consumer WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL`, org, consumer)
}

// Named returns the organization's consumer with a name, or ErrNotFound.
func Named(ctx context.Context, tx pg.Tx, org id.Org, name string) (Consumer, error) {
	return pg.One[Consumer](ctx, tx, "consumer.Named", ErrNotFound, `
		SELECT `+columns+` FROM event_consumer WHERE org_id = $1 AND name = $2 AND deleted_at IS NULL`, org, name)
}

// List returns up to limit consumers older than after, newest first. A zero after
// starts with the newest.
func List(ctx context.Context, tx pg.Tx, org id.Org, after id.EventConsumer, limit int) ([]Consumer, error) {
	return pg.List[Consumer](ctx, tx, "consumer.List", `
		SELECT `+columns+` FROM event_consumer
		WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) AND deleted_at IS NULL
		ORDER BY id DESC LIMIT $3`, org, after, limit)
}

// Update changes the organization's consumer and returns it as it was and as it is.
// Events that were published before keep their items.
func Update(ctx context.Context, tx pg.Tx, org id.Org, consumer id.EventConsumer, c Change, now time.Time) (before, after Consumer, err error) {
	before, err = pg.One[Consumer](ctx, tx, "consumer.Update", ErrNotFound, `
		SELECT `+columns+` FROM event_consumer WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL FOR NO KEY UPDATE`, org, consumer)
	if err != nil {
		return before, after, err
	}
	if !before.DeadLettersOf.IsZero() && (c.EventTypes != nil || c.Filter != nil) {
		return before, after, ErrReadsDeadLetters
	}
	after, err = pg.One[Consumer](ctx, tx, "consumer.Update", ErrNotFound, `
		UPDATE event_consumer SET description = coalesce($3, description), event_types = coalesce($4, event_types),
			filter = coalesce($5, filter), updated_at = $6
		WHERE org_id = $1 AND id = $2 RETURNING `+columns, org, consumer, c.Description, c.EventTypes, c.Filter, now)
	return before, after, err
}

// Delete takes a consumer out of use and returns it. Its items are removed later.
func Delete(ctx context.Context, tx pg.Tx, org id.Org, consumer id.EventConsumer, now time.Time) (Consumer, error) {
	return pg.One[Consumer](ctx, tx, "consumer.Delete", ErrNotFound, `
		UPDATE event_consumer SET deleted_at = $3, updated_at = $3
		WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL RETURNING `+columns, org, consumer, now)
}

// RotateSecret gives a consumer a new secret, sealed. The previous one still signs for
// the overlap; an older one ends at once.
func RotateSecret(ctx context.Context, tx pg.Tx, org id.Org, consumer id.EventConsumer, plain string, overlap time.Duration, now time.Time, box *secret.Box) (Consumer, error) {
	return pg.One[Consumer](ctx, tx, "consumer.RotateSecret", ErrNotFound, `
		UPDATE event_consumer SET old_sealed_secret = sealed_secret, old_secret_expires_at = portico_now() + $4::interval, sealed_secret = $3, updated_at = $5
		WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL RETURNING `+columns, org, consumer, seal(box, org, consumer, plain), overlap, now)
}

// Secrets returns the secrets that sign a consumer's items, the newest first.
func Secrets(ctx context.Context, tx pg.Tx, org id.Org, consumer id.EventConsumer, box *secret.Box) ([]string, error) {
	s, err := pg.One[sealed](ctx, tx, "consumer.Secrets", ErrNotFound, `
		SELECT sealed_secret, CASE WHEN old_secret_expires_at > portico_now() THEN old_sealed_secret END AS old_sealed_secret
		FROM event_consumer WHERE org_id = $1 AND id = $2`, org, consumer)
	if err != nil {
		return nil, err
	}
	return open(box, org, consumer, s.SealedSecret, s.OldSealedSecret)
}

// sealed has the secrets of a consumer.
type sealed struct{ SealedSecret, OldSealedSecret []byte }
