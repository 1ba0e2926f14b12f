package job

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
)

// progress is what a handler has said about its job.
type progress struct {
	mu          sync.Mutex
	done, total int64
	note        string
}

func (p *progress) set(done, total int64, note string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.total, p.note = done, total, clip(note)
}

func (p *progress) get() (done, total int64, note string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done, p.total, p.note
}

// leases are the jobs that this process is doing. While there are any, one
// statement every 10 s renews their leases, writes their progress and asks which
// are cancelled.
type leases struct {
	mu     sync.Mutex
	held   map[*try]struct{}
	cancel context.CancelFunc // of the renewals; nil: none run
}

// enter adds a job, and starts the renewals if it is the first one.
func (l *leases) enter(ctx context.Context, t *try) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = map[*try]struct{}{}
	}
	l.held[t] = struct{}{}
	if l.cancel != nil {
		return
	}
	renewing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l.cancel = cancel
	go l.renew(renewing, t.r)
}

// leave removes a job, and ends the renewals if it was the last one.
func (l *leases) leave(t *try) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, t)
	if len(l.held) == 0 && l.cancel != nil {
		l.cancel()
		l.cancel = nil
	}
}

func (l *leases) list() []*try {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]*try, 0, len(l.held))
	for t := range l.held {
		list = append(list, t)
	}
	return list
}

func (l *leases) renew(ctx context.Context, r *Runner) {
	tick := time.NewTicker(r.renewEvery())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := l.renewOnce(ctx, r.Worker); err != nil && ctx.Err() == nil {
				r.warn(ctx, "leases of jobs could not be renewed", err)
			}
		}
	}
}

// renewOnce renews the leases. It ends the jobs whose lease another runner has, and
// those that somebody has cancelled.
func (l *leases) renewOnce(ctx context.Context, db *pg.Worker) error {
	list := l.list()
	if len(list) == 0 {
		return nil
	}
	states, err := renewLeases(ctx, db, list)
	if err != nil {
		return err
	}
	for i, t := range list {
		switch s := states[i+1]; {
		case !s.held:
			t.end(errLost)
		case s.cancelled:
			t.end(errCancelled)
		}
	}
	return nil
}

// leaseState is a row of renewLeases.
type leaseState struct {
	position        int
	held, cancelled bool
}

// ScanRow reads what renewLeases selects.
func (s *leaseState) ScanRow(row pgx.Rows) error { return row.Scan(&s.position, &s.held, &s.cancelled) }

// renewLeases renews leases and writes progress. Rows that are locked are left out:
// the job's own transaction has them, or a person changes them. So it never waits.
func renewLeases(ctx context.Context, db *pg.Worker, list []*try) (map[int]leaseState, error) {
	n := len(list)
	orgs, ids, held := make([][16]byte, n), make([]id.Job, n), make([]uuid.UUID, n)
	done, total, notes := make([]int64, n), make([]int64, n), make([]string, n)
	for i, t := range list {
		orgs[i], ids[i], held[i] = raw(t.OrgID), t.ID, t.Lease
		done[i], total[i], notes[i] = t.job.progress.get()
	}
	rows, err := pg.List[leaseState](ctx, db, "job.renewLeases", `
		WITH mine AS MATERIALIZED (
			SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::text[]) WITH ORDINALITY
				AS m (org_id, id, lease, done, total, note, position)
		), free AS MATERIALIZED (
			SELECT m.* FROM mine m JOIN job j ON j.org_id = ANY (ARRAY[m.org_id]) AND j.id = m.id AND j.lease = m.lease FOR UPDATE OF j SKIP LOCKED
		), renewed AS (
			UPDATE job j SET due_at = portico_now() + $7, progress_done = f.done, progress_total = f.total, progress_note = f.note
			FROM free f WHERE j.org_id = ANY (ARRAY[f.org_id]) AND j.id = f.id AND j.lease = f.lease
		)
		SELECT m.position, j.id IS NOT NULL, j.cancel_requested_at IS NOT NULL
		FROM mine m LEFT JOIN job j ON j.org_id = ANY (ARRAY[m.org_id]) AND j.id = m.id AND j.lease = m.lease`,
		orgs, ids, held, done, total, notes, LeaseFor)
	states := make(map[int]leaseState, len(rows))
	for _, s := range rows {
		states[s.position] = s
	}
	return states, err
}
