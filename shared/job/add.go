package job

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/observe"
	"portico/shared/pg"
)

// Options are what a job is added with. The zero value is a job that is due now.
type Options struct {
	// Delay is how long the job waits, by the database's clock.
	Delay time.Duration
	// At is when the job is due, instead of Delay. Zero: see Delay.
	At time.Time
	// Key makes the job unique, as its kind says (Kind.Unique). "": it is not.
	Key string
	// By is who adds it, in the form of audit_entry.actor_id. "": Portico itself.
	By string
}

// New is a job for AddAll.
type New[Args any] struct {
	Args Args
	Options
}

// ErrArgsTooLarge is returned for arguments of more than MaxArgs bytes.
var ErrArgsTooLarge = fault.InvalidField("args", fmt.Sprintf("is larger than %d bytes as JSON", MaxArgs))

// Add adds a job in the caller's transaction: it exists exactly if that commits.
// The insert is sent with the commit, so it costs no round trip, and no lock is
// held before. The queue's runners are told in the same round trip, see Announce. With a key, the returned id is used only if no job with the key
// waits. For the platform's own jobs org is zero and tx is portico_worker's.
func Add[Args any](ctx context.Context, tx pg.Tx, org id.Org, kind Kind[Args], args Args, opts Options) (id.Job, error) {
	ids, err := AddAll(ctx, tx, org, kind, []New[Args]{{args, opts}})
	if err != nil {
		return id.Job{}, err
	}
	return ids[0], nil
}

// AddAll adds many jobs with one statement.
func AddAll[Args any](ctx context.Context, tx pg.Tx, org id.Org, kind Kind[Args], list []New[Args]) ([]id.Job, error) {
	if kind.Platform != org.IsZero() {
		return nil, fmt.Errorf("job.Add: the kind %s: only kinds of the platform have no organization", kind.Name)
	}
	rows := make([]row, 0, len(list))
	ids := make([]id.Job, len(list))
	now := time.Now()
	for i, n := range list {
		ids[i] = id.New[id.Job](now)
		r, err := rowOf(ids[i], kind.Unique, n.Args, n.Options)
		if err != nil {
			return nil, fmt.Errorf("job.Add: the kind %s: %w", kind.Name, err)
		}
		rows = append(rows, r)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return ids, insert(ctx, tx, target{org, kind.Queue, kind.Name, kind.Unique}, rows)
}

// AddEach adds the same job for each of several organizations in one round trip. tx is
// portico_worker's.
func AddEach[Args any](ctx context.Context, tx pg.Tx, orgs []id.Org, kind Kind[Args], args Args, opts Options) error {
	var batch pgx.Batch
	for _, org := range orgs {
		r, err := rowOf(id.New[id.Job](time.Now()), kind.Unique, args, opts)
		if err != nil {
			return fmt.Errorf("job.AddEach: the kind %s: %w", kind.Name, err)
		}
		queueOne(&batch, target{org, kind.Queue, kind.Name, kind.Unique}, r, observe.RequestID(ctx))
	}
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("job.AddEach: %w", err)
	}
	return nil
}

// AddEncoded adds a job of a kind that the caller knows only by its name, with
// arguments as JSON. The caller has checked them.
func AddEncoded(ctx context.Context, tx pg.Tx, org id.Org, queue Queue, kind string, args json.RawMessage, opts Options) (id.Job, error) {
	jobID := id.New[id.Job](time.Now())
	r, err := rowOf(jobID, "", args, opts)
	if err != nil {
		return id.Job{}, fmt.Errorf("job.AddEncoded: the kind %s: %w", kind, err)
	}
	return jobID, insert(ctx, tx, target{org, queue, kind, ""}, []row{r})
}

// target is where a job goes.
type target struct {
	org    id.Org
	queue  Queue
	kind   string
	unique Unique
}

// row is a job to be inserted.
type row struct {
	id    id.Job
	args  []byte
	delay time.Duration
	at    *time.Time // nil: delay counts
	key   *string
	by    string
}

func rowOf(jobID id.Job, unique Unique, args any, opts Options) (row, error) {
	encoded, err := json.Marshal(args)
	if err != nil {
		return row{}, err
	}
	r := row{id: jobID, args: encoded, delay: opts.Delay, by: opts.By}
	switch {
	case len(encoded) > MaxArgs:
		return row{}, ErrArgsTooLarge
	case opts.Key != "" && unique == "":
		return row{}, errors.New("a job has a key, but the kind does not say what is unique")
	case opts.Key != "":
		r.key = &opts.Key
	}
	if !opts.At.IsZero() {
		r.at = &opts.At
	}
	return r, nil
}

// insert adds jobs at the end of the transaction.
func insert(ctx context.Context, tx pg.Tx, to target, rows []row) error {
	rows = onePerKey(rows, to.unique)
	var batch pgx.Batch
	if len(rows) == 1 {
		queueOne(&batch, to, rows[0], observe.RequestID(ctx))
	} else {
		common := []any{raw(to.org), to.queue, to.kind, scheduledAfter, observe.RequestID(ctx)}
		batch.Queue(insertSQL+onConflict(to.unique), append(common, columnsOf(rows)...)...)
	}
	order := to.kind
	if rows[0].key != nil {
		order += "\n" + *rows[0].key
	}
	if err := pg.AtCommitInOrder(ctx, tx, order, &batch); err != nil {
		return fmt.Errorf("job.insert: %w", err)
	}
	lane := later
	if slices.ContainsFunc(rows, row.isSoon) {
		lane = laneText(Lane{to.org, to.kind})
	}
	pg.Raise(tx, string(to.queue), lane)
	return nil
}

func queueOne(batch *pgx.Batch, to target, r row, request string) {
	batch.Queue(insertOneSQL+onConflict(to.unique), raw(to.org), to.queue, to.kind, scheduledAfter, request, r.id, r.delay, r.at, string(r.args), r.key, r.by)
}

// columnsOf returns rows with one array per field, for unnest.
func columnsOf(rows []row) []any {
	n := len(rows)
	ids, delays, times := make([]id.Job, n), make([]time.Duration, n), make([]*time.Time, n)
	args, keys, by := make([]string, n), make([]*string, n), make([]string, n)
	for i, r := range rows {
		ids[i], delays[i], times[i], args[i], keys[i], by[i] = r.id, r.delay, r.at, string(r.args), r.key, r.by
	}
	return []any{ids, delays, times, args, keys, by}
}

// isSoon reports whether the job goes to its lane at once.
func (r row) isSoon() bool {
	if r.at != nil {
		return time.Until(*r.at) <= scheduledAfter
	}
	return r.delay <= scheduledAfter
}

// onePerKey sorts rows by key, so that two transactions lock waiting jobs in the
// same order, and keeps one row of each key: for Replace the last, otherwise the
// first. Rows without a key come first.
func onePerKey(rows []row, unique Unique) []row {
	if unique == "" {
		return rows
	}
	if unique == Replace {
		slices.Reverse(rows)
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		if a.key == nil || b.key == nil {
			return cmp.Compare(min(len(keyOf(a)), 1), min(len(keyOf(b)), 1))
		}
		return strings.Compare(*a.key, *b.key)
	})
	return slices.CompactFunc(rows, func(a, b row) bool { return a.key != nil && keyOf(a) == keyOf(b) })
}

func keyOf(r row) string {
	if r.key == nil {
		return ""
	}
	return *r.key
}

// The statements that insert several jobs and one, which are most.
const (
	insertSQL = insertInto + `
	SELECT $1, n.id, $2, $3, CASE WHEN d.at > portico_now() + $4 THEN 'scheduled' ELSE 'pending' END, d.at, n.args::json, n.key, nullif(n.by, ''), $5
	FROM unnest($6::uuid[], $7::interval[], $8::timestamptz[], $9::text[], $10::text[], $11::text[]) WITH ORDINALITY AS n (id, delay, at, args, key, by, position)
	CROSS JOIN LATERAL (SELECT coalesce(n.at, portico_now() + n.delay)) AS d (at)
	ORDER BY n.position`
	insertOneSQL = insertInto + `
	SELECT $1, $6, $2, $3, CASE WHEN d.at > d.now + $4 THEN 'scheduled' ELSE 'pending' END, d.at, $9::json, $10, nullif($11, ''), $5
	FROM (SELECT now, coalesce($8::timestamptz, now + $7::interval) AS at FROM (SELECT portico_now() AS now OFFSET 0) n OFFSET 0) d`
	insertInto = `
	INSERT INTO job (org_id, id, queue, kind, status, due_at, args, unique_key, created_by, request_id)`
)

// onConflict updates the job that waits with the key, which also locks it until the
// commit: so no runner can take it before the change is visible that it is about. A
// job that waits after a failed try keeps its time.
func onConflict(unique Unique) string {
	due := ""
	switch unique {
	case "":
		return ""
	case Waits:
		due = `CASE WHEN job.attempts = 0 THEN least(job.due_at, excluded.due_at) ELSE job.due_at END`
	case Replace:
		due = `CASE WHEN job.attempts = 0 THEN excluded.due_at ELSE job.due_at END`
	}
	set := ` ON CONFLICT (org_id, kind, unique_key) WHERE unique_key IS NOT NULL AND lease IS NULL AND status <> 'dead' DO UPDATE SET
		due_at = ` + due + `, status = CASE WHEN ` + due + ` > portico_now() + $4 THEN 'scheduled' ELSE 'pending' END`
	if unique == Replace {
		set += `, args = excluded.args, created_by = excluded.created_by, request_id = excluded.request_id`
	}
	return set
}
