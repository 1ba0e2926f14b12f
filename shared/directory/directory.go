// Package directory has the lists by which identity providers say who the members of an
// organization are, and in which groups. What providers send (SCIM) is in shared/pages/scim.
package directory

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/hostname"
	"portico/shared/id"
	"portico/shared/invitation"
	"portico/shared/member"
	"portico/shared/pg"
	"portico/shared/role"
	"portico/shared/secret"
	"portico/shared/sso"
)

// Directory is the directory of a connection.
type Directory struct {
	Connection id.SSOConnection
	GroupRoles []GroupRole
	// Maker is who has made or changed it last. It gives and takes no more than they may now.
	Maker     auth.Actor
	CreatedAt time.Time
	UpdatedAt time.Time

	tokenHash []byte
}

// GroupRole is the role of those who are in a group. Of several the first counts.
type GroupRole struct {
	Group string   `json:"group"`
	Role  role.Ref `json:"role"`
}

// MostGroupRoles bounds them.
const MostGroupRoles = 100

var (
	// ErrNotFound is returned when the connection has no directory.
	ErrNotFound = fault.New(fault.NotFound, "directory_not_found", "The connection has no directory.").
			Means("The single sign-on connection has no directory.")
	// ErrExists is returned when the connection has one.
	ErrExists = fault.New(fault.Conflict, "directory_exists", "The connection has a directory. Change it, or rotate its token.").
			Means("The single sign-on connection has a directory already.")
)

// What a provider may be told.
var (
	// ErrToken is returned when no directory has the token.
	ErrToken = errors.New("directory: no such directory, or another token")
	// ErrNoUser, ErrNoGroup: there is none with this id.
	ErrNoUser  = errors.New("directory: there is no such person")
	ErrNoGroup = errors.New("directory: there is no such group")
	// ErrTaken is returned when another person or group has the name.
	ErrTaken = errors.New("directory: another one has this name, or is the same member")
	// ErrDomain is returned for an address outside of the connection's verified domains.
	ErrDomain = errors.New("directory: the address is in no verified domain of the connection")
	// ErrFull is returned when there are as many as there may be.
	ErrFull = errors.New("directory: it is full")
)

const columns = `connection_id, token_hash, group_roles, maker_type, maker_id, created_at, updated_at`

// ScanRow reads columns.
func (d *Directory) ScanRow(row pgx.Rows) error {
	return row.Scan(&d.Connection, &d.tokenHash, &d.GroupRoles, &d.Maker.Type, &d.Maker.ID, &d.CreatedAt, &d.UpdatedAt)
}

// Insert writes a new directory, or returns ErrExists.
func Insert(ctx context.Context, tx pg.Tx, org id.Org, d Directory, token secret.Token) error {
	err := pg.Exec(ctx, tx, "directory.Insert", `
		INSERT INTO directory (org_id, connection_id, token_hash, group_roles, maker_type, maker_id, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)`,
		org, d.Connection, token.Sum(), list(d.GroupRoles), d.Maker.Type, d.Maker.ID, d.CreatedAt)
	if pg.IsUniqueViolation(err) {
		return ErrExists
	}
	return err
}

// list returns an empty list for nil, which would be null.
func list(l []GroupRole) []GroupRole { return append([]GroupRole{}, l...) }

// Get returns the directory of a connection, or ErrNotFound.
func Get(ctx context.Context, tx pg.Tx, org id.Org, connection id.SSOConnection) (Directory, error) {
	return get(ctx, tx, org, connection, "")
}

// Lock does the same. Nothing else changes the directory or anybody in it until the
// transaction ends.
func Lock(ctx context.Context, tx pg.Tx, org id.Org, connection id.SSOConnection) (Directory, error) {
	return get(ctx, tx, org, connection, " FOR UPDATE")
}

func get(ctx context.Context, tx pg.Tx, org id.Org, connection id.SSOConnection, lock string) (Directory, error) {
	return pg.One[Directory](ctx, tx, "directory.Get", ErrNotFound, `SELECT `+columns+` FROM directory WHERE org_id = $1 AND connection_id = $2`+lock, org, connection)
}

// Save writes the roles of groups, and who has changed them.
func Save(ctx context.Context, tx pg.Tx, org id.Org, d Directory, now time.Time) error {
	return pg.Exec(ctx, tx, "directory.Save", `
		UPDATE directory SET group_roles = $3, maker_type = $4, maker_id = $5, updated_at = $6 WHERE org_id = $1 AND connection_id = $2`,
		org, d.Connection, list(d.GroupRoles), d.Maker.Type, d.Maker.ID, now)
}

// Rotate replaces the token: the one before works no more.
func Rotate(ctx context.Context, tx pg.Tx, org id.Org, connection id.SSOConnection, token secret.Token, now time.Time) error {
	return pg.Exec(ctx, tx, "directory.Rotate", `
		UPDATE directory SET token_hash = $3, updated_at = $4 WHERE org_id = $1 AND connection_id = $2`, org, connection, token.Sum(), now)
}

// Delete removes a directory with its people and groups. The members stay.
func Delete(ctx context.Context, tx pg.Tx, org id.Org, connection id.SSOConnection) error {
	return pg.Exec(ctx, tx, "directory.Delete", `DELETE FROM directory WHERE org_id = $1 AND connection_id = $2`, org, connection)
}

// Open is a directory in a transaction, for a provider that has its token.
type Open struct {
	Directory
	Org id.Org

	connection sso.Connection
	desk       *Desk
	tx         pg.Tx
	by         by
}

// Enter runs a function in the directory of a connection, if the token is its own; otherwise
// it returns ErrToken. One that changes something waits for the one before it.
func (d *Desk) Enter(ctx context.Context, connection id.SSOConnection, token secret.Token, changes bool, origin Origin, fn func(*Open) error) error {
	found, err := sso.Find(ctx, d.DB, connection)
	if errors.Is(err, sso.ErrNotFound) {
		return ErrToken
	}
	if err != nil {
		return err
	}
	return d.DB.InOrg(ctx, found.Org, func(tx pg.Tx) error {
		lock := Get
		if changes {
			lock = Lock
		}
		one, err := lock(ctx, tx, found.Org, connection)
		if errors.Is(err, ErrNotFound) {
			return ErrToken
		}
		if err != nil {
			return err
		}
		open, err := pg.Value[bool](ctx, tx, "directory.Enter", `SELECT EXISTS (SELECT FROM organization WHERE id = $1 AND deleted_at IS NULL)`, found.Org)
		if err != nil {
			return err
		}
		if !open || subtle.ConstantTimeCompare(one.tokenHash, token.Sum()) != 1 {
			return ErrToken
		}
		return fn(&Open{Directory: one, Org: found.Org, connection: found.Connection, desk: d, tx: tx, by: by{origin, d.Clock.Now()}})
	})
}

// may is a check that the directory's maker may give and take a role now.
func (o *Open) may(ctx context.Context) func(role.Role) error {
	return func(r role.Role) error {
		gives, err := invitation.Gives(ctx, o.tx, o.Org, o.Maker, o.by.now)
		if errors.Is(err, member.ErrRemoved) {
			gives, err = nil, nil
		}
		if err != nil {
			return err
		}
		return role.MayGrant(append(slices.Clone(r.Permissions), auth.MembersWrite), gives)
	}
}

// roleOf returns the role of somebody who is in these groups; false: groups give none.
func (d Directory) roleOf(groups []string) (role.Ref, bool) {
	for _, g := range d.GroupRoles {
		if slices.ContainsFunc(groups, func(name string) bool { return strings.EqualFold(name, g.Group) }) {
			return g.Role, true
		}
	}
	return role.Ref{}, false
}

// inDomain returns ErrDomain if an address is in no verified domain of the connection.
func (o *Open) inDomain(ctx context.Context, email string) error {
	domain := sso.DomainOf(email)
	verified, err := hostname.Owns(ctx, o.tx, o.Org, domain)
	if err == nil && (!verified || !slices.Contains(o.connection.Domains, domain)) {
		return ErrDomain
	}
	return err
}

// prefix begins the tokens of providers, so that they are recognized where they should not be.
const prefix = "pds_"

// TokenText returns a token as the provider sends it.
func TokenText(t secret.Token) string { return prefix + t.Text() }

// ParseToken reads what TokenText returns.
func ParseToken(text string) (t secret.Token, err error) {
	rest, ours := strings.CutPrefix(text, prefix)
	if !ours {
		return t, ErrToken
	}
	return secret.ParseToken(rest)
}

// Path is where directories are served.
const Path = "/scim/v2/"

// BaseURL is the address of a connection's directory. public is where the pages are.
func BaseURL(public string, of id.SSOConnection) string {
	return strings.TrimSuffix(public, "/") + Path + of.String()
}
