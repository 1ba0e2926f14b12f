package identity

import (
	"context"

	"portico/shared/id"
	"portico/shared/pg"
)

// SecondFactors says what a user has set up besides the first factor.
type SecondFactors struct {
	TOTP          bool // and confirmed
	Passkeys      int
	RecoveryCodes int // that still work
}

// Any reports whether the user has a second factor. Recovery codes stand in for one, and
// are none of their own.
func (f SecondFactors) Any() bool { return f.TOTP || f.Passkeys > 0 }

// SecondFactorsOf returns what the user has set up.
func SecondFactorsOf(ctx context.Context, tx pg.Tx, user id.User) (SecondFactors, error) {
	return pg.One[SecondFactors](ctx, tx, "identity.SecondFactorsOf", nil, `
		SELECT EXISTS (SELECT FROM user_totp WHERE user_id = $1 AND confirmed_at IS NOT NULL) AS totp,
			(SELECT count(*) FROM user_passkey WHERE user_id = $1) AS passkeys,
			(SELECT count(*) FROM user_recovery_code WHERE user_id = $1 AND used_at IS NULL) AS recovery_codes`, user)
}
