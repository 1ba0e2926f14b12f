package identity

import (
	"context"
	"errors"
	"time"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/pg"
)

// TOTP is the key of a user's authenticator app.
type TOTP struct {
	Sealed      []byte
	ConfirmedAt *time.Time // nil: it is no factor yet
}

var (
	// ErrNoTOTP is returned for a user without a key.
	ErrNoTOTP = errors.New("identity: the user has no TOTP key")
	// ErrTOTPExists is returned when the user has a confirmed key, which must be removed
	// before there can be another one.
	ErrTOTPExists = errors.New("identity: the user has a confirmed TOTP key")
)

// EnrolTOTP stores a new key, which is no factor before ConfirmTOTP. It replaces one that
// was not confirmed.
func EnrolTOTP(ctx context.Context, tx pg.Tx, user id.User, sealed []byte, now time.Time) error {
	stored, err := pg.Affect(ctx, tx, "identity.EnrolTOTP", `
		INSERT INTO user_totp (user_id, sealed, created_at) VALUES ($1, $2, $3)
		ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, last_step = 0, created_at = excluded.created_at
		WHERE user_totp.confirmed_at IS NULL`, user, sealed, now)
	if err == nil && stored == 0 {
		err = ErrTOTPExists
	}
	return err
}

// GetTOTP returns the user's key, confirmed or not, or ErrNoTOTP.
func GetTOTP(ctx context.Context, tx pg.Tx, user id.User) (TOTP, error) {
	return pg.One[TOTP](ctx, tx, "identity.GetTOTP", ErrNoTOTP, `SELECT sealed, confirmed_at FROM user_totp WHERE user_id = $1`, user)
}

// ConfirmTOTP makes the key a factor, because the user has shown its code of a step. It
// returns ErrNoTOTP if the key is no longer that one, or is confirmed already.
func ConfirmTOTP(ctx context.Context, tx pg.Tx, user id.User, key TOTP, step int64, by audit.Origin, now time.Time) error {
	e := newEvent(EnrolFactor, by, now)
	e.Method = methodTOTP
	if err := change(ctx, tx, user, e); err != nil {
		return err
	}
	confirmed, err := pg.Affect(ctx, tx, "identity.ConfirmTOTP", `
		UPDATE user_totp SET confirmed_at = $3, last_step = $4 WHERE user_id = $1 AND sealed = $2 AND confirmed_at IS NULL`, user, key.Sealed, now, step)
	if err == nil && confirmed == 0 {
		err = ErrNoTOTP
	}
	return err
}

// UseTOTP uses up the key's code of a step, and returns whether it was unused. Of codes that
// come at the same time one is used; the code of an earlier step is never used after it.
func UseTOTP(ctx context.Context, tx pg.Tx, user id.User, key TOTP, step int64) (bool, error) {
	used, err := pg.Affect(ctx, tx, "identity.UseTOTP", `
		UPDATE user_totp SET last_step = $3 WHERE user_id = $1 AND sealed = $2 AND confirmed_at IS NOT NULL AND last_step < $3`, user, key.Sealed, step)
	return used == 1, err
}

// RemoveTOTP removes the user's key.
func RemoveTOTP(ctx context.Context, tx pg.Tx, user id.User, by audit.Origin, now time.Time) error {
	e := newEvent(RemoveFactor, by, now)
	e.Method = methodTOTP
	if err := change(ctx, tx, user, e); err != nil {
		return err
	}
	removed, err := pg.Affect(ctx, tx, "identity.RemoveTOTP", `DELETE FROM user_totp WHERE user_id = $1`, user)
	switch {
	case err != nil:
		return err
	case removed == 0:
		return ErrNoTOTP
	}
	return dropRecoveryCodes(ctx, tx, user)
}
