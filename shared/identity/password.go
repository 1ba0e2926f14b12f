package identity

import (
	"context"
	"time"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/pg"
)

// Password is the hash of a password.
type Password struct {
	PHC           string
	PepperVersion int
}

// SetPassword gives the user a new password instead of the one before, if there was one.
func SetPassword(ctx context.Context, tx pg.Tx, user id.User, p Password, by audit.Origin, now time.Time) error {
	if err := change(ctx, tx, user, newEvent(ChangePassword, by, now)); err != nil {
		return err
	}
	return pg.Exec(ctx, tx, "identity.SetPassword", `
		INSERT INTO user_password (user_id, phc, pepper_version, changed_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id) DO UPDATE SET phc = excluded.phc, pepper_version = excluded.pepper_version, changed_at = excluded.changed_at`,
		user, p.PHC, p.PepperVersion, now)
}

// Rehash stores another hash of the password that the user has just proven to know. It does
// nothing if old is no longer the hash, because the user has a new password meanwhile.
func Rehash(ctx context.Context, tx pg.Tx, user id.User, old string, p Password) error {
	return pg.Exec(ctx, tx, "identity.Rehash", `
		UPDATE user_password SET phc = $3, pepper_version = $4 WHERE user_id = $1 AND phc = $2`, user, old, p.PHC, p.PepperVersion)
}
