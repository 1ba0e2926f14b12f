// Package restore puts audit entries back into the database from the archive, after the
// database was set back to an earlier time or has lost entries. It writes as
// portico_owner, for whom alone the tables allow it: docs/audit.md.
package restore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portico/shared/audit/anchor"
	"portico/shared/audit/chain"
	"portico/shared/bucket"
	"portico/shared/pg"
	"portico/shared/placement"
)

// Restorer restores logs, one after the other. It may be killed at any point and be
// started again: then it goes on.
type Restorer struct {
	Owners  pg.Databases[*pg.Owner]
	Bucket  *bucket.Bucket
	Anchors anchor.Table
	Keep    time.Duration // how long the stage keeps entries; older ones are not put back
	// Lower is called before entries may be chained in a database, so that its sweep looks
	// for them. Wake is called when they may.
	Lower func(ctx context.Context, database string) error
	Wake  func(ctx context.Context, database string)
	// Progress reports the steps to the operator.
	Progress func(format string, args ...any)
	// Crash is called between the steps, so that tests can kill it there.
	Crash func(point string)
}

// Restored is what became of a log.
type Restored struct {
	Log      string `json:"log"`
	Database string `json:"database"`
	// The numbers of the entries that were put back, in this call and in those before that
	// had not ended; 0: none was missing.
	First int64 `json:"first"`
	Last  int64 `json:"last"`
	// How many entries waited for new numbers when the last one was put back.
	Waiting int64 `json:"waiting"`
	// The result of verifying the whole log.
	Verified int64  `json:"verified"`
	Erased   int64  `json:"erased"`
	Archive  string `json:"archive"` // matches or differs
	Fault    *Fault `json:"fault"`   // the first one; nil: none
}

// Fault is one that verifying has found.
type Fault struct {
	Kind   string `json:"kind"`
	Number int64  `json:"number"`
	Entry  string `json:"entry_id"`
}

// Log restores one log. from is the number with which the first object begins that the
// bucket still has; 0: it is found, see work.start.
func (r *Restorer) Log(ctx context.Context, log anchor.Log, from int64) (done Restored, err error) {
	home, err := r.exclude(ctx)
	if err != nil {
		return done, err
	}
	defer func() { _ = home.Close(context.WithoutCancel(ctx)) }() // if this fails, it ends with the process
	return r.one(ctx, home, log, from)
}

// Database restores all logs of a database. If one fails, it restores the others.
func (r *Restorer) Database(ctx context.Context, database string) (list []Restored, err error) {
	if _, err := r.Owners.At(database); err != nil {
		return nil, err
	}
	home, err := r.exclude(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = home.Close(context.WithoutCancel(ctx)) }()
	logs, err := r.logs(ctx, database)
	failed := []error{err}
	for _, log := range logs {
		done, err := r.one(ctx, home, log, 0)
		switch {
		case errors.Is(err, errEmpty):
		case err != nil:
			failed = append(failed, fmt.Errorf("%s: %w", log, err))
		default:
			list = append(list, done)
		}
	}
	return list, errors.Join(failed...)
}

// exclude opens a session of the platform in the home database. While it is open no
// organization moves, and nobody else restores.
func (r *Restorer) exclude(ctx context.Context) (*pg.Session, error) {
	owner, err := r.Owners.At(pg.Home)
	if err != nil {
		return nil, err
	}
	home, err := owner.Session(ctx, anchor.Log{}.Org)
	if err != nil {
		return nil, err
	}
	if err := placement.Exclude(ctx, home); err != nil {
		return nil, errors.Join(err, home.Close(ctx))
	}
	return home, nil
}

// errEmpty is returned for a log of which nothing is in the archive.
var errEmpty = errors.New("the archive has no entry of this log")

func (r *Restorer) one(ctx context.Context, home *pg.Session, log anchor.Log, from int64) (done Restored, err error) {
	w := work{Restorer: r, home: home, log: log}
	done.Log = log.String()
	if w.anchor, err = r.Anchors.Read(ctx, log); err != nil {
		return done, err
	}
	if w.anchor.Number == 0 {
		return done, errEmpty
	}
	if err := w.connect(ctx); err != nil {
		return done, err
	}
	defer func() { _ = w.s.Close(context.WithoutCancel(ctx)) }()
	done.Database = w.database
	if err := w.run(ctx, from, &done); err != nil {
		return done, err
	}
	return done, w.verify(ctx, &done)
}

// verify verifies the whole log, and compares it with the end of the archive.
func (w *work) verify(ctx context.Context, done *Restored) error {
	done.Archive = "matches"
	for from := int64(1); ; {
		var v chain.Verification
		err := w.in(ctx, func(tx pg.Tx) (err error) {
			if v, err = chain.Verify(ctx, tx, w.log.Org, from, 1<<62); err == nil && v.Fault == nil && v.To >= v.End {
				if v.Fault, err = chain.Compare(ctx, tx, w.log.Org, v.Head, w.end); v.Fault != nil {
					done.Archive = "differs"
				}
			}
			return err
		})
		if err != nil {
			return err
		}
		done.Verified, done.Erased = done.Verified+v.Verified, done.Erased+v.Erased
		if v.Fault != nil {
			done.Fault = &Fault{Kind: string(v.Fault.Kind), Number: v.Fault.Number}
			if !v.Fault.Entry.IsZero() {
				done.Fault.Entry = v.Fault.Entry.String()
			}
		}
		if v.Fault != nil || v.To >= v.End {
			w.Progress("%s: %d entries are verified, the archive %s", w.log, done.Verified, done.Archive)
			return nil
		}
		from = v.To + 1
	}
}
