package identity

import (
	"context"
	"time"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/pg"
)

// Suspend keeps the user from signing in until Unsuspend, and writes that into the history.
// It raises the credential version, so that who has proved something before does not enter
// after it. A user who is suspended stays so since then. Lock the login first, and end the
// sessions before the transaction does.
func Suspend(ctx context.Context, tx pg.Tx, login Login, by audit.Origin, now time.Time) error {
	if !login.SuspendedAt.IsZero() {
		return nil
	}
	if err := change(ctx, tx, login.User, newEvent(SuspendUser, by, now)); err != nil {
		return err
	}
	return setSuspended(ctx, tx, login.User, &now)
}

// Unsuspend lets the user sign in again, and writes that into the history. Lock the login
// first.
func Unsuspend(ctx context.Context, tx pg.Tx, login Login, by audit.Origin, now time.Time) error {
	if login.SuspendedAt.IsZero() {
		return nil
	}
	if err := change(ctx, tx, login.User, newEvent(UnsuspendUser, by, now)); err != nil {
		return err
	}
	return setSuspended(ctx, tx, login.User, nil)
}

func setSuspended(ctx context.Context, tx pg.Tx, user id.User, since *time.Time) error {
	return pg.Exec(ctx, tx, "identity.setSuspended", `UPDATE user_login SET suspended_at = $2 WHERE user_id = $1`, user, since)
}
