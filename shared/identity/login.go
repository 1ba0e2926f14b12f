// Package identity holds how people sign in: which users can, their credentials, and the
// history of both. All of it is in the database home, whichever databases have the
// organizations of a person.
//
// A transaction of pg.Identity.AsUser reaches one user. Whoever changes a credential or
// begins a session locks the user's login first, so that both happen one after the other.
package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/member"
	"portico/shared/pg"
)

// Login is a user who can sign in, or has begun to sign up.
type Login struct {
	User              id.User
	Email             string
	EmailVerifiedAt   time.Time // zero: the address is not proven
	SuspendedAt       time.Time // zero: not suspended
	CredentialVersion int64     // grows with every change of a credential
	PHC               string    // the hash of the password; "": there is none
	PepperVersion     int
}

// ErrNoLogin is returned for a user who cannot sign in, or no longer.
var ErrNoLogin = errors.New("identity: the user has no login")

// Find returns who signs in with an address, before a user is known. For an address of
// nobody it returns the zero Login, after the same statement.
func Find(ctx context.Context, people *pg.Identity, email string) (Login, error) {
	return pg.One[Login](ctx, people.Unbound(), "identity.Find", nil, `
		SELECT user_id, email, email_verified_at, suspended_at, credential_version, phc, pepper_version FROM find_credentials($1)`, email)
}

// Begun is what Begin has found or made.
type Begun struct {
	User  id.User
	Known bool // somebody has proven the address before
}

// Begin begins a sign-up: it returns the user with an address, and makes the user, the
// login or both where they are missing. A person whom an organization in any database has
// added as a member is that user. The statements are the same for each address.
func Begin(ctx context.Context, db *pg.DB, people *pg.Identity, email, name string, now time.Time) (Begun, error) {
	fresh, err := member.FindUser(ctx, db, email, now)
	if err != nil {
		return Begun{}, err
	}
	// Sign-ups of one address at the same time lock its rows in any order, so Postgres may
	// end one of them. It does the same when it is repeated.
	for range beginTries {
		begun, failed := pg.Value[Begun](ctx, people.Unbound(), "identity.Begin", `SELECT id, known FROM begin_user($1, $2, $3)`, email, name, fresh)
		if err = failed; err == nil || !pg.IsTransient(err) {
			return begun, err
		}
	}
	return Begun{}, err
}

// beginTries is how often Begin asks Postgres.
const beginTries = 4

// ScanRow reads what Begin selects.
func (b *Begun) ScanRow(row pgx.Rows) error { return row.Scan(&b.User, &b.Known) }

// Lock locks the login of a user until the transaction ends, and returns it as it is then.
func Lock(ctx context.Context, tx pg.Tx, user id.User) (login Login, err error) {
	var batch pgx.Batch
	batch.Queue(`SELECT FROM user_login WHERE user_id = $1 FOR UPDATE`, user)
	// A statement of its own, because it must see what was committed while the first waited.
	batch.Queue(`
		SELECT l.user_id, u.email, l.email_verified_at, l.suspended_at, l.credential_version, coalesce(p.phc, ''), coalesce(p.pepper_version, 0)
		FROM user_login l JOIN user_account u ON u.id = l.user_id LEFT JOIN user_password p ON p.user_id = l.user_id
		WHERE l.user_id = $1`, user).Query(pg.IntoOne(&login))
	err = tx.SendBatch(ctx, &batch).Close()
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return login, ErrNoLogin
	case err != nil:
		return login, fmt.Errorf("identity.Lock: %w", err)
	}
	return login, nil
}

// credentials are the tables of what a user signs in with.
var credentials = []string{"user_password", "user_identity", "user_totp", "user_recovery_code", "user_passkey"}

// Verify records that the user has proven the address. asked is the credential version
// that the login had when the proof was asked for, if the one who brings the proof has
// also set the credentials; otherwise zero. If the address was not proven before, and
// asked is not the current version, all credentials are removed: somebody else may have
// set them. It returns whether it has removed them. Lock the login first.
func Verify(ctx context.Context, tx pg.Tx, login Login, asked int64, by audit.Origin, now time.Time) (removed bool, err error) {
	if !login.EmailVerifiedAt.IsZero() {
		return false, nil
	}
	if err := change(ctx, tx, login.User, newEvent(VerifyEmail, by, now)); err != nil {
		return false, err
	}
	var batch pgx.Batch
	batch.Queue(`UPDATE user_login SET email_verified_at = $2 WHERE user_id = $1`, login.User, now)
	if removed = asked != login.CredentialVersion; removed {
		for _, table := range credentials {
			batch.Queue(`DELETE FROM `+table+` WHERE user_id = $1`, login.User)
		}
	}
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return false, fmt.Errorf("identity.Verify: %w", err)
	}
	return removed, nil
}

// Refuse records that somebody was not let in with an address, by which means. For an
// address of nobody it records nothing, after the same statement.
func Refuse(ctx context.Context, people *pg.Identity, email, method string, by audit.Origin, now time.Time) error {
	ip, userAgent := by.Columns()
	return pg.Exec(ctx, people.Unbound(), "identity.Refuse", `SELECT refuse_session($1, $2, $3, $4, $5, $6)`, email, id.New[id.UserEvent](now), method, ip, userAgent, now)
}

// Rename gives the user the name that the user has chosen. The names that organizations
// use for their members stay.
func Rename(ctx context.Context, tx pg.Tx, user id.User, name string) error {
	return pg.Exec(ctx, tx, "identity.Rename", `UPDATE user_account SET name = $2 WHERE id = $1`, user, name)
}

// SignedIn records that a session of the user has begun.
func SignedIn(ctx context.Context, tx pg.Tx, user id.User, method string, by audit.Origin, now time.Time) error {
	e := newEvent(StartSession, by, now)
	e.Method = method
	if err := Record(ctx, tx, user, e); err != nil {
		return err
	}
	return pg.Exec(ctx, tx, "identity.SignedIn", `UPDATE user_login SET last_sign_in_at = $2 WHERE user_id = $1`, user, now)
}

// Delete removes the login of the user with all credentials and the history. A user who is
// a member of no organization in this database is deleted, too.
func Delete(ctx context.Context, tx pg.Tx, user id.User) error {
	deleted, err := pg.Affect(ctx, tx, "identity.Delete", `DELETE FROM user_login WHERE user_id = $1`, user)
	if err == nil && deleted == 0 {
		err = ErrNoLogin
	}
	return err
}

// ScanRow reads what Find and Lock select.
func (l *Login) ScanRow(row pgx.Rows) error {
	var verified, suspended *time.Time
	err := row.Scan(&l.User, &l.Email, &verified, &suspended, &l.CredentialVersion, &l.PHC, &l.PepperVersion)
	l.EmailVerifiedAt, l.SuspendedAt = timeOf(verified), timeOf(suspended)
	return err
}
