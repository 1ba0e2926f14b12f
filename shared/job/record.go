package job

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/pg"
)

// outcome is what became of a try.
type outcome string

const (
	succeeded outcome = "succeeded"
	cancelled outcome = "cancelled"
	again     outcome = "again" // it is tried again
	dead      outcome = "dead"  // it has failed for good
	lost      outcome = "lost"  // another runner has it
	apart     outcome = "apart" // it was handed over, and keeps its lease
)

// Result is what became of a claim.
type Result struct {
	Claim
	outcome  outcome
	recorded bool // it finished in the transaction of its work
	// tried: it counts as a failed try.
	tried     bool
	throttled bool          // the other side has asked to wait
	wait      time.Duration // until it is tried again
	code      string
	text      string
	// fingerprint groups jobs that failed in the same way.
	fingerprint string
	took        time.Duration
}

// Ended is what the engine asks of a result.
func (r Result) Ended() claim.Ended[Lane] {
	return claim.Ended[Lane]{
		Lane: r.Lane, Took: r.took, Again: r.outcome == again, Wait: r.wait,
		Consequences: !r.settled() && (r.UniqueKey != nil || r.outcome == dead),
	}
}

// settled reports whether there is nothing to record.
func (r Result) settled() bool { return r.recorded || r.outcome == lost || r.outcome == apart }

// Name names the job in a log line.
func (r Result) Name() slog.Attr { return slog.String("job", r.ID.String()) }

// doneSQL does the same as recordSQL for jobs that have succeeded: most results are
// such.
const doneSQL = `
	WITH result AS MATERIALIZED (
		SELECT r.* FROM (SELECT set_config('lock_timeout', $5, true)) AS patient
		CROSS JOIN unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) AS r (org_id, id, lease, log_id)
	), gone AS (
		DELETE FROM job j USING result r
		WHERE j.org_id = ANY (ARRAY[r.org_id]) AND j.id = r.id AND j.lease = r.lease
		RETURNING j.*, r.log_id
	)
	INSERT INTO job_log (org_id, log_id, id, created_at, progress_done, progress_total, attempts, crashes, outcome, queue, kind, unique_key,
		progress_note, created_by, request_id, error_code, last_error, args, tries)
	SELECT org_id, log_id, id, created_at, progress_done, progress_total, attempts, crashes, 'succeeded', queue, kind, unique_key,
		progress_note, created_by, request_id, error_code, last_error, args, nullif(tries, '[]') FROM gone`

// recordDone records jobs that have succeeded.
func recordDone(ctx context.Context, db pg.Querier, results []Result, now time.Time, lock time.Duration) error {
	if len(results) == 0 {
		return nil
	}
	c := columns(results, now)
	return pg.Exec(ctx, db, "job.recordDone", doneSQL, c.orgs, c.ids, c.leases, c.logs, pg.LockTimeout(lock))
}

// recordSQL writes results under their leases: gone are the jobs that have
// finished, merged those that would wait with the key of a job that waits already,
// kept those that are tried again or dead. A job that is cancelled while it fails
// is not tried again. Only the holder of a lease writes more than one row, so two
// runners never wait for each other's rows. It returns the positions of the results
// that it wrote.
const recordSQL = `
	WITH result AS MATERIALIZED (
		SELECT r.*, n.now FROM (SELECT portico_now() AS now, set_config('lock_timeout', $13, true)) AS n
		CROSS JOIN unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::interval[], $7::boolean[], $8::text[], $9::text[], $10::text[],
			$11::bigint[]) WITH ORDINALITY AS r (org_id, id, lease, log_id, outcome, wait, tried, code, error, fingerprint, took, position)
	), found AS MATERIALIZED (
		SELECT r.*, CASE
			WHEN r.outcome = 'again' AND j.cancel_requested_at IS NOT NULL THEN 'cancelled'
			WHEN r.outcome = 'again' AND j.unique_key IS NOT NULL AND EXISTS (SELECT FROM job w
				WHERE w.org_id = j.org_id AND w.kind = j.kind AND w.unique_key = j.unique_key AND w.lease IS NULL AND w.status <> 'dead') THEN 'merged'
			ELSE r.outcome END AS ends
		FROM result r JOIN job j ON j.org_id = ANY (ARRAY[r.org_id]) AND j.id = r.id AND j.lease = r.lease
	), gone AS (
		DELETE FROM job j USING found f
		WHERE j.org_id = ANY (ARRAY[f.org_id]) AND j.id = f.id AND j.lease = f.lease AND f.ends IN ('succeeded', 'cancelled', 'merged')
		RETURNING j.*, f.log_id, f.ends, f.position, f.code, f.error, f.tried, f.took, f.now
	), logged AS (
		INSERT INTO job_log (org_id, log_id, id, created_at, progress_done, progress_total, attempts, crashes, outcome, queue, kind, unique_key,
			progress_note, created_by, request_id, error_code, last_error, reason, args, tries)
		SELECT org_id, log_id, id, created_at, progress_done, progress_total, attempts + tried::integer, crashes, ends, queue, kind, unique_key,
			progress_note, created_by, request_id, coalesce(nullif(code, ''), error_code), coalesce(nullif(error, ''), last_error),
			CASE WHEN ends = 'cancelled' THEN cancel_reason END, args, nullif(` + triesSQL + `, '[]') FROM gone
	), kept AS (
		UPDATE job j SET lease = NULL, started_at = NULL, attempts = j.attempts + f.tried::integer,
			status = CASE WHEN f.ends = 'dead' THEN 'dead' WHEN f.wait > $12 THEN 'scheduled' ELSE 'pending' END, due_at = f.now + f.wait,
			error_code = coalesce(nullif(f.code, ''), j.error_code), last_error = coalesce(nullif(f.error, ''), j.last_error),
			fingerprint = coalesce(nullif(f.fingerprint, ''), j.fingerprint),
			tries = ` + triesSQL + `
		FROM found f
		WHERE j.org_id = ANY (ARRAY[f.org_id]) AND j.id = f.id AND j.lease = f.lease AND f.ends IN ('again', 'dead')
		RETURNING f.position
	)
	SELECT position FROM gone UNION ALL SELECT position FROM kept`

// triesSQL are the last 20 failed tries of a job, with the one that is recorded.
const triesSQL = `CASE WHEN code = '' THEN tries ELSE jsonb_path_query_array(tries, '$[last - 18 to last]') ||
	jsonb_build_object('at', now, 'took_ms', took, 'code', code, 'error', error) END`

// record writes results in one statement and returns those that it wrote. The
// others have lost their lease.
func record(ctx context.Context, db pg.Querier, results []Result, now time.Time, lock time.Duration) ([]Result, error) {
	if len(results) == 0 {
		return nil, nil
	}
	c := columns(results, now)
	positions, err := pg.List[int](ctx, db, "job.record", recordSQL,
		c.orgs, c.ids, c.leases, c.logs, c.outcomes, c.waits, c.tried, c.codes, c.errors, c.fingerprints, c.took, scheduledAfter,
		pg.LockTimeout(lock))
	if err != nil {
		return nil, err
	}
	written := make([]Result, 0, len(positions))
	for _, at := range positions {
		written = append(written, results[at-1])
	}
	return written, nil
}

// recordKeyed does the same with jobs that have a key, each in a statement of its
// own: a job with the key may be added at the same moment. The second try sees it.
func recordKeyed(ctx context.Context, db pg.Querier, results []Result, now time.Time, lock time.Duration) (written []Result, err error) {
	for _, r := range results {
		var one []Result
		for range 3 {
			if one, err = record(ctx, db, []Result{r}, now, lock); !pg.IsUniqueViolation(err) {
				break
			}
		}
		if err != nil {
			return written, err
		}
		written = append(written, one...)
	}
	return written, nil
}

// resultColumns are results with one array per field, for unnest.
type resultColumns struct {
	orgs, leases, logs          [][16]byte
	ids                         []id.Job
	outcomes                    []string
	waits                       []time.Duration
	tried                       []bool
	codes, errors, fingerprints []string
	took                        []int64
}

func columns(results []Result, now time.Time) resultColumns {
	var c resultColumns
	for _, r := range results {
		c.orgs, c.ids, c.leases = append(c.orgs, raw(r.OrgID)), append(c.ids, r.ID), append(c.leases, r.Lease)
		c.logs, c.outcomes, c.waits = append(c.logs, [16]byte(newLogID(now))), append(c.outcomes, string(r.outcome)), append(c.waits, r.wait)
		c.tried, c.codes, c.errors = append(c.tried, r.tried), append(c.codes, r.code), append(c.errors, r.text)
		c.fingerprints, c.took = append(c.fingerprints, r.fingerprint), append(c.took, r.took.Milliseconds())
	}
	return c
}

// finish moves the job to job_log in the transaction of its work. If its lease has
// ended, the commit fails with leaseEnded.
func (t *try) finish(ctx context.Context, tx pg.Tx) error {
	t.finishing = true
	done, total, note := t.job.progress.get()
	var batch pgx.Batch
	batch.Queue(`SELECT finish_job($1, $2, $3, $4, $5, $6, $7)`,
		raw(t.OrgID), t.ID, [16]byte(t.Lease), [16]byte(newLogID(t.r.Clock.Now())), done, total, note)
	return pg.AtCommit(ctx, tx, &batch)
}

// save writes the cursor in the transaction of a step, under the same condition.
func (t *try) save(ctx context.Context, tx pg.Tx, cursor any) error {
	encoded, err := json.Marshal(cursor)
	if err != nil {
		return err
	}
	done, total, note := t.job.progress.get()
	var batch pgx.Batch
	batch.Queue(`SELECT save_job_step($1, $2, $3, $4::json, $5, $6, $7)`, raw(t.OrgID), t.ID, [16]byte(t.Lease), string(encoded), done, total, note)
	return pg.AtCommit(ctx, tx, &batch)
}
