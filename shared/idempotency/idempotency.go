// Package idempotency makes a mutation happen only once if its request is sent
// twice. The claim and the reply are written in the transaction of the work. So a
// failed request leaves no trace, and a repeated one gets the first reply.
package idempotency

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
)

// Keep is how long a reply is stored; after that the key can be used again.
const Keep = 24 * time.Hour

// wait is how long a repeated request waits while the first one is still running.
const wait = "2s"

var (
	// ErrReused is returned when the key was used with a different request.
	ErrReused = fault.New(fault.Conflict, "idempotency_key_reused",
		"This Idempotency-Key was used with another request in the last 24 hours. Send a new key.").
		Means("The Idempotency-Key was used with another request in the last 24 hours.")
	// ErrInUse is returned when the first request with this key is still running.
	ErrInUse = fault.New(fault.Conflict, "idempotency_key_in_use",
		"A request with this Idempotency-Key is still being worked on. Send it again in a few seconds.").
		Means("The first request with this Idempotency-Key has not ended yet: send it again.")
)

// Scope limits where a key is valid: the same text from another caller or for
// another operation is a different key.
type Scope struct {
	Org       id.Org // zero: the platform
	Caller    string
	Operation string
	Key       string
}

func (s Scope) sealing() string {
	return "idempotency_key/" + s.Org.String() + "/" + s.Caller + "/" + s.Operation + "/" + s.Key
}

// Claim claims the key for a request with this hash. It returns the stored reply
// if the request was answered already. If it returns nil, the caller must do the
// work and pass the reply to Store before the commit.
func Claim(ctx context.Context, tx pg.Tx, s Scope, hash []byte, box *secret.Box) (reply []byte, err error) {
	claimed, err := claim(ctx, tx, s, hash)
	if err != nil || claimed {
		return nil, err
	}
	var storedHash, sealed []byte
	err = tx.QueryRow(ctx, `
		SELECT body_hash, reply FROM idempotency_key
		WHERE org_id = $1 AND caller = $2 AND operation = $3 AND key = $4`,
		[16]byte(s.Org.UUID), s.Caller, s.Operation, s.Key).Scan(&storedHash, &sealed)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, ErrInUse // expired and removed between the two statements
	case err != nil:
		return nil, fmt.Errorf("idempotency.Claim: %w", err)
	case !bytes.Equal(storedHash, hash):
		return nil, ErrReused
	}
	if reply, err = box.Open(sealed, s.sealing()); err != nil {
		return nil, fmt.Errorf("idempotency.Claim: stored reply: %w", err)
	}
	return reply, nil
}

// claim inserts the key's row, or takes over an expired one. It waits a bounded
// time for another transaction that is inserting the same key.
func claim(ctx context.Context, tx pg.Tx, s Scope, hash []byte) (bool, error) {
	var batch pgx.Batch
	batch.Queue(`SELECT set_config('lock_timeout', $1, true)`, wait)
	batch.Queue(`
		INSERT INTO idempotency_key AS k (org_id, caller, operation, key, body_hash) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (org_id, caller, operation, key) DO UPDATE
			SET body_hash = excluded.body_hash, reply = NULL, created_at = excluded.created_at
			WHERE k.created_at <= portico_now() - $6::interval`, [16]byte(s.Org.UUID), s.Caller, s.Operation, s.Key, hash, Keep)
	batch.Queue(`SELECT set_config('lock_timeout', '0', true)`)
	results := tx.SendBatch(ctx, &batch)
	defer results.Close()
	_, err := results.Exec()
	if err != nil {
		return false, fmt.Errorf("idempotency.claim: %w", err)
	}
	tag, err := results.Exec()
	if pg.IsLockTimeout(err) {
		return false, ErrInUse.Because(err)
	}
	if err != nil {
		return false, fmt.Errorf("idempotency.claim: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// Store keeps the reply of a claimed key with the commit, sealed: some replies
// hold a secret.
func Store(ctx context.Context, tx pg.Tx, s Scope, reply []byte, box *secret.Box) error {
	var batch pgx.Batch
	batch.Queue(`
		UPDATE idempotency_key SET reply = $5
		WHERE org_id = $1 AND caller = $2 AND operation = $3 AND key = $4`,
		[16]byte(s.Org.UUID), s.Caller, s.Operation, s.Key, box.Seal(reply, s.sealing()))
	return pg.AtCommit(ctx, tx, &batch)
}

// Sweep deletes up to limit expired keys and returns how many. It checks each
// again under its lock, because it may have been claimed again.
func Sweep(ctx context.Context, db *pg.Worker, limit int) (int64, error) {
	return pg.Affect(ctx, db, "idempotency.Sweep", `
		DELETE FROM idempotency_key WHERE created_at <= portico_now() - $1::interval AND (org_id, caller, operation, key) IN (
			SELECT org_id, caller, operation, key FROM idempotency_key
			WHERE created_at <= portico_now() - $1::interval ORDER BY created_at LIMIT $2)`, Keep, limit)
}
