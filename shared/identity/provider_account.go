package identity

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/pg"
)

// ProviderAccount is an account at another provider with which a user signs in. Connection,
// issuer and subject identify it; the address never does.
type ProviderAccount struct {
	ID         uuid.UUID
	Connection string // google, github, or the id of an organization's connection
	Issuer     string
	Subject    string
	Email      string // that the provider last named, for people
	UsedAt     *time.Time
	CreatedAt  time.Time
}

// mostProviderAccounts bounds those of a user.
const mostProviderAccounts = 20

var (
	// ErrProviderAccount is returned for an account whose texts cannot be stored.
	ErrProviderAccount = errors.New("identity: the provider's account has a text that is empty, too long or malformed")
	// ErrLinked is returned when the account is linked already, to this user or another one.
	ErrLinked = errors.New("identity: the provider's account is linked already")
	// ErrTooManyLinks is returned when the user has linked too many accounts.
	ErrTooManyLinks = errors.New("identity: the user has linked too many accounts")
	// ErrNotLinked is returned when the user has no such account.
	ErrNotLinked = errors.New("identity: the user has not linked this account")
	// ErrLastWay is returned if the user could not sign in any more without the account,
	// except with what is mailed.
	ErrLastWay = errors.New("identity: the user has no other way to sign in")
)

func (a ProviderAccount) check() error {
	for text, most := range map[string]int{a.Connection: 40, a.Issuer: 255, a.Subject: 255} {
		if n := utf8.RuneCountInString(text); n == 0 || n > most || !storable(text) {
			return ErrProviderAccount
		}
	}
	if utf8.RuneCountInString(a.Email) > 320 || !storable(a.Email) {
		return ErrProviderAccount
	}
	return nil
}

func storable(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

// FindLinked returns the user who has linked an account, before a user is known; zero if
// nobody has.
func FindLinked(ctx context.Context, people *pg.Identity, a ProviderAccount) (id.User, error) {
	if err := a.check(); err != nil {
		return id.User{}, err
	}
	return pg.Value[id.User](ctx, people.Unbound(), "identity.FindLinked", `SELECT find_identity($1, $2, $3)`, a.Connection, a.Issuer, a.Subject)
}

// Link links an account to the user.
func Link(ctx context.Context, tx pg.Tx, user id.User, a ProviderAccount, by audit.Origin, now time.Time) error {
	if err := a.check(); err != nil {
		return err
	}
	e := newEvent(LinkAccount, by, now)
	e.Method, e.Detail = a.Connection, a.Email
	if err := change(ctx, tx, user, e); err != nil {
		return err
	}
	linked, err := pg.Affect(ctx, tx, "identity.Link", `
		INSERT INTO user_identity (id, user_id, connection, issuer, subject, email, created_at)
		SELECT $1, $2, $3, $4, $5, $6, $7 WHERE (SELECT count(*) FROM user_identity WHERE user_id = $2) < $8`,
		id.V7(now), user, a.Connection, a.Issuer, a.Subject, a.Email, now, mostProviderAccounts)
	switch {
	case pg.IsUniqueViolation(err):
		return ErrLinked
	case err == nil && linked == 0:
		return ErrTooManyLinks
	}
	return err
}

// UsedLinked records that the user has signed in with an account, and the address that the
// provider named. It returns ErrNotLinked if the account is no longer linked.
func UsedLinked(ctx context.Context, tx pg.Tx, user id.User, a ProviderAccount, now time.Time) error {
	if err := a.check(); err != nil {
		return err
	}
	used, err := pg.Affect(ctx, tx, "identity.UsedLinked", `
		UPDATE user_identity SET used_at = $5, email = $6 WHERE user_id = $1 AND connection = $2 AND issuer = $3 AND subject = $4`,
		user, a.Connection, a.Issuer, a.Subject, now, a.Email)
	if err == nil && used == 0 {
		err = ErrNotLinked
	}
	return err
}

// Linked returns the user's accounts at other providers, the oldest first.
func Linked(ctx context.Context, tx pg.Tx, user id.User) ([]ProviderAccount, error) {
	return pg.List[ProviderAccount](ctx, tx, "identity.Linked", `
		SELECT id, connection, issuer, subject, email, used_at, created_at FROM user_identity WHERE user_id = $1 ORDER BY id`, user)
}

// Unlink removes an account from the user, unless it is the last way to sign in.
func Unlink(ctx context.Context, tx pg.Tx, user id.User, account uuid.UUID, by audit.Origin, now time.Time) error {
	if err := change(ctx, tx, user, newEvent(UnlinkAccount, by, now)); err != nil {
		return err
	}
	removed, err := pg.Affect(ctx, tx, "identity.Unlink", `DELETE FROM user_identity WHERE user_id = $1 AND id = $2`, user, account)
	switch {
	case err != nil:
		return err
	case removed == 0:
		return ErrNotLinked
	}
	left, err := pg.Value[bool](ctx, tx, "identity.Unlink", `
		SELECT EXISTS (SELECT FROM user_password WHERE user_id = $1) OR EXISTS (SELECT FROM user_identity WHERE user_id = $1)
			OR EXISTS (SELECT FROM user_passkey WHERE user_id = $1)`, user)
	if err == nil && !left {
		err = ErrLastWay
	}
	return err
}
