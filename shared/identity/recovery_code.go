package identity

import (
	"context"
	"crypto/sha256"
	"time"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/pg"
)

// SetRecoveryCodes gives the user new recovery codes instead of all earlier ones.
func SetRecoveryCodes(ctx context.Context, tx pg.Tx, user id.User, codes []string, by audit.Origin, now time.Time) error {
	e := newEvent(EnrolFactor, by, now)
	e.Method = methodRecoveryCode
	if err := change(ctx, tx, user, e); err != nil {
		return err
	}
	if err := pg.Exec(ctx, tx, "identity.SetRecoveryCodes", `DELETE FROM user_recovery_code WHERE user_id = $1`, user); err != nil {
		return err
	}
	hashes := make([][]byte, len(codes))
	for i, code := range codes {
		hashes[i] = hashOf(code)
	}
	return pg.Exec(ctx, tx, "identity.SetRecoveryCodes", `
		INSERT INTO user_recovery_code (user_id, hash, created_at) SELECT $1, unnest($2::bytea[]), $3`, user, hashes, now)
}

// UseRecoveryCode uses a code up, and returns whether it was one that works, and how many
// are left. The history says that it was used.
func UseRecoveryCode(ctx context.Context, tx pg.Tx, user id.User, code string, by audit.Origin, now time.Time) (used bool, left int, err error) {
	n, err := pg.Affect(ctx, tx, "identity.UseRecoveryCode", `
		UPDATE user_recovery_code SET used_at = $3 WHERE user_id = $1 AND hash = $2 AND used_at IS NULL`, user, hashOf(code), now)
	if err != nil {
		return false, 0, err
	}
	if used = n == 1; used {
		e := newEvent(UseFactor, by, now)
		e.Method = methodRecoveryCode
		if err := Record(ctx, tx, user, e); err != nil {
			return false, 0, err
		}
	}
	left, err = pg.Value[int](ctx, tx, "identity.UseRecoveryCode", `
		SELECT count(*) FROM user_recovery_code WHERE user_id = $1 AND used_at IS NULL`, user)
	return used, left, err
}

// dropRecoveryCodes removes the codes of a user who has no other second factor left, so
// that they do not come to life with the next one.
func dropRecoveryCodes(ctx context.Context, tx pg.Tx, user id.User) error {
	return pg.Exec(ctx, tx, "identity.dropRecoveryCodes", `
		DELETE FROM user_recovery_code WHERE user_id = $1
		AND NOT EXISTS (SELECT FROM user_totp WHERE user_id = $1 AND confirmed_at IS NOT NULL) AND NOT EXISTS (SELECT FROM user_passkey WHERE user_id = $1)`, user)
}

func hashOf(code string) []byte {
	sum := sha256.Sum256([]byte(code))
	return sum[:]
}
