package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/pg"
)

// Passkey is a credential of an authenticator, such as a phone or a security key.
type Passkey struct {
	ID             id.Passkey
	CredentialID   []byte // chosen by the authenticator
	PublicKey      []byte // in COSE
	SignCount      int64  // of the last signature; 0: the authenticator does not count
	AAGUID         uuid.UUID
	Name           string // chosen by the user
	Transports     []string
	BackupEligible bool // the authenticator may copy it to other devices
	BackedUp       bool // it has
	UsedAt         time.Time
	CreatedAt      time.Time
}

// MostPasskeys bounds the passkeys of a user.
const MostPasskeys = 20

var (
	// ErrPasskeyNotFound is returned when the user has no such passkey.
	ErrPasskeyNotFound = errors.New("identity: the user has no such passkey")
	// ErrPasskeyExists is returned when an authenticator is enrolled again.
	ErrPasskeyExists = errors.New("identity: the passkey is enrolled already")
	// ErrTooManyPasskeys is returned when the user has MostPasskeys.
	ErrTooManyPasskeys = fmt.Errorf("identity: the user has %d passkeys", MostPasskeys)
)

// The actions on passkeys.
const (
	EnrolPasskey  = "passkey.enrol"
	RemovePasskey = "passkey.remove"
	refusePasskey = "passkey.refuse" // of a signature that a copy may have made
)

const passkeyColumns = `id, credential_id, public_key, sign_count, aaguid, name, transports, backup_eligible, backed_up, used_at, created_at`

// AddPasskey enrols a passkey of the user.
func AddPasskey(ctx context.Context, tx pg.Tx, user id.User, p Passkey, by audit.Origin, now time.Time) error {
	e := newEvent(EnrolPasskey, by, now)
	e.Detail = p.Name
	if err := change(ctx, tx, user, e); err != nil {
		return err
	}
	made, err := pg.Affect(ctx, tx, "identity.AddPasskey", `
		INSERT INTO user_passkey (id, user_id, credential_id, public_key, sign_count, aaguid, name, transports, backup_eligible, backed_up, created_at)
		SELECT $1, $2, $3, $4, $5, $6, $7, coalesce($8::text[], '{}'), $9, $10, $11
		WHERE (SELECT count(*) FROM user_passkey WHERE user_id = $2) < $12`,
		p.ID, user, p.CredentialID, p.PublicKey, p.SignCount, p.AAGUID, p.Name, p.Transports, p.BackupEligible, p.BackedUp, now, MostPasskeys)
	switch {
	case pg.IsUniqueViolation(err):
		return ErrPasskeyExists
	case err == nil && made == 0:
		return ErrTooManyPasskeys
	}
	return err
}

// Passkeys returns those of the user, the oldest first.
func Passkeys(ctx context.Context, tx pg.Tx, user id.User) ([]Passkey, error) {
	return pg.List[Passkey](ctx, tx, "identity.Passkeys", `SELECT `+passkeyColumns+` FROM user_passkey WHERE user_id = $1 ORDER BY id`, user)
}

// UsePasskey records a signature of a passkey, and returns whether it is newer than all
// before: of several with one count the first wins. An authenticator that does not count
// has 0 in each.
func UsePasskey(ctx context.Context, tx pg.Tx, user id.User, p Passkey, now time.Time) (newer bool, err error) {
	used, err := pg.Affect(ctx, tx, "identity.UsePasskey", `
		UPDATE user_passkey SET sign_count = $3, backed_up = $4, used_at = $5
		WHERE user_id = $1 AND id = $2 AND (sign_count < $3 OR sign_count = 0 AND $3 = 0)`, user, p.ID, p.SignCount, p.BackedUp, now)
	return used > 0, err
}

// RefusePasskey records that a signature was refused, because its count was not above the
// last one: there may be a copy of the passkey.
func RefusePasskey(ctx context.Context, tx pg.Tx, user id.User, p Passkey, by audit.Origin, now time.Time) error {
	e := newEvent(refusePasskey, by, now)
	e.Detail = p.Name
	return Record(ctx, tx, user, e)
}

// RenamePasskey gives a passkey of the user another name.
func RenamePasskey(ctx context.Context, tx pg.Tx, user id.User, passkey id.Passkey, name string) error {
	renamed, err := pg.Affect(ctx, tx, "identity.RenamePasskey", `UPDATE user_passkey SET name = $3 WHERE user_id = $1 AND id = $2`, user, passkey, name)
	if err == nil && renamed == 0 {
		err = ErrPasskeyNotFound
	}
	return err
}

// DeletePasskey removes a passkey of the user.
func DeletePasskey(ctx context.Context, tx pg.Tx, user id.User, passkey id.Passkey, by audit.Origin, now time.Time) error {
	e := newEvent(RemovePasskey, by, now)
	if err := change(ctx, tx, user, e); err != nil {
		return err
	}
	deleted, err := pg.Affect(ctx, tx, "identity.DeletePasskey", `DELETE FROM user_passkey WHERE user_id = $1 AND id = $2`, user, passkey)
	switch {
	case err != nil:
		return err
	case deleted == 0:
		return ErrPasskeyNotFound
	}
	return dropRecoveryCodes(ctx, tx, user)
}

// ScanRow reads passkeyColumns.
func (p *Passkey) ScanRow(row pgx.Rows) error {
	var used *time.Time
	err := row.Scan(&p.ID, &p.CredentialID, &p.PublicKey, &p.SignCount, &p.AAGUID, &p.Name, &p.Transports, &p.BackupEligible, &p.BackedUp, &used, &p.CreatedAt)
	p.UsedAt = timeOf(used)
	return err
}
