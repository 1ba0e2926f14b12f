package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

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

// ChangedAddressSince reports whether the user has changed the address after a time.
func ChangedAddressSince(ctx context.Context, tx pg.Tx, user id.User, since time.Time) (bool, error) {
	return pg.Value[bool](ctx, tx, "identity.ChangedAddressSince", `
		SELECT EXISTS (SELECT FROM user_event WHERE user_id = $1 AND id >= uuid_floor($2) AND action = $3)`, user, since, ChangeEmail)
}

// UndoAddress gives the user back an address that the user had before, which may be the
// present one. It removes the password and what else signs in and was set up since a time:
// it may be somebody else's. Factors from before stay, so that the mailbox alone is not
// enough. Lock the login first, and call it last in the transaction.
func UndoAddress(ctx context.Context, tx pg.Tx, db *pg.DB, login Login, email string, since time.Time, by audit.Origin, now time.Time) error {
	if err := disarm(ctx, tx, login.User, since, by, now); err != nil || login.Email == email {
		return err
	}
	return ChangeAddress(ctx, tx, db, login.User, email, by, now)
}

// DisarmAndSuspend does the same without the address, which somebody else has by now, and
// lets nobody sign in as the user until staff have looked into it.
func DisarmAndSuspend(ctx context.Context, tx pg.Tx, user id.User, since time.Time, by audit.Origin, now time.Time) error {
	if err := disarm(ctx, tx, user, since, by, now); err != nil {
		return err
	}
	return setSuspended(ctx, tx, user, &now)
}

func disarm(ctx context.Context, tx pg.Tx, user id.User, since time.Time, by audit.Origin, now time.Time) error {
	if err := change(ctx, tx, user, newEvent(UndoEmail, by, now)); err != nil {
		return err
	}
	var batch pgx.Batch
	batch.Queue(`DELETE FROM user_password WHERE user_id = $1`, user)
	for _, table := range credentials[1:] {
		batch.Queue(`DELETE FROM `+table+` WHERE user_id = $1 AND created_at >= $2`, user, since)
	}
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("identity.disarm: %w", err)
	}
	return nil
}
