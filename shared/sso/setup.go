package sso

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
)

// setupFor is how long a set-up link works, with what it opens.
const setupFor = 24 * time.Hour

// The pages behind a set-up link.
const (
	SetupPath     = "/sso-setup"
	SetupTestPath = SetupPath + "/test"
)

// ErrSetup is returned for a set-up link that does not work, or not any more.
var ErrSetup = errors.New("sso: the set-up link does not work")

// ErrActive is returned when an active connection would get a set-up link.
var ErrActive = fault.New(fault.Conflict, "sso_connection_active", "The connection is active: whoever had a set-up link could let anybody in. Disable it first.").
	Means("The single sign-on connection is active, so it gets no set-up link.")

// setup is what a link, or the cookie of the browser that has opened it, consists of.
type setup struct {
	connection id.SSOConnection
	token      secret.Token
}

func (s setup) text() string {
	return base64.RawURLEncoding.EncodeToString(append(s.connection.UUID[:], s.token[:]...))
}

func (s setup) hash() []byte {
	sum := sha256.Sum256(s.token[:])
	return sum[:]
}

func parseSetup(text string) (s setup, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) != len(s.connection.UUID)+len(s.token) {
		return s, ErrSetup
	}
	copy(s.token[:], raw[copy(s.connection.UUID[:], raw):])
	return s, nil
}

// NewSetup gives a connection a set-up link, and returns its secret and its end. The link
// before, and what it has opened, works no more.
func NewSetup(ctx context.Context, tx pg.Tx, org id.Org, c Connection, now time.Time) (text string, ends time.Time, err error) {
	if c.Status == Active {
		return "", ends, ErrActive
	}
	s := setup{c.ID, secret.NewToken()}
	ends = now.Add(setupFor)
	return s.text(), ends, pg.Exec(ctx, tx, "sso.NewSetup", `
		UPDATE sso_connection SET setup_hash = $3, setup_ends_at = $4 WHERE org_id = $1 AND id = $2`, org, c.ID, s.hash(), ends)
}

// EndSetup takes the set-up link of a connection back.
func EndSetup(ctx context.Context, tx pg.Tx, org id.Org, connection id.SSOConnection) error {
	return pg.Exec(ctx, tx, "sso.EndSetup", `UPDATE sso_connection SET setup_hash = NULL, setup_ends_at = NULL WHERE org_id = $1 AND id = $2`, org, connection)
}

// FindSetup returns the connection that a link, or the cookie of one, sets up, or ErrSetup.
// An active connection is set up by its organization only.
func FindSetup(ctx context.Context, db *pg.DB, text string, now time.Time) (Found, error) {
	s, err := parseSetup(text)
	if err != nil {
		return Found{}, err
	}
	c, err := Find(ctx, db, s.connection)
	if errors.Is(err, ErrNotFound) {
		return c, ErrSetup
	}
	if err != nil {
		return c, err
	}
	return c, db.InOrg(ctx, c.Org, func(tx pg.Tx) error { return s.check(ctx, tx, c.Org, now) })
}

// check returns ErrSetup unless the secret is the present one of its connection.
func (s setup) check(ctx context.Context, tx pg.Tx, org id.Org, now time.Time) error {
	works, err := pg.One[bool](ctx, tx, "sso.checkSetup", nil, `
		SELECT EXISTS (SELECT FROM sso_connection c JOIN organization o ON o.id = c.org_id
			WHERE c.org_id = $1 AND c.id = $2 AND c.setup_hash = $3 AND c.setup_ends_at > $4 AND c.status <> 'active' AND o.deleted_at IS NULL)`,
		org, s.connection, s.hash(), now)
	if err == nil && !works {
		return ErrSetup
	}
	return err
}

// LockSetup does as FindSetup, and locks as Lock does.
func LockSetup(ctx context.Context, tx pg.Tx, org id.Org, text string, now time.Time) (c Connection, err error) {
	s, err := parseSetup(text)
	if err != nil {
		return c, err
	}
	if c, err = Lock(ctx, tx, org, s.connection); err != nil {
		return c, err
	}
	return c, s.check(ctx, tx, org, now)
}

// OpenSetup turns a link, which LockSetup has accepted, into the text of a cookie: so the
// link works once.
func OpenSetup(ctx context.Context, tx pg.Tx, org id.Org, connection id.SSOConnection) (cookie string, err error) {
	s := setup{connection, secret.NewToken()}
	return s.text(), pg.Exec(ctx, tx, "sso.OpenSetup", `UPDATE sso_connection SET setup_hash = $3 WHERE org_id = $1 AND id = $2`, org, connection, s.hash())
}
