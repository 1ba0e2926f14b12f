package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"portico/shared/webhook/signing"
)

// measureReference runs the bare loop: claim 100 → signed POST → complete as a
// batch, on a separate table in the same Postgres, with no fan-out, no attempt
// log, no API and no fences. A system with these features cannot be faster.
func (b *bench) measureReference(ctx context.Context) error {
	progress("bare reference loop …")
	if err := b.fillReference(ctx); err != nil {
		return err
	}
	var done atomic.Int64
	var workers sync.WaitGroup
	errs := make(chan error, 4)
	start := time.Now()
	for range cap(errs) {
		workers.Go(func() {
			for {
				n, err := b.referenceRound(ctx)
				if err != nil {
					errs <- err
					return
				}
				if n == 0 {
					return
				}
				done.Add(int64(n))
			}
		})
	}
	workers.Wait()
	took := time.Since(start)
	b.inbox.take()
	select {
	case err := <-errs:
		return err
	default:
	}
	b.figures["reference"] = float64(done.Load()) / took.Seconds()
	_, err := b.db.Exec(ctx, `DROP TABLE reference`)
	return err
}

func (b *bench) fillReference(ctx context.Context) error {
	for _, sql := range []string{
		`CREATE TABLE reference (id uuid PRIMARY KEY, status text NOT NULL DEFAULT 'pending', due_at timestamptz NOT NULL DEFAULT now(), body bytea NOT NULL)`,
		`CREATE INDEX ON reference (due_at) WHERE status = 'pending'`,
	} {
		if _, err := b.db.Exec(ctx, sql); err != nil {
			return err
		}
	}
	for first := 0; first < b.reference; first += 1000 {
		var bodies [][]byte
		for i := range 1000 {
			body, _ := json.Marshal(map[string]any{"data": sent{Run: -1, Number: first + i, Pad: pad}})
			bodies = append(bodies, body)
		}
		if _, err := b.db.Exec(ctx, `INSERT INTO reference (id, body) SELECT gen_random_uuid(), unnest($1::bytea[])`, bodies); err != nil {
			return err
		}
	}
	_, err := b.db.Exec(ctx, `ANALYZE reference`)
	return err
}

// referenceRound claims, sends and completes up to 100.
func (b *bench) referenceRound(ctx context.Context) (int, error) {
	rows, err := b.db.Query(ctx, `
		UPDATE reference SET due_at = now() + interval '15 s'
		WHERE id IN (SELECT id FROM reference WHERE status = 'pending' AND due_at <= now() ORDER BY due_at LIMIT 100 FOR UPDATE SKIP LOCKED)
		RETURNING id, body`)
	if err != nil {
		return 0, err
	}
	var ids []uuid.UUID
	var bodies [][]byte
	for rows.Next() {
		var id uuid.UUID
		var body []byte
		if err := rows.Scan(&id, &body); err != nil {
			return 0, err
		}
		ids, bodies = append(ids, id), append(bodies, body)
	}
	if rows.Err() != nil || len(ids) == 0 {
		return 0, rows.Err()
	}
	var posts sync.WaitGroup
	var failed atomic.Pointer[error]
	for i, body := range bodies {
		posts.Go(func() {
			if err := b.post(ctx, ids[i].String(), body); err != nil {
				failed.Store(&err)
			}
		})
	}
	posts.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	_, err = b.db.Exec(ctx, `UPDATE reference SET status = 'delivered' WHERE id = ANY($1)`, ids)
	return len(ids), err
}

func (b *bench) post(ctx context.Context, id string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.inbox.url(0), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header["Webhook-Id"] = []string{id}
	req.Header["Webhook-Signature"] = []string{signing.Sign(body, time.Now(), "whsec_reference")}
	res, err := b.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}
