package audit

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/pg"
)

const (
	// refusedInFull is how many refused attempts of an actor get an entry of their own
	// in a minute, inFull the same in SQL. The others are counted in one entry, which is
	// written when the statements of the minute have ended.
	refusedInFull   = 10
	inFull          = `10`
	refusedDueAfter = `70 seconds`
	// countedExactly is up to how many in a minute each refused attempt is counted
	// by a statement. Beyond it an environment counts in memory and writes every
	// countedAtOnce; what it has not written when the minute or the environment ends is
	// not in the count.
	countedExactly = 1000
	countedAtOnce  = 100
	// keptAtMost bounds the memory of an environment that refuses many actors.
	keptAtMost = 10_000
)

// Refusals records the attempts that one environment refuses.
type Refusals struct {
	DB *pg.DB

	mu    sync.Mutex
	known map[tried]*tally
}

// tried is who was refused where.
type tried struct {
	org   id.Org
	actor string
}

// tally is what an environment knows of a minute of an actor.
type tally struct {
	Minute   time.Time
	Attempts int // in all environments, when they were last counted
	unsaid   int // those that are not written yet
}

// Record counts a refused attempt, and writes its entry while there are fewer than ten
// in this minute: one statement in a transaction of its own. org is zero for what
// belongs to no organization.
func (r *Refusals) Record(ctx context.Context, org id.Org, e Entry) error {
	key := tried{org, e.Actor.ID}
	minute, unsaid, add := r.count(key, e.CreatedAt)
	switch {
	case !add:
		return nil
	case unsaid > 0:
		return r.in(ctx, org, func(tx pg.Tx) error {
			return pg.Exec(ctx, tx, "audit.Refusals", `
				UPDATE audit_refusal SET attempts = attempts + $4 WHERE org_id = $1 AND minute = $2 AND actor_id = $3`,
				[16]byte(org.UUID), minute, e.Actor.ID, unsaid)
		})
	}
	e.Outcome = Failure
	var t tally
	err := r.in(ctx, org, func(tx pg.Tx) (err error) {
		t, err = insertRefused(ctx, tx, org, e)
		if err == nil && t.Attempts <= refusedInFull+1 {
			pg.Raise(tx, Unchained, "") // an entry waits, or the one with the count is due later
		}
		return err
	})
	if err == nil {
		r.learn(key, t)
	}
	return err
}

// count reports whether an attempt must be written, and with how many others that were
// only counted in memory; 0: it is counted by itself.
func (r *Refusals) count(key tried, now time.Time) (minute time.Time, unsaid int, write bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.known[key]
	if t == nil || t.Attempts < countedExactly || now.Before(t.Minute) || now.Sub(t.Minute) >= time.Minute {
		return time.Time{}, 0, true
	}
	if t.unsaid++; t.unsaid < countedAtOnce {
		return time.Time{}, 0, false
	}
	unsaid, t.unsaid = t.unsaid, 0
	return t.Minute, unsaid, true
}

// learn notes what a statement has counted.
func (r *Refusals) learn(key tried, t tally) {
	if t.Attempts < countedExactly {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil || len(r.known) >= keptAtMost {
		r.known = map[tried]*tally{}
	}
	if old := r.known[key]; old == nil || !old.Minute.Equal(t.Minute) {
		r.known[key] = &t
	}
}

// in runs fn where an organization's rows are, or the platform's.
func (r *Refusals) in(ctx context.Context, org id.Org, fn func(pg.Tx) error) error {
	if org.IsZero() {
		return r.DB.PlatformIn(ctx, pg.Home, fn)
	}
	return r.DB.InOrg(ctx, org, fn)
}

// ended is a minute in which more attempts were refused than have entries.
type ended struct {
	Org                           id.Org `db:"org_id"`
	Minute                        time.Time
	Attempts                      int
	ActorType, ActorID, ActorName string
	Now                           time.Time
}

// ReportRefused writes the entries about the minutes that have ended, with the numbers of
// the attempts that have none, of up to most actors of organizations that live here. tx
// is portico_worker's. The counts are deleted in the same transaction, so each is
// reported exactly once.
func ReportRefused(ctx context.Context, tx pg.Tx, orgs []id.Org, most int) error {
	ids := make([][16]byte, len(orgs))
	for i, o := range orgs {
		ids[i] = o.UUID
	}
	list, err := pg.List[ended](ctx, tx, "audit.ReportRefused", `
		DELETE FROM audit_refusal WHERE (org_id, minute, actor_id) IN (
			SELECT r.org_id, r.minute, r.actor_id
			FROM unnest($1::uuid[]) AS o (id) JOIN audit_refusal r ON r.org_id = ANY (ARRAY[o.id]) AND r.due_at <= portico_now()
			WHERE NOT EXISTS (SELECT FROM placement m WHERE m.org_id = o.id AND m.until > portico_now())
			LIMIT $2)
		RETURNING org_id, minute, attempts, actor_type, actor_id, actor_name, portico_now() AS now`, ids, most)
	for _, m := range list {
		err = errors.Join(err, Insert(ctx, tx, m.Org, Entry{
			Action: "refusal.count", Outcome: Failure, CreatedAt: m.Now,
			Actor:   Actor{Type: m.ActorType, ID: m.ActorID, Name: cmp.Or(m.ActorName, m.ActorID)},
			Targets: []Target{{Type: m.ActorType, ID: m.ActorID}},
			After:   Fields{"attempts": m.Attempts - refusedInFull, "minute": clock.Stamp(m.Minute)},
		}))
	}
	return err
}

// ForgetRefused deletes up to most counts of past minutes in which each attempt has an
// entry, and returns how many.
func ForgetRefused(ctx context.Context, db pg.Querier, most int) (int64, error) {
	return pg.Affect(ctx, db, "audit.ForgetRefused", `
		DELETE FROM audit_refusal WHERE (org_id, minute, actor_id) IN (
			SELECT org_id, minute, actor_id FROM audit_refusal r
			WHERE due_at IS NULL AND minute < portico_now() - interval '1 hour'
				AND NOT EXISTS (SELECT FROM placement m WHERE m.org_id = r.org_id AND m.until > portico_now())
			LIMIT $1)`, most)
}
