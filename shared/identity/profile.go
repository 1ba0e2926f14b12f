package identity

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/pg"
)

// Profile is what a user sees of the own account, without any secret.
type Profile struct {
	User         id.User
	Email        string
	Name         string
	LastSignInAt time.Time // zero: never
	CreatedAt    time.Time
	Factors      Factors
}

// GetProfile returns the profile of a user who can sign in, or ErrNoLogin.
func GetProfile(ctx context.Context, tx pg.Tx, user id.User) (Profile, error) {
	return pg.One[Profile](ctx, tx, "identity.GetProfile", ErrNoLogin, `
		SELECT l.user_id, u.email, u.name, l.last_sign_in_at, l.created_at, l.email_verified_at IS NOT NULL,
			EXISTS (SELECT FROM user_password WHERE user_id = $1),
			EXISTS (SELECT FROM user_totp WHERE user_id = $1 AND confirmed_at IS NOT NULL),
			(SELECT count(*) FROM user_passkey WHERE user_id = $1),
			(SELECT count(*) FROM user_recovery_code WHERE user_id = $1 AND used_at IS NULL),
			(SELECT count(*) FROM user_identity WHERE user_id = $1)
		FROM user_login l JOIN user_account u ON u.id = l.user_id WHERE l.user_id = $1`, user)
}

// ScanRow reads what GetProfile selects.
func (p *Profile) ScanRow(row pgx.Rows) error {
	var signedIn *time.Time
	f := &p.Factors
	err := row.Scan(&p.User, &p.Email, &p.Name, &signedIn, &p.CreatedAt, &f.EmailVerified, &f.Password, &f.TOTP, &f.Passkeys, &f.RecoveryCodes, &f.Identities)
	p.LastSignInAt, f.LastSignInAt = timeOf(signedIn), signedIn
	return err
}

// Update is Rename by the user, with its event.
func Update(ctx context.Context, tx pg.Tx, user id.User, name string, by audit.Origin, now time.Time) error {
	if err := Record(ctx, tx, user, newEvent(UpdateUser, by, now)); err != nil {
		return err
	}
	return Rename(ctx, tx, user, name)
}
