package redrive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
)

// Everywhere is the kind that redrives dead jobs of all organizations and of the
// platform, in every database. EverywhereKind has its work.
var Everywhere = job.Kind[Args]{Name: "job.redrive_everywhere", Queue: job.Bulk, Platform: true}

// Kinds are the kinds of redrives. No redrive redrives them.
var Kinds = []string{ownName, Everywhere.Name}

// EverywhereKind is Everywhere with its work. Its steps come in pairs: one chooses jobs,
// the next redrives each in a transaction of its organization. If that one is repeated,
// it leaves what is no longer dead, or died again.
func EverywhereKind(db *pg.DB) job.Declared {
	k := Everywhere
	k.Work = job.Steps(func(ctx context.Context, tx pg.Tx, j job.Job, args Args, at wideCursor) (wideCursor, bool, error) {
		now, err := pg.Value[time.Time](ctx, tx, "redrive.Everywhere", `SELECT portico_now()`)
		if err != nil {
			return at, false, err
		}
		if wait := at.Next.Sub(now); wait > 0 {
			return at, true, job.Snooze(wait)
		}
		w := wide{db, args}
		if len(at.Chosen) == 0 {
			return w.choose(ctx, j, at)
		}
		at, err = w.redrive(ctx, now, at)
		j.Progress(at.Done, max(at.Total, at.Done+at.LeftOut), at.note())
		return at, true, err
	})
	return k
}

// wideCursor is how far a redrive of all organizations has come.
type wideCursor struct {
	Database string    `json:"database,omitempty"` // that it reads; "": it has not begun
	After    chosen    `json:"after,omitzero"`     // the last dead job that was read there
	Chosen   []chosen  `json:"chosen,omitempty"`   // those that the next step redrives
	Next     time.Time `json:"next,omitzero"`      // when the rate allows the next step
	Done     int64     `json:"done"`
	LeftOut  int64     `json:"left_out"`
	Total    int64     `json:"total"`
}

func (at wideCursor) note() string {
	if at.LeftOut == 0 {
		return ""
	}
	return fmt.Sprintf("%d left out: the organization is moving or closed, or another transaction has locked the job", at.LeftOut)
}

// chosen is a dead job.
type chosen struct {
	Org id.Org `json:"org"`
	ID  id.Job `json:"id"`
}

// wide is a redrive of all organizations.
type wide struct {
	db   *pg.DB
	args Args
}

// choose chooses the jobs that the rate allows for a second.
func (w wide) choose(ctx context.Context, j job.Job, at wideCursor) (next wideCursor, more bool, err error) {
	if at.Database == "" {
		if at.Total, err = w.count(ctx); err != nil {
			return at, false, err
		}
		at.Database, at.After = pg.Home, w.beginning()
		j.Progress(0, at.Total, "")
	}
	q, err := w.db.All().At(at.Database)
	if err != nil {
		return at, false, err
	}
	found, err := pg.List[foundDead](ctx, q, "redrive.choose", `SELECT org_id, id, matches FROM `+findSQL, w.values(at.After, readAtOnce)...)
	if err != nil {
		return at, false, err
	}
	for _, f := range found {
		if len(at.Chosen) == w.args.PerSecond {
			return at, true, nil
		}
		if at.After = (chosen{f.OrgID, f.ID}); f.Matches {
			at.Chosen = append(at.Chosen, at.After)
		}
	}
	if len(at.Chosen) > 0 || len(found) == readAtOnce {
		return at, true, nil
	}
	names := w.db.All().Names()
	i := slices.Index(names, at.Database) + 1
	if i == len(names) {
		return at, false, nil
	}
	at.Database, at.After = names[i], w.beginning()
	return at, true, nil
}

// redrive redrives the chosen jobs. One that cannot be redriven now is left out, so that
// no organization keeps the others waiting. After a wait for a lock the step ends, and
// the next one has the rest.
func (w wide) redrive(ctx context.Context, now time.Time, at wideCursor) (wideCursor, error) {
	done, waited := 0, false
	for !waited && len(at.Chosen) > 0 {
		err := w.again(ctx, at.Database, at.Chosen[0])
		waited = pg.IsLockTimeout(err)
		switch {
		case waited, pg.IsMoving(err), errors.Is(err, errClosed):
			at.LeftOut++
		case err != nil:
			return at, err
		default:
			done++
		}
		at.Chosen = at.Chosen[1:]
	}
	at.Done += int64(done)
	at.Next = now.Add(time.Duration(done) * time.Second / time.Duration(w.args.PerSecond))
	return at, nil
}

// errClosed: the organization will be erased, so its jobs never run again.
var errClosed = errors.New("redrive: the organization is closed")

// again redrives a job that is still dead.
func (w wide) again(ctx context.Context, database string, c chosen) error {
	redrive := func(tx pg.Tx) error {
		closed, err := pg.Value[bool](ctx, tx, "redrive.again", `
			SELECT EXISTS (SELECT FROM organization WHERE id = $1 AND deleted_at IS NOT NULL) FROM set_config('lock_timeout', $2, true)`,
			[16]byte(c.Org.UUID), pg.LockTimeout(lockAtMost))
		if err != nil {
			return err
		}
		if closed {
			return errClosed
		}
		was, err := job.Get(ctx, tx, c.Org, c.ID)
		if err != nil || was.Status != job.Dead || was.DueAt.After(time.Time(w.args.Began)) {
			return err
		}
		return again(ctx, tx, c.Org, c.ID)
	}
	var err error
	if c.Org.IsZero() {
		err = w.db.PlatformIn(ctx, database, redrive)
	} else {
		err = w.db.InOrgNow(ctx, c.Org, redrive)
	}
	if errors.Is(err, job.ErrNotDead) || errors.Is(err, job.ErrFinished) || errors.Is(err, job.ErrNotFound) { // somebody else did
		return nil
	}
	return err
}

// foundDead is a row of find_dead_jobs.
type foundDead struct {
	OrgID   id.Org
	ID      id.Job
	Matches bool
}

const findSQL = `find_dead_jobs($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`

// beginning is the place before the first job.
func (w wide) beginning() (before chosen) {
	if w.args.Filter.Org != nil {
		before.Org = *w.args.Filter.Org
	}
	return before
}

func (w wide) values(after chosen, readAtMost int) []any {
	f, to := w.args.Filter, [16]byte(bytes.Repeat([]byte{0xff}, 16))
	if f.Org != nil {
		to = [16]byte(f.Org.UUID)
	}
	kinds := f.Kinds
	if kinds == nil {
		kinds = []string{}
	}
	return []any{[16]byte(after.Org.UUID), [16]byte(after.ID.UUID), to, Kinds, kinds, f.Fingerprint, time.Time(w.args.Began), f.Since, f.Until, readAtMost}
}

// count returns how many jobs match, in all databases.
func (w wide) count(ctx context.Context) (total int64, err error) {
	err = w.db.All().Each(func(_ string, q pg.Querier) error {
		n, err := pg.Value[int64](ctx, q, "redrive.count", `SELECT count(*) FROM `+findSQL+` WHERE matches`, w.values(w.beginning(), countAtMost)...)
		total += n
		return err
	})
	return total, err
}
