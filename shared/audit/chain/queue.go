// Package chain gives each audit entry its place in the chain of its organization:
// a number, and a hash over the entry and the hash before (shared/audit/record). One
// sequencer at a time does this for an organization, after the commit of the entry, so
// no mutation waits for another one.
package chain

import (
	"context"
	"encoding/binary"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit"
	"portico/shared/claim"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/observe"
	"portico/shared/pg"
)

// Announce makes every transaction of db that writes an audit entry wake the
// sequencer of its database, see claim.Announce.
func Announce(db *pg.DB, wakers pg.Databases[*claim.Waker], clock *clock.Clock, log *observe.Log) {
	claim.Announce(db, audit.Unchained, wakers, clock, log, func([]string) (payload string, isDue bool) { return "", true })
}

// Sequencer chains the entries of all organizations of a database. It is a queue of
// claim with one lane, the database: a pass takes the entries of many organizations,
// because a transaction for each would cost much more. The work is not leased. Instead
// a pass locks the heads of the chains, so any number of sequencers may run.
type Sequencer struct {
	claim.Dispatcher
	// Gather is the pause after a pass, so that the next one has more to chain: a
	// small pass costs as much as a large one.
	Gather time.Duration
	// Archive adds the jobs that archive the entries of these organizations, in the
	// transaction that chains them. nil: nothing is archived.
	Archive func(ctx context.Context, tx pg.Tx, orgs []id.Org) error
	// WakeStreams is called in the transaction of a pass with the organizations that have
	// streams and whose logs have grown, see stream.Wake. nil: nobody sends the logs.
	WakeStreams func(ctx context.Context, tx pg.Tx, orgs []id.Org) error
	// Signals has the signals that such a transaction raises. nil: none.
	Signals *pg.DB
	// Crash is called between the statements of a pass, so that tests can kill it there.
	Crash func(point string)

	mu    sync.Mutex
	last  id.Org               // the last organization that was claimed: the next one gets its turn
	apart map[id.Org]time.Time // not to be claimed before that: another pass works on it, or it failed
}

// Run chains entries until none waits.
func (s *Sequencer) Run(ctx context.Context) error { return claim.Run(ctx, &s.Dispatcher, s) }

// Lane is the only lane: all entries of the database.
type Lane struct{}

// Org is the platform: the work is of many organizations.
func (Lane) Org() id.Org { return id.Org{} }

// Pass is the work: the organizations with entries that wait.
type Pass struct {
	orgs    []id.Org
	refused []id.Org // those of them of which an entry about refused attempts is due
	due     time.Time
}

// Leased is what the engine asks of work.
func (p Pass) Leased() claim.Leased[Lane] { return claim.Leased[Lane]{Due: p.due} }

// Passed is what became of a pass.
type Passed struct {
	orgs  int
	again time.Duration // when the next one has to look; 0: it need not
}

// Ended is what the engine asks of a result. Took is 0, so nobody is called to help:
// sequencers do not become faster by being more.
func (p Passed) Ended() claim.Ended[Lane] {
	return claim.Ended[Lane]{Again: p.again > 0, Wait: p.again}
}

// Name names the work in a log line.
func (p Passed) Name() slog.Attr { return slog.Int("organizations", p.orgs) }

const (
	// lockedFor is when to look again at an organization that another pass works on. The
	// entries that this one leaves may have been committed after the other has looked.
	lockedFor = 100 * time.Millisecond
	// failedFor is how long an organization waits whose entries cannot be chained.
	failedFor = 5 * time.Second
)

// waiting is an organization with entries that wait, or of which an entry about refused
// attempts is to be written.
type waiting struct {
	Org     id.Org
	Entry   id.AuditEntry // the oldest by its id
	Refused bool
	Until   *time.Time // when its announced move ends at the latest, or the entry is due; nil: now
	Now     time.Time
}

// since returns when the entry was made or, if that is later, may be chained.
func (w waiting) since() time.Time {
	var millis [8]byte
	copy(millis[2:], w.Entry.UUID[:6]) // an id starts with its time
	made := time.UnixMilli(int64(binary.BigEndian.Uint64(millis[:])))
	if made.After(w.Now) { // the clocks of environments differ
		made = w.Now
	}
	if w.Until != nil && w.Until.After(made) {
		return *w.Until
	}
	return made
}

// list returns the organizations with entries that wait, except closed ones and those
// that have left. It steps through the index from one organization to the next.
func (s *Sequencer) list(ctx context.Context) ([]waiting, error) {
	return pg.List[waiting](ctx, s.DB, "chain.list", `
		WITH RECURSIVE first AS (
			(SELECT org_id, entry_id FROM audit_unchained ORDER BY org_id, entry_id LIMIT 1)
			UNION ALL
			SELECT n.org_id, n.entry_id FROM first f CROSS JOIN LATERAL (
				SELECT u.org_id, u.entry_id FROM audit_unchained u WHERE u.org_id > f.org_id ORDER BY u.org_id, u.entry_id LIMIT 1
			) n
		), waits AS (
			SELECT org_id, entry_id, false AS refused, NULL::timestamptz AS due FROM first
			UNION ALL
			SELECT org_id, uuid_floor(min(due_at)), true, min(due_at) FROM audit_refusal WHERE due_at IS NOT NULL GROUP BY org_id
		)
		SELECT w.org_id AS org, w.entry_id AS entry, w.refused, greatest(m.until, CASE WHEN w.due > portico_now() THEN w.due END) AS until, portico_now() AS now
		FROM waits w LEFT JOIN placement m ON m.org_id = w.org_id AND m.until > portico_now()
		WHERE (m.until IS NULL OR m.until < 'infinity')
			AND NOT EXISTS (SELECT FROM organization c WHERE c.id = w.org_id AND c.deleted_at IS NOT NULL)
		ORDER BY w.org_id`)
}

// Look reports whether an entry has waited for at least since, and how long it takes
// until the first move has ended.
func (s *Sequencer) Look(ctx context.Context, since time.Duration) (lanes []Lane, soonest time.Duration, err error) {
	list, err := s.list(ctx)
	for _, w := range list {
		waits := w.Now.Sub(w.since())
		switch {
		case waits >= since && lanes == nil:
			lanes = []Lane{{}}
		case waits < 0 && (soonest == 0 || -waits < soonest):
			soonest = -waits
		}
	}
	return lanes, soonest, err
}

// Next says since when the oldest entry waits.
func (s *Sequencer) Next(ctx context.Context) (next claim.Next, err error) {
	list, err := s.list(ctx)
	for _, w := range list {
		if at := w.since(); next.At.IsZero() || at.Before(next.At) {
			next = claim.Next{At: at, Due: !at.After(w.Now), Age: w.Now.Sub(at)}
		}
	}
	return next, err
}

// Claim returns one pass, or none if nothing waits. The organizations take turns.
func (s *Sequencer) Claim(ctx context.Context, _ []claim.Turn[Lane]) ([]Pass, error) {
	list, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for org, until := range s.apart {
		if time.Now().After(until) {
			delete(s.apart, org)
		}
	}
	list = slices.DeleteFunc(list, func(w waiting) bool { return w.Until != nil || !s.apart[w.Org].IsZero() })
	if len(list) == 0 {
		return nil, nil
	}
	first, found := slices.BinarySearchFunc(list, s.last, func(w waiting, last id.Org) int { return slices.Compare(w.Org.UUID[:], last.UUID[:]) })
	if found {
		first++
	}
	list = slices.Concat(list[first:], list[:first])
	list = list[:min(len(list), orgsAtOnce)]
	var p Pass
	for _, w := range list {
		if len(p.orgs) == 0 || p.orgs[len(p.orgs)-1] != w.Org { // an organization may be in the list twice
			p.orgs = append(p.orgs, w.Org)
		}
		if w.Refused {
			p.refused = append(p.refused, w.Org)
		}
		if at := w.since(); p.due.IsZero() || at.Before(p.due) {
			p.due = at
		}
	}
	s.last = p.orgs[len(p.orgs)-1]
	return []Pass{p}, nil
}

// Do chains entries, and then pauses.
func (s *Sequencer) Do(ctx context.Context, p Pass) Passed {
	failed := s.report(ctx, p.refused)
	result := Passed{len(p.orgs), max(failed, s.chain(ctx, p.orgs))}
	_ = clock.Sleep(ctx, s.Gather) // it ends early only when the function ends
	return result
}

// chain returns when it has to look again; 0: it need not. If the organizations fail
// together, and not because Postgres is away, it tries each by itself, so that one does
// not hold up the others.
func (s *Sequencer) chain(ctx context.Context, orgs []id.Org) (again time.Duration) {
	taken, err := s.pass(ctx, orgs)
	switch {
	case err == nil:
		for _, org := range orgs {
			if !taken[org] {
				again = s.putApart(org, lockedFor)
			}
		}
	case len(orgs) > 1 && !pg.IsTransient(err):
		for _, org := range orgs {
			again = max(again, s.chain(ctx, []id.Org{org}))
		}
	default:
		s.Log.Line(ctx, slog.LevelError, "audit entries could not be chained; they wait", nil,
			slog.Int("organizations", len(orgs)), slog.String("org", orgs[0].String()), slog.String("cause", err.Error()))
		for _, org := range orgs {
			again = s.putApart(org, failedFor)
		}
	}
	return again
}

// reportsAtOnce bounds a transaction of report.
const reportsAtOnce = 100

// report writes the entries about refused attempts, which this pass chains. It returns
// when it has to look again; 0: it need not.
func (s *Sequencer) report(ctx context.Context, orgs []id.Org) (again time.Duration) {
	if len(orgs) == 0 {
		return 0
	}
	err := pgx.BeginFunc(ctx, s.DB, func(tx pgx.Tx) error {
		defer s.at("reported")
		return audit.ReportRefused(ctx, tx, orgs, reportsAtOnce)
	})
	if err == nil {
		return 0
	}
	s.Log.Line(ctx, slog.LevelError, "refused attempts could not be reported; they wait", nil, slog.Int("organizations", len(orgs)), slog.String("cause", err.Error()))
	for _, org := range orgs {
		again = s.putApart(org, failedFor)
	}
	return again
}

func (s *Sequencer) putApart(org id.Org, wait time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.apart == nil {
		s.apart = map[id.Org]time.Time{}
	}
	s.apart[org] = time.Now().Add(wait)
	return wait
}

// Record has nothing to record: a pass writes everything itself.
func (s *Sequencer) Record(context.Context, []Passed, claim.Limits) ([]Lane, error) { return nil, nil }

// Heard is told that there are entries, not which.
func (s *Sequencer) Heard(string) ([]Lane, bool) { return []Lane{{}}, true }

// Swept returns the queue as a sweep needs it.
func (s *Sequencer) Swept(waker *claim.Waker) claim.Swept {
	return claim.Swept{Waker: waker, Next: s.Next, OldestDueAge: "OldestUnchainedAge"}
}

func (s *Sequencer) at(point string) {
	if s.Crash != nil {
		s.Crash(point)
	}
}
