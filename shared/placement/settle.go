package placement

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/shared/pg"
)

// ErrNotFound is returned when the organization lives in no database.
var ErrNotFound = errors.New("there is no such organization")

// trace is what one database has of an organization.
type trace struct {
	rows     bool   // it has the organization's row
	deleted  bool   // the organization is being erased
	state    string // of its placement; "": none
	database string // of its placement
}

func (v *move) look(ctx context.Context, s *pg.Session) (t trace, err error) {
	err = s.InOrg(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `
			SELECT o.id IS NOT NULL, o.deleted_at IS NOT NULL, coalesce(p.state, ''), coalesce(p.database, '')
			FROM (SELECT) AS once LEFT JOIN organization o ON o.id = $1 LEFT JOIN placement p ON p.org_id = $1`, v.org).
			Scan(&t.rows, &t.deleted, &t.state, &t.database)
	})
	return t, err
}

// settle returns the database where the organization lives. Before that it
// finishes an interrupted move that was decided, undoes one that was not, and
// erases rows that were left behind.
func (v *move) settle(ctx context.Context) (home string, err error) {
	traces, err := pg.Make(v.sessions, func(_ string, s *pg.Session) (trace, error) { return v.look(ctx, s) })
	if err != nil {
		return "", err
	}
	for name, t := range traces {
		switch to := traces[t.database]; {
		case t.state == "left" && to.state == "arriving" && to.database == name:
			v.done.From, v.done.To, v.to = name, t.database, v.sessions[t.database]
			if err := v.open(ctx); err != nil {
				return "", err
			}
			return v.settle(ctx)
		case t.state == "left" || t.state == "arriving" || !t.rows:
		case t.deleted:
			return "", fmt.Errorf("the organization was deleted in database %s", name)
		case home != "":
			return "", fmt.Errorf("the organization has rows in two databases, %s and %s, and neither says that it has moved: find out why before you move it", home, name)
		default:
			home = name
		}
	}
	if home == "" {
		return "", ErrNotFound
	}
	return home, v.clear(ctx, traces, home)
}

// clear first removes the announcement of a move that was not decided, so that
// writers do not wait longer, and then erases the rows where the organization
// does not live.
func (v *move) clear(ctx context.Context, traces pg.Databases[trace], home string) error {
	if traces[home].state != "" {
		if err := v.unannounce(ctx, home); err != nil {
			return err
		}
	}
	return traces.Each(func(name string, t trace) error {
		if name == home {
			return nil
		}
		return v.erase(ctx, name, t, home)
	})
}

// unannounce removes the announcement, so that deliveries that waited for the
// move become due. If the due time cannot be lowered, it continues all the same:
// the sweep looks when the announcement would have ended.
func (v *move) unannounce(ctx context.Context, home string) error {
	if err := v.Lower(ctx, home); err != nil {
		v.Progress("deliveries may wait for %s, because the due time could not be lowered: %v", drainFor, err)
	}
	err := v.sessions[home].InOrg(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM placement WHERE org_id = $1`, v.org)
		return err
	})
	if err == nil {
		v.Wake(ctx, home)
	}
	return err
}

// erase deletes an organization's rows in a database where it does not live. Its
// placement there then names the database where it lives.
func (v *move) erase(ctx context.Context, name string, t trace, home string) error {
	s := v.sessions[name]
	if t.rows {
		v.Progress("erasing what is left in %s", name)
	}
	for left := t.rows; left; {
		err := s.InOrg(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
			var rows int
			err := tx.QueryRow(ctx, `SELECT erase_organization(5000)`).Scan(&rows)
			left = rows > 0
			return err
		})
		if err != nil {
			return err
		}
	}
	if t.state != "arriving" {
		return nil
	}
	return s.InOrg(ctx, pgx.ReadCommitted, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE placement SET state = 'left', database = $2 WHERE org_id = $1`, v.org, home)
		return err
	})
}

// undo leaves the organization in the database where it lives. If that fails too,
// the announcement ends by itself.
func (v *move) undo(ctx context.Context) error {
	v.disconnect(ctx) // a session may still be in a transaction
	if err := v.connect(ctx); err != nil {
		return err
	}
	home, err := v.settle(ctx)
	if err == nil {
		v.Progress("the organization lives in %s", home)
	}
	return err
}
