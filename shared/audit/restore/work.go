package restore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit/anchor"
	"portico/shared/audit/chain"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/placement"
)

// work is the restoring of one log.
type work struct {
	*Restorer
	home     *pg.Session // of the platform, in the home database
	s        *pg.Session // of the log
	log      anchor.Log
	database string
	anchor   chain.Head
	end      chain.Head // the last entry in the archive: the anchor's, or one after it if an archiver has died
}

func (w *work) id() [16]byte { return w.log.Org.UUID }

func (w *work) in(ctx context.Context, fn func(pg.Tx) error) error {
	return w.s.InOrg(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error { return fn(tx) })
}

func (w *work) at(point string) {
	if w.Crash != nil {
		w.Crash(point)
	}
}

// lives says whether an organization lives in a database, and is leaving it.
type lives struct{ Here, Moves bool }

// connect opens a session where the log is.
func (w *work) connect(ctx context.Context) error {
	if w.log.Org.IsZero() {
		w.database = w.log.Database
		return w.open(ctx, w.database)
	}
	for _, name := range w.Owners.Names() {
		at, err := w.look(ctx, name)
		switch {
		case err != nil:
			return err
		case at.Moves:
			return fmt.Errorf("the organization is being moved from the database %s: wait ten minutes, or move it again", name)
		case at.Here && w.database != "":
			return fmt.Errorf("the organization lives in two databases, %s and %s, because one of them was set back: find out which one is right", w.database, name)
		case at.Here:
			w.database = name
		}
	}
	if w.database == "" {
		return placement.ErrNotFound
	}
	return w.open(ctx, w.database)
}

func (w *work) open(ctx context.Context, database string) error {
	owner, err := w.Owners.At(database)
	if err == nil {
		w.s, err = owner.Session(ctx, w.log.Org)
	}
	return err
}

func (w *work) look(ctx context.Context, database string) (at lives, err error) {
	if err := w.open(ctx, database); err != nil {
		return at, err
	}
	err = w.in(ctx, func(tx pg.Tx) (err error) {
		at, err = pg.Value[lives](ctx, tx, "restore.look", `
			SELECT EXISTS (SELECT FROM organization WHERE id = $1 AND deleted_at IS NULL)
					AND NOT EXISTS (SELECT FROM placement WHERE org_id = $1 AND state IN ('left', 'arriving')) AS here,
				EXISTS (SELECT FROM placement WHERE org_id = $1 AND state IN ('draining', 'leaving') AND until > portico_now()) AS moves`, w.id())
		return err
	})
	return at, errors.Join(err, w.s.Close(ctx))
}

// logs lists the logs of the organizations that live in a database, and the platform's.
func (r *Restorer) logs(ctx context.Context, database string) (list []anchor.Log, err error) {
	s, err := r.Owners[database].Session(ctx, id.Org{})
	if err != nil {
		return nil, err
	}
	list = []anchor.Log{{Database: database}}
	err = s.InOrg(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		orgs, err := pg.List[id.Org](ctx, tx, "restore.logs", `
			SELECT id FROM organization o WHERE deleted_at IS NULL AND id <> $1
				AND NOT EXISTS (SELECT FROM placement p WHERE p.org_id = o.id AND p.state IN ('left', 'arriving')) ORDER BY id`, [16]byte{})
		for _, org := range orgs {
			list = append(list, anchor.Log{Org: org})
		}
		return err
	})
	return list, errors.Join(err, s.Close(ctx))
}

// run puts back what is missing. Nothing is written before all objects are verified.
// Then the sequencer is stopped, the entries behind the last one that agrees wait again
// for a place, those of the archive get theirs, and the sequencer goes on.
func (w *work) run(ctx context.Context, from int64, done *Restored) error {
	p, err := w.plan(ctx, from)
	if err != nil {
		return err
	}
	if p.kept == w.end && p.head.Number >= w.end.Number && !p.head.Restoring {
		w.Progress("%s: the database has all that the archive has, up to the entry %d", w.log, w.end.Number)
		return nil
	}
	w.Progress("%s: the database has the entries of the archive up to %d; those up to %d are put back", w.log, p.kept.Number, w.end.Number)
	w.at("planned")
	if err := w.stop(ctx, p); err != nil {
		return err
	}
	w.at("stopped")
	if err := w.setBack(ctx, p); err != nil {
		return err
	}
	if err := w.putAll(ctx, p); err != nil {
		return err
	}
	if err := w.finish(ctx, done); err != nil {
		return err
	}
	w.Wake(ctx, w.database)
	w.Wake(ctx, pg.Home)
	return nil
}

// stop makes the sequencer leave the chain alone. archived is where a repetition will
// begin.
func (w *work) stop(ctx context.Context, p plan) error {
	return w.in(ctx, func(tx pg.Tx) error {
		return pg.Exec(ctx, tx, "restore.stop", `
			INSERT INTO audit_head AS h (org_id, number, hash, restoring, archived) VALUES ($1, 0, decode(repeat('00', 32), 'hex'), $2, $3)
			ON CONFLICT (org_id) DO UPDATE SET restoring = coalesce(h.restoring, excluded.restoring), archived = excluded.archived`,
			w.id(), p.kept.Number+1, p.object-1)
	})
}
