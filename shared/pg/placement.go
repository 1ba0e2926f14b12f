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

// Home names the database in which every organization begins, and which every
// other one is asked after.
const Home = "home"

// What bind_organization raises: infra/migrations/00002_organization.sql.
const (
	hasLeft = "PTLFT" // the detail says in which database it lives
	isMoved = "PTMOV"
)

const (
	lookAgain = 25 * time.Millisecond
	// moveAtMost is how long a request waits for its organization to arrive. What
	// waits occupies a function.
	moveAtMost = 10 * time.Second
)

// PlaceOf returns the database in which the organization was last found. A
// transaction may find it elsewhere.
func (d *DB) PlaceOf(org id.Org) string {
	if place, known := d.places.Get(org, time.Time{}); known {
		return place
	}
	return Home
}

// placesAtMost bounds the memory of an environment that sees many organizations.
const placesAtMost = 10_000

func (d *DB) learn(org id.Org, place string) {
	if place == Home {
		d.places.Delete(org)
		return
	}
	d.places.Put(org, place, time.Time{})
}

// find begins in the database where the organization lives. Each that it has
// left says where it went; while it moves, it is awaited.
func (t *orgTx) find(ctx context.Context, batch *pgx.Batch) (pgx.BatchResults, error) {
	if t.anyDatabase {
		return t.beginAnew(ctx, batch)
	}
	patience := time.Now().Add(moveAtMost)
	t.database = t.db.PlaceOf(t.org)
	for hops := 0; ; {
		results, err := t.beginAnew(ctx, batch)
		var state *pgconn.PgError
		if err == nil || !errors.As(err, &state) {
			return results, err
		}
		switch {
		case state.Code == isMoved && time.Now().Before(patience):
			if clock.Sleep(ctx, lookAgain) != nil {
				return nil, err
			}
		case state.Code == hasLeft && time.Now().Before(patience):
			if hops++; hops > len(t.db.pools) && clock.Sleep(ctx, lookAgain) != nil { // in this moment it arrives
				return nil, err
			}
			if t.db.pools[state.Detail] == nil {
				return nil, fmt.Errorf("pg: organization %s lives in %q, a database that DATABASES does not name: %w", t.org, state.Detail, err)
			}
			t.database = state.Detail
			t.db.learn(t.org, t.database)
		default:
			return nil, err
		}
	}
}
