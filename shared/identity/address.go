package identity

import (
	"context"
	"errors"
	"time"

	"portico/shared/audit"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
)

// ErrAddressTaken is returned when another user has the address.
var ErrAddressTaken = errors.New("identity: another user has the address")

// ChangeAddress gives the user a new address, which the user has proven. Databases other
// than home get it from a job, which is there before this transaction commits: so it waits
// until it sees the change. Call it last in the transaction.
func ChangeAddress(ctx context.Context, tx pg.Tx, db *pg.DB, user id.User, email string, by audit.Origin, now time.Time) error {
	owner, err := pg.Search[id.User](ctx, db.All(), "identity.ChangeAddress", `SELECT user_with($1)`, email)
	switch {
	case err != nil:
		return err
	case !owner.IsZero() && owner != user:
		return ErrAddressTaken
	}
	if err := change(ctx, tx, user, newEvent(ChangeEmail, by, now)); err != nil {
		return err
	}
	err = pg.Exec(ctx, tx, "identity.ChangeAddress", `UPDATE user_account SET email = $2 WHERE id = $1`, user, email)
	if pg.IsUniqueViolation(err) {
		return ErrAddressTaken
	}
	if err != nil {
		return err
	}
	version, err := pg.Value[int64](ctx, tx, "identity.ChangeAddress", `
		UPDATE user_login SET email_verified_at = $2 WHERE user_id = $1 RETURNING credential_version`, user, now)
	if err != nil || len(db.Others()) == 0 {
		return err
	}
	return db.PlatformIn(ctx, pg.Home, func(tx pg.Tx) error {
		_, err := job.Add(ctx, tx, id.Org{}, copyKind, copying{user, version}, job.Options{})
		return err
	})
}

// copying names a user whose address is to be copied, and the credential version with which
// the change is committed.
type copying struct {
	User    id.User `json:"user"`
	Version int64   `json:"version"`
}

const (
	// copyAgain is the time between looks for a change that is not committed yet.
	copyAgain = 2 * time.Second
	// copyUntil is how long a change may need. No transaction of a user is that long.
	copyUntil = 2 * time.Minute
)

var copyKind = job.Kind[copying]{Name: "user.copy_address", Queue: job.High, Platform: true}

// CopyAddressKind is the kind of the job that copies a user's address from home to the
// other databases. It copies the newest address, so the order of jobs does not matter, and
// a repetition changes nothing. If the change was never committed, it ends.
func CopyAddressKind(db *pg.DB, clocks *clock.Clock) job.Declared {
	kind := copyKind
	kind.Work = job.Call(func(ctx context.Context, j job.Job, c copying) (struct{}, error) {
		var home homeAddress
		err := db.PlatformIn(ctx, pg.Home, func(tx pg.Tx) (err error) {
			home, err = pg.Value[homeAddress](ctx, tx, "identity.CopyAddressKind", `SELECT * FROM address_of($1)`, c.User)
			return err
		})
		switch {
		case err != nil || home.Address == nil: // the user is gone
			return struct{}{}, err
		case *home.Version >= c.Version:
			return struct{}{}, home.copyTo(ctx, db, c.User)
		case clocks.Now().Sub(j.ID.Time()) < copyUntil:
			return struct{}{}, job.Snooze(copyAgain)
		}
		return struct{}{}, nil
	}, nil)
	return kind
}

// homeAddress is a user's address at home. Both are nil if the user cannot sign in.
type homeAddress struct {
	Address *string
	Version *int64
}

func (h homeAddress) copyTo(ctx context.Context, db *pg.DB, user id.User) error {
	return db.Others().Each(func(database string, _ pg.Querier) error {
		return db.PlatformIn(ctx, database, func(tx pg.Tx) error {
			return pg.Exec(ctx, tx, "identity.CopyAddressKind", `SELECT copy_address($1, $2)`, user, *h.Address)
		})
	})
}
