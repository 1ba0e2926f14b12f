// Package placement moves organizations between databases while they are used.
// The large tables are copied first, while the organization is in use. Then no
// new deliveries start, writers are stopped, and the rest is copied; requests
// wait for that time. The organization lives in the old database until all rows
// are copied, and stays there if the move fails.
package placement

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/pg"
)

// Mover moves organizations.
type Mover struct {
	Owners pg.Databases[*pg.Owner]
	// Lower is called before deliveries, jobs or audit entries become due in a
	// database, so that its sweep looks for them. Wake is called when they are
	// due.
	Lower func(ctx context.Context, database string) error
	Wake  func(ctx context.Context, database string)
	// Progress reports the steps to the operator.
	Progress func(format string, args ...any)
}

// Moved is the result of a move.
type Moved struct {
	From string
	To   string
	// Rows is how many rows were copied, Late how many of them while writers were
	// stopped.
	Rows, Late int
	// Stopped is how long writers waited, Silent how long no delivery was sent.
	Stopped, Silent time.Duration
}

const (
	drainFor = 5 * time.Minute // longer than any lease
	leaveFor = 5 * time.Minute
	// inTime is how long before the end of leaveFor the move must be decided: at
	// the end of leaveFor writers may write to the old database again.
	inTime = time.Minute
)

// move is the state of one move.
type move struct {
	Mover
	org      id.Org
	sessions pg.Databases[*pg.Session]
	from, to *pg.Session
	tables   []table
	done     Moved
}

// Move moves the organization to a database. First it finishes or undoes what an
// interrupted call has left. So a call that died can be repeated, and a call with
// the database in which the organization lives already does only this clean-up.
func (m Mover) Move(ctx context.Context, org id.Org, to string) (Moved, error) {
	v := &move{Mover: m, org: org}
	if _, err := m.Owners.At(to); err != nil {
		return v.done, err
	}
	defer v.disconnect(ctx)
	if err := v.connect(ctx); err != nil {
		return v.done, err
	}
	home, err := v.settle(ctx)
	if err != nil || home == to {
		v.done.From, v.done.To = home, home
		return v.done, err
	}
	v.done.From, v.done.To, v.from, v.to = home, to, v.sessions[home], v.sessions[to]
	if err := v.transfer(ctx); err != nil {
		return v.done, errors.Join(err, v.undo(context.WithoutCancel(ctx)))
	}
	_, err = v.settle(ctx)
	return v.done, err
}

// oneMover is the advisory lock in the home database that a move takes.
const oneMover = 7046029254386353132

// Exclude lets no organization move until this session in the home database ends.
func Exclude(ctx context.Context, home *pg.Session) error {
	_, err := home.Exec(ctx, fmt.Sprintf(`SET lock_timeout = '5s'; SELECT pg_advisory_lock(%d); RESET lock_timeout`, oneMover))
	if pg.IsLockTimeout(err) {
		return errors.New("an organization is being moved, or a log restored: wait until that has ended")
	}
	return err
}

// connect opens a session in every database. Only one move runs at a time.
func (v *move) connect(ctx context.Context) (err error) {
	v.sessions, err = pg.Make(v.Owners, func(_ string, owner *pg.Owner) (*pg.Session, error) { return owner.Session(ctx, v.org) })
	if err != nil {
		return err
	}
	return Exclude(ctx, v.sessions[pg.Home])
}

func (v *move) disconnect(ctx context.Context) {
	_ = v.sessions.Each(func(_ string, s *pg.Session) error { return s.Close(context.WithoutCancel(ctx)) }) // if this fails, it ends with the process
}

// transfer copies the organization's rows and decides the move.
func (v *move) transfer(ctx context.Context) error {
	if err := v.prepare(ctx); err != nil {
		return err
	}
	horizon, err := v.horizon(ctx)
	if err != nil {
		return err
	}
	v.Progress("copying tables while they are in use")
	for _, t := range v.tables {
		if t.ahead {
			if err := v.copyTable(ctx, t); err != nil {
				return err
			}
		}
	}
	v.Progress("%d rows are copied; waiting for deliveries in flight", v.done.Rows)
	silent := time.Now()
	if err := v.announce(ctx, "draining", drainFor); err != nil {
		return err
	}
	if err := v.awaitLeases(ctx); err != nil {
		return err
	}
	v.Progress("stopping writers")
	stopped, early := time.Now(), v.done.Rows
	if err := v.announce(ctx, "leaving", leaveFor); err != nil {
		return err
	}
	if err := v.copyRest(ctx, horizon); err != nil {
		return err
	}
	if err := v.decide(ctx); err != nil {
		return err
	}
	v.Progress("the move is decided; letting writers in")
	err = v.open(ctx)
	v.done.Stopped, v.done.Silent, v.done.Late = time.Since(stopped), time.Since(silent), v.done.Rows-early
	v.Progress("the organization lives in %s; writers waited %s", v.done.To, v.done.Stopped.Round(time.Millisecond))
	return err
}

// prepare makes the new database ready. The organization does not live there yet.
func (v *move) prepare(ctx context.Context) error {
	if err := v.sameSchema(ctx); err != nil {
		return err
	}
	err := v.to.InOrg(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO placement (org_id, state, database) VALUES ($1, 'arriving', $2)
			ON CONFLICT (org_id) DO UPDATE SET state = excluded.state, database = excluded.database, until = 'infinity'`, v.org, v.done.From)
		return err
	})
	if err != nil {
		return err
	}
	var since time.Time
	if v.tables, err = v.listTables(ctx); err == nil {
		err = v.from.InOrg(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
			return tx.QueryRow(ctx, `SELECT created_at FROM organization WHERE id = $1`, v.org).Scan(&since)
		})
	}
	if err == nil {
		_, err = v.to.Exec(ctx, `SELECT make_partitions($1)`, since)
	}
	return err
}

// announce writes the state of the move into the old database, and waits until
// every transaction has ended that began before and may not have seen it.
func (v *move) announce(ctx context.Context, state string, lasts time.Duration) error {
	err := v.from.InOrg(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO placement (org_id, state, database, until) VALUES ($1, $2, $3, portico_now() + $4)
			ON CONFLICT (org_id) DO UPDATE SET state = excluded.state, until = excluded.until`, v.org, state, v.done.To, lasts)
		return err
	})
	if err != nil {
		return err
	}
	return v.awaitTransactions(ctx)
}

// decide commits the move: from then on the organization lives in the new
// database. It fails if too little time is left, because writers might write to
// the old database again. The due times are lowered before: if this process dies,
// the sweep of the new database finishes the move, and that of home has the entry
// about it chained.
func (v *move) decide(ctx context.Context) error {
	if err := errors.Join(v.Lower(ctx, v.done.To), v.Lower(ctx, pg.Home)); err != nil {
		return err
	}
	if v.done.From != pg.Home {
		if err := v.sessions[pg.Home].InOrg(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error { return v.record(ctx, tx) }); err != nil {
			return err
		}
	}
	return v.from.InOrg(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE placement SET state = 'left', until = 'infinity'
			WHERE org_id = $1 AND state = 'leaving' AND until > portico_now() + $2`, v.org, inTime)
		if err == nil && tag.RowsAffected() == 0 {
			err = fmt.Errorf("the organization could not be moved within %s: it can be written to in the old database again", leaveFor-inTime)
		}
		if err == nil {
			tag, err = tx.Exec(ctx, `SELECT FROM organization WHERE id = $1 AND deleted_at IS NULL FOR UPDATE`, v.org)
		}
		if err == nil && tag.RowsAffected() == 0 {
			err = errors.New("the organization was deleted during the move")
		}
		if err == nil && v.done.From == pg.Home {
			err = v.record(ctx, tx)
		}
		return err
	})
}

// record writes the entry of the platform's audit log about the move, in the home
// database: in the transaction that decides the move, if that is there, otherwise before
// it. So no move is without an entry, but the entry's may fail at the last moment. It is
// the last statement of its transaction, which it binds to the platform.
func (v *move) record(ctx context.Context, tx pgx.Tx) error {
	var now time.Time
	if err := tx.QueryRow(ctx, `SELECT portico_now() FROM bind_organization($1, true)`, [16]byte{}).Scan(&now); err != nil {
		return err
	}
	return audit.InsertAsOwner(ctx, tx, audit.Entry{
		Action: "organization.move", Actor: audit.Actor{Type: audit.System, ID: "move"}, Targets: []audit.Target{audit.Of("organization", v.org)},
		Before: audit.Fields{"database": v.done.From}, After: audit.Fields{"database": v.done.To}, CreatedAt: now,
	})
}

// open allows writers in the new database.
func (v *move) open(ctx context.Context) error {
	_, err := v.to.Exec(ctx, `SELECT open_arrival($1, $2)`, v.org, v.done.From)
	if err == nil {
		v.Wake(ctx, v.done.To)
	}
	return err
}
