package pg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"portico/shared/clock"
	"portico/shared/id"
)

// Home is the name of the database in which every organization is created, and
// which is asked first where an organization lives.
const Home = "home"

// The errors that bind_organization raises:
// infra/migrations/00002_organization.sql.
const (
	hasLeft = "PTLFT" // the error's detail is the database in which it lives
	isMoved = "PTMOV"
)

const (
	lookAgain = 25 * time.Millisecond
	// moveAtMost is how long a request waits while its organization is moving. A
	// request that waits occupies a function.
	moveAtMost = 10 * time.Second
)

// LastFound returns the database in which the organization was last found; it may
// have moved since.
func (d *DB) LastFound(org id.Org) string {
	if database, known := d.lastFound.Get(org, time.Time{}); known {
		return database
	}
	return Home
}

// foundAtMost bounds the memory that lastFound takes.
const foundAtMost = 10_000

func (d *DB) learn(org id.Org, database string) {
	if database == Home {
		d.lastFound.Delete(org)
		return
	}
	d.lastFound.Put(org, database, time.Time{})
}

var errNow = errors.New("pg: the transaction must not wait")

// find begins the transaction in the database where the organization lives. A
// database that it has left names the next one. If the organization is moving,
// find waits.
func (t *orgTx) find(ctx context.Context, batch *pgx.Batch) (pgx.BatchResults, error) {
	if t.anyDatabase {
		return t.beginAnew(ctx, batch)
	}
	patience := time.Now().Add(moveAtMost)
	sleep := func() error {
		if t.now {
			return errNow
		}
		return clock.Sleep(ctx, lookAgain)
	}
	t.database = t.db.LastFound(t.org)
	for hops := 0; ; {
		results, err := t.beginAnew(ctx, batch)
		var state *pgconn.PgError
		if err == nil || !errors.As(err, &state) {
			return results, err
		}
		switch {
		case state.Code == isMoved && time.Now().Before(patience):
			if sleep() != nil {
				return nil, err
			}
		case state.Code == hasLeft && time.Now().Before(patience):
			if hops++; hops > len(t.db.pools) && sleep() != nil { // it has not quite arrived yet
				return nil, err
			}
			if t.db.pools[state.Detail] == nil {
				return nil, fmt.Errorf("pg: organization %s lives in the database %q, which DATABASES does not name: %w", t.org, state.Detail, err)
			}
			t.database = state.Detail
			t.db.learn(t.org, t.database)
		default:
			return nil, err
		}
	}
}
