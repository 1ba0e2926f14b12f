package restore

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit"
	"portico/shared/pg"
)

// finish lets the sequencer go on, and writes the entry of the platform's log about it: in
// the same transaction, if that is in the home database, otherwise before.
func (w *work) finish(ctx context.Context, done *Restored) error {
	if err := errors.Join(w.Lower(ctx, w.database), w.Lower(ctx, pg.Home)); err != nil {
		return err
	}
	done.Last = w.end.Number
	err := w.in(ctx, func(tx pg.Tx) (err error) {
		done.First, err = pg.Value[int64](ctx, tx, "restore.finish", `SELECT coalesce(max(restoring), 0) FROM audit_head WHERE org_id = $1`, w.id())
		if err == nil {
			done.Waiting, err = pg.Value[int64](ctx, tx, "restore.finish", `SELECT count(*) FROM audit_unchained WHERE org_id = $1`, w.id())
		}
		return err
	})
	if err == nil && w.database != pg.Home {
		err = w.home.InOrg(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error { return w.record(ctx, tx, done) })
	}
	if err != nil {
		return err
	}
	w.at("finishing")
	err = w.in(ctx, func(tx pg.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE audit_head SET restoring = NULL, archived = $4, archiving = false WHERE org_id = $1 AND number = $2 AND hash = $3 AND restoring IS NOT NULL`,
			w.id(), w.end.Number, w.end.Hash[:], w.anchor.Number)
		switch {
		case err == nil && tag.RowsAffected() == 0:
			return errElsewhere
		case err != nil || w.database != pg.Home:
			return err
		}
		return w.record(ctx, tx, done)
	})
	w.at("finished")
	return err
}

// errElsewhere is returned if the chain is not what this work has made of it.
var errElsewhere = errors.New("somebody else has changed the chain meanwhile: start the restore again")

// record writes the entry of the platform's log. It is the last statement of its
// transaction, which it binds to the platform.
func (w *work) record(ctx context.Context, tx pg.Tx, done *Restored) error {
	now, err := pg.Value[time.Time](ctx, tx, "restore.record", `SELECT portico_now() FROM bind_organization($1, true)`, [16]byte{})
	if err != nil {
		return err
	}
	target := audit.Of("organization", w.log.Org)
	if w.log.Org.IsZero() {
		target = audit.Named("database", w.database)
	}
	return audit.InsertAsOwner(ctx, tx, audit.Entry{
		Action: "audit_log.restore", Actor: audit.Actor{Type: audit.System, ID: "restore"}, Targets: []audit.Target{target},
		After: audit.Fields{"database": w.database, "first": done.First, "last": done.Last, "waiting": done.Waiting}, CreatedAt: now,
	})
}
