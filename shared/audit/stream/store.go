package stream

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit/chain"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
)

// columns are those of audit_stream as s, with where the log and the stream stand.
const columns = `s.id, s.name, s.type, s.settings, s.categories, s.actions, s.outcomes, s.status, s.pause_reason, s.paused_at, s.revision,
	s.reached, s.replay_from, s.replay_to, s.replay_reached, s.replayed_at, s.batch_limit, s.failures, s.failing_since, s.next_try_at,
	s.last_error, s.last_error_at, s.last_delivered_at, s.test_id, s.tested_at, s.test_error, s.created_at, s.updated_at,
	coalesce((SELECT h.number FROM audit_head h WHERE h.org_id = s.org_id), 0),
	(SELECT e.created_at FROM audit_chain c JOIN ` + chain.EntryOf + `
		WHERE c.org_id = s.org_id AND c.number = s.reached + 1)`

// ScanRow reads columns.
func (s *Stream) ScanRow(row pgx.Rows) error {
	var settings []byte
	var from, to, reached *int64
	var at *time.Time
	err := row.Scan(&s.ID, &s.Name, &s.Type, &settings, &s.Filter.Categories, &s.Filter.Actions, &s.Filter.Outcomes,
		&s.Status, &s.PauseReason, &s.PausedAt, &s.Revision,
		&s.Reached, &from, &to, &reached, &at, &s.BatchLimit, &s.Failures, &s.FailingSince, &s.NextTryAt,
		&s.LastError, &s.LastErrorAt, &s.LastDeliveredAt, &s.TestID, &s.TestedAt, &s.TestError, &s.CreatedAt, &s.UpdatedAt,
		&s.Head, &s.WaitingSince)
	if err != nil {
		return err
	}
	if from != nil {
		s.Replay = &Replay{*from, *to, *reached, *at}
	}
	return json.Unmarshal(settings, &s.Settings)
}

// New is what is asked for. Secret is "" for a type that has none.
type New struct {
	Name, Type string
	Settings   Settings
	Filter     Filter
	Secret     string
}

// Insert adds a stream, which begins behind the last entry that the log has now.
func Insert(ctx context.Context, tx pg.Tx, org id.Org, n New, now time.Time, box *secret.Box) (Stream, error) {
	made := id.New[id.AuditStream](now)
	return pg.One[Stream](ctx, tx, "stream.Insert", ErrTooMany, `
		INSERT INTO audit_stream AS s (org_id, id, name, type, settings, categories, actions, outcomes, sealed_secret, reached, created_at, updated_at)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, coalesce((SELECT number FROM audit_head WHERE org_id = $1), 0), $10, $10
		WHERE (SELECT count(*) FROM audit_stream WHERE org_id = $1) < $11
		RETURNING `+columns, org, made, n.Name, n.Type, n.Settings, list(n.Filter.Categories), list(n.Filter.Actions), list(n.Filter.Outcomes),
		seal(box, org, made, n.Secret), now, MaxStreams)
}

// list returns an empty list for nil, which would be NULL.
func list(l []string) []string { return append([]string{}, l...) }

// Get returns the organization's stream or ErrNotFound.
func Get(ctx context.Context, tx pg.Tx, org id.Org, stream id.AuditStream) (Stream, error) {
	return pg.One[Stream](ctx, tx, "stream.Get", ErrNotFound, `
		SELECT `+columns+` FROM audit_stream s WHERE s.org_id = $1 AND s.id = $2`, org, stream)
}

// List returns up to limit streams that are older than after, the newest first. A zero
// after starts with the newest.
func List(ctx context.Context, tx pg.Tx, org id.Org, after id.AuditStream, limit int) ([]Stream, error) {
	return pg.List[Stream](ctx, tx, "stream.List", `
		SELECT `+columns+` FROM audit_stream s
		WHERE s.org_id = $1 AND ($2::uuid IS NULL OR s.id < $2) ORDER BY s.id DESC LIMIT $3`, org, after, limit)
}

// lock returns a stream that nobody else changes until the transaction ends.
func lock(ctx context.Context, tx pg.Tx, org id.Org, stream id.AuditStream) (Stream, error) {
	return pg.One[Stream](ctx, tx, "stream.lock", ErrNotFound, `
		SELECT `+columns+` FROM audit_stream s WHERE s.org_id = $1 AND s.id = $2 FOR NO KEY UPDATE OF s`, org, stream)
}

// Delete removes a stream and returns it.
func Delete(ctx context.Context, tx pg.Tx, org id.Org, stream id.AuditStream) (Stream, error) {
	return pg.One[Stream](ctx, tx, "stream.Delete", ErrNotFound, `
		DELETE FROM audit_stream s WHERE s.org_id = $1 AND s.id = $2 RETURNING `+columns, org, stream)
}

// save writes what can change, except the secrets.
func (s Stream) save(ctx context.Context, tx pg.Tx, org id.Org) error {
	var from, to, reached *int64
	var at *time.Time
	if r := s.Replay; r != nil {
		from, to, reached, at = &r.From, &r.To, &r.Reached, &r.At
	}
	return pg.Exec(ctx, tx, "stream.save", `
		UPDATE audit_stream SET name = $3, settings = $4, categories = $5, actions = $6, outcomes = $7, status = $8, pause_reason = $9, paused_at = $10,
			revision = $11, reached = $12, replay_from = $13, replay_to = $14, replay_reached = $15, replayed_at = $16, batch_limit = $17, failures = $18,
			failing_since = $19, next_try_at = $20, last_error = $21, last_error_at = $22, last_delivered_at = $23, test_id = $24, tested_at = $25,
			test_error = $26, updated_at = $27
		WHERE org_id = $1 AND id = $2`, org, s.ID, s.Name, s.Settings, list(s.Filter.Categories), list(s.Filter.Actions), list(s.Filter.Outcomes),
		s.Status, s.PauseReason, s.PausedAt, s.Revision, s.Reached, from, to, reached, at, s.BatchLimit, s.Failures,
		s.FailingSince, s.NextTryAt, s.LastError, s.LastErrorAt, s.LastDeliveredAt, s.TestID, s.TestedAt, s.TestError, s.UpdatedAt)
}
