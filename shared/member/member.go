// Package member holds the people of an organization. A user is one person,
// known by their e-mail address; a member is a user in one organization, with a
// role there.
package member

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/auth"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/role"
)

// Member is a user in an organization. Name is the name that this organization
// uses; it never sees the names that others use.
type Member struct {
	ID        id.Member
	UserID    id.User
	Email     string
	Name      string
	Role      role.Ref
	Locale    string // the language of mails, such as de; "": the organization's
	CreatedAt time.Time
	UpdatedAt time.Time
}

var (
	// ErrNotFound is returned when the member does not exist or belongs to
	// another organization.
	ErrNotFound = fault.New(fault.NotFound, "member_not_found", "There is no member with this id.").
			Means("Your organization has no member with this id.")
	// ErrExists is returned when the user is a member already.
	ErrExists = fault.New(fault.Conflict, "member_exists", "Somebody with this e-mail address is a member already.").
			Means("Somebody with this e-mail address is a member already.")
	// ErrLastOwner is returned when the change would leave the organization
	// without an owner.
	ErrLastOwner = fault.New(fault.Conflict, "last_owner", "This is the last owner. Make another member owner first.").
			Means("The last owner cannot lose the role owner or be removed.")
	// ErrOwnRole is returned when members would change what they may do themselves.
	ErrOwnRole = fault.New(fault.Denied, "own_role", "You cannot change your own role. Ask another owner or admin.").
			Means("Nobody can change their own role, or a role that they have.")
	// ErrTooMany is returned when the organization already has Most members.
	ErrTooMany = fault.New(fault.Conflict, "too_many_members", fmt.Sprintf("An organization has at most %d members.", Most)).
			Means("The organization has reached the limit of members.")
)

// Most bounds an organization's members.
const Most = 10_000

const columns = `m.id, m.user_id, u.email, m.name, m.predefined, m.role_id, m.locale, m.created_at, m.updated_at`

// FindUser looks in every database for the user with an e-mail address and
// returns the user's id, or a new id if there is none: a member of organizations
// in two databases is one user.
func FindUser(ctx context.Context, db *pg.DB, email string, now time.Time) (user id.User, err error) {
	if len(db.Others()) > 0 { // otherwise Insert asks
		user, err = KnownUser(ctx, db, email)
	}
	if err == nil && user.IsZero() {
		user = id.New[id.User](now)
	}
	return user, err
}

// KnownUser returns the user with an e-mail address in any database; zero: there is none.
func KnownUser(ctx context.Context, db *pg.DB, email string) (id.User, error) {
	return pg.Search[id.User](ctx, db.All(), "member.KnownUser", `SELECT user_with($1)`, email)
}

// Insert makes the user with m.Email a member. If the database has no user with
// this address, it creates one with the id m.UserID. It returns the member with
// the id of its user.
func Insert(ctx context.Context, tx pg.Tx, org id.Org, m Member) (Member, error) {
	user, err := pg.Value[id.User](ctx, tx, "member.Insert: user", `SELECT user_of($1, $2, $3)`, m.Email, m.Name, m.UserID)
	if err != nil {
		return Member{}, err
	}
	m.UserID = user
	made, err := pg.Affect(ctx, tx, "member.Insert", `
		INSERT INTO member (org_id, id, user_id, name, predefined, role_id, locale, created_at, updated_at)
		SELECT $1, $2, $3, $4, nullif($5, ''), $6, $9, $7, $7 WHERE (SELECT count(*) FROM member WHERE org_id = $1) < $8`,
		org, m.ID, m.UserID, m.Name, m.Role.Predefined, m.Role.Custom, m.CreatedAt, Most, m.Locale)
	switch {
	case pg.IsUniqueViolation(err):
		return Member{}, ErrExists
	case err != nil:
		return Member{}, err
	case made == 0:
		return Member{}, ErrTooMany
	}
	m.UpdatedAt = m.CreatedAt
	return m, nil
}

// Get returns the organization's member or ErrNotFound.
func Get(ctx context.Context, tx pg.Tx, org id.Org, member id.Member) (Member, error) {
	return pg.One[Member](ctx, tx, "member.Get", ErrNotFound, `
		SELECT `+columns+` FROM member m JOIN user_account u ON u.id = m.user_id WHERE m.org_id = $1 AND m.id = $2`, org, member)
}

// OfUser returns the organization's member who is a user, or ErrNotFound.
func OfUser(ctx context.Context, tx pg.Tx, org id.Org, user id.User) (Member, error) {
	return pg.One[Member](ctx, tx, "member.OfUser", ErrNotFound, `
		SELECT `+columns+` FROM member m JOIN user_account u ON u.id = m.user_id WHERE m.org_id = $1 AND m.user_id = $2`, org, user)
}

// OfAddress returns the organization's member with an e-mail address, or ErrNotFound.
func OfAddress(ctx context.Context, tx pg.Tx, org id.Org, email string) (Member, error) {
	return pg.One[Member](ctx, tx, "member.OfAddress", ErrNotFound, `
		SELECT `+columns+` FROM member m JOIN user_account u ON u.id = m.user_id WHERE m.org_id = $1 AND m.user_id = user_with($2)`, org, email)
}

// Known reports whether an address is that of a member.
func Known(ctx context.Context, tx pg.Tx, org id.Org, email string) (bool, error) {
	return pg.Value[bool](ctx, tx, "member.Known", `
		SELECT EXISTS (SELECT FROM member m WHERE m.org_id = $1 AND m.user_id = user_with($2))`, org, email)
}

// List returns up to limit members older than after, newest first. A zero after
// starts with the newest.
func List(ctx context.Context, tx pg.Tx, org id.Org, after id.Member, limit int) ([]Member, error) {
	return pg.List[Member](ctx, tx, "member.List", `
		SELECT `+columns+` FROM member m JOIN user_account u ON u.id = m.user_id
		WHERE m.org_id = $1 AND ($2::uuid IS NULL OR m.id < $2) ORDER BY m.id DESC LIMIT $3`, org, after, limit)
}

// Holders returns up to limit members whose role allows something whatever the
// circumstances, the longest members first. Roles with a condition and resource grants
// do not count.
func Holders(ctx context.Context, tx pg.Tx, org id.Org, permission auth.Permission, limit int) ([]Member, error) {
	var predefined []string
	for _, r := range role.AllPredefined() {
		if slices.Contains(r.Permissions, permission) {
			predefined = append(predefined, r.Name)
		}
	}
	return pg.List[Member](ctx, tx, "member.Holders", `
		SELECT `+columns+` FROM member m JOIN user_account u ON u.id = m.user_id
		WHERE m.org_id = $1 AND (m.predefined = ANY ($2)
			OR m.role_id IN (SELECT id FROM role WHERE org_id = $1 AND condition = '' AND $3 = ANY (permissions)))
		ORDER BY m.id LIMIT $4`, org, predefined, string(permission), limit)
}

// ScanRow reads columns.
func (m *Member) ScanRow(row pgx.Rows) error {
	var predefined *string
	err := row.Scan(&m.ID, &m.UserID, &m.Email, &m.Name, &predefined, &m.Role.Custom, &m.Locale, &m.CreatedAt, &m.UpdatedAt)
	if predefined != nil {
		m.Role.Predefined = *predefined
	}
	return err
}
