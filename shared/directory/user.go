package directory

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/member"
	"portico/shared/pg"
)

// User is a person of a directory.
type User struct {
	ID          id.DirectoryUser
	UserName    string
	ExternalID  string // "": none
	Email       string // in lower case
	GivenName   string
	FamilyName  string
	DisplayName string
	Active      bool
	Member      id.Member // zero: no member
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Groups      []GroupOf
}

// GroupOf is a group of a person.
type GroupOf struct {
	ID   id.DirectoryGroup
	Name string
}

// name is the member's name.
func (u User) name() string {
	return cmp.Or(u.DisplayName, strings.TrimSpace(u.GivenName+" "+u.FamilyName))
}

// Find names what must be equal; nil: anything may be there.
type Find struct {
	ID          *string
	Name        *string // the user name, or the display name of a group
	ExternalID  *string
	DisplayName *string // of a person
	Email       *string
	Active      *bool
	Member      *string // of a group
	Nothing     bool    // two of them contradict each other
}

const userColumns = `id, user_name, external_id, email, given_name, family_name, display_name, active, member_id, created_at, updated_at`

// ScanRow reads userColumns.
func (u *User) ScanRow(row pgx.Rows) error {
	return row.Scan(&u.ID, &u.UserName, &u.ExternalID, &u.Email, &u.GivenName, &u.FamilyName, &u.DisplayName, &u.Active, &u.Member, &u.CreatedAt, &u.UpdatedAt)
}

const whereUser = ` FROM directory_user WHERE org_id = $1 AND connection_id = $2 AND NOT $3
	AND ($4::uuid IS NULL OR id = $4) AND ($5::text IS NULL OR lower(user_name) = lower($5)) AND ($6::text IS NULL OR external_id = $6)
	AND ($7::text IS NULL OR display_name = $7) AND ($8::text IS NULL OR email = lower($8)) AND ($9::boolean IS NULL OR active = $9)`

// Users returns up to limit of the people who are wanted, the oldest first, without the first
// skip, and how many there are.
func (o *Open) Users(ctx context.Context, f Find, skip, limit int) (users []User, total int64, err error) {
	wanted, nothing := parsed[id.DirectoryUser](f.ID)
	args := []any{o.Org, o.Connection, f.Nothing || nothing, wanted, f.Name, f.ExternalID, f.DisplayName, f.Email, f.Active}
	if total, err = pg.Value[int64](ctx, o.tx, "directory.Users: count", `SELECT count(*)`+whereUser, args...); err != nil || limit == 0 {
		return nil, total, err
	}
	users, err = pg.List[User](ctx, o.tx, "directory.Users", `SELECT `+userColumns+whereUser+` ORDER BY id OFFSET $10 LIMIT $11`, append(args, skip, limit)...)
	for i := range users {
		if err == nil {
			err = o.readGroups(ctx, &users[i])
		}
	}
	return users, total, err
}

// parsed reads an id that is wanted; nothing: there can be none.
func parsed[I any, P interface {
	*I
	UnmarshalText([]byte) error
}](text *string) (wanted *I, nothing bool) {
	if text == nil {
		return nil, false
	}
	one, err := id.Parse[I, P](*text)
	return &one, err != nil
}

func (o *Open) readGroups(ctx context.Context, u *User) (err error) {
	u.Groups, err = pg.List[GroupOf](ctx, o.tx, "directory.readGroups", `
		SELECT g.id, g.display_name AS name FROM directory_group_user gu JOIN directory_group g ON g.org_id = gu.org_id AND g.id = gu.group_id
		WHERE gu.org_id = $1 AND gu.user_id = $2 ORDER BY g.id`, o.Org, u.ID)
	return err
}

// User returns a person, or ErrNoUser.
func (o *Open) User(ctx context.Context, wanted id.DirectoryUser) (User, error) {
	u, err := pg.One[User](ctx, o.tx, "directory.User", ErrNoUser, `SELECT `+userColumns+` FROM directory_user WHERE org_id = $1 AND connection_id = $2 AND id = $3`,
		o.Org, o.Connection, wanted)
	if err == nil {
		err = o.readGroups(ctx, &u)
	}
	return u, err
}

// AddUser adds a person, who becomes a member if they are active.
func (o *Open) AddUser(ctx context.Context, u User) (User, error) {
	u.ID, u.CreatedAt, u.UpdatedAt = id.New[id.DirectoryUser](o.by.now), o.by.now, o.by.now
	if err := o.inDomain(ctx, u.Email); err != nil {
		return u, err
	}
	made, err := pg.Affect(ctx, o.tx, "directory.AddUser", `
		INSERT INTO directory_user (org_id, connection_id, id, user_name, external_id, email, given_name, family_name, display_name, active, created_at, updated_at)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11 WHERE (SELECT count(*) FROM directory_user WHERE org_id = $1 AND connection_id = $2) < $12`,
		o.Org, o.Connection, u.ID, u.UserName, u.ExternalID, u.Email, u.GivenName, u.FamilyName, u.DisplayName, u.Active, o.by.now, member.Most)
	switch {
	case pg.IsUniqueViolation(err):
		return u, ErrTaken
	case err == nil && made == 0:
		return u, ErrFull
	case err == nil && u.Active:
		err = o.join(ctx, &u)
	}
	if err != nil {
		return u, err
	}
	return u, o.logUser(ctx, "directory_user.create", nil, &u)
}

// ChangeUser makes a person what u says. Who is active no more is no member any more; who
// becomes active again is a new one.
func (o *Open) ChangeUser(ctx context.Context, u User) (User, error) {
	before, err := o.User(ctx, u.ID)
	if err != nil {
		return u, err
	}
	u.Member, u.CreatedAt, u.UpdatedAt, u.Groups = before.Member, before.CreatedAt, o.by.now, before.Groups
	if u.Email != before.Email || u.Active && !before.Active {
		if err := o.inDomain(ctx, u.Email); err != nil {
			return u, err
		}
	}
	err = pg.Exec(ctx, o.tx, "directory.ChangeUser", `
		UPDATE directory_user SET user_name = $3, external_id = $4, email = $5, given_name = $6, family_name = $7, display_name = $8, active = $9, updated_at = $10
		WHERE org_id = $1 AND id = $2`, o.Org, u.ID, u.UserName, u.ExternalID, u.Email, u.GivenName, u.FamilyName, u.DisplayName, u.Active, o.by.now)
	switch {
	case pg.IsUniqueViolation(err):
		return u, ErrTaken
	case err != nil:
	case u.Active && !before.Active:
		err = o.join(ctx, &u)
	case !u.Active && before.Active:
		err = o.leave(ctx, &u)
	case u.name() != before.name():
		err = o.rename(ctx, u)
	}
	if err != nil {
		return u, err
	}
	return u, o.logUser(ctx, "directory_user.update", &before, &u)
}

// RemoveUser removes a person, who is no member any more.
func (o *Open) RemoveUser(ctx context.Context, wanted id.DirectoryUser) error {
	u, err := o.User(ctx, wanted)
	if err != nil {
		return err
	}
	before := u
	if err := o.leave(ctx, &u); err != nil {
		return err
	}
	if err := pg.Exec(ctx, o.tx, "directory.RemoveUser", `DELETE FROM directory_user WHERE org_id = $1 AND id = $2`, o.Org, u.ID); err != nil {
		return err
	}
	return o.logUser(ctx, "directory_user.delete", &before, nil)
}

// join makes a person a member, or finds the member that they are already.
func (o *Open) join(ctx context.Context, u *User) error {
	m, err := member.OfAddress(ctx, o.tx, o.Org, u.Email)
	if errors.Is(err, member.ErrNotFound) {
		m, err = o.newMember(ctx, *u)
	}
	if err != nil {
		return err
	}
	u.Member = m.ID
	err = pg.Exec(ctx, o.tx, "directory.join", `UPDATE directory_user SET member_id = $3 WHERE org_id = $1 AND id = $2`, o.Org, u.ID, m.ID)
	if pg.IsUniqueViolation(err) {
		return ErrTaken
	}
	if err != nil {
		return err
	}
	return o.giveRoles(ctx, u.ID)
}

func (o *Open) newMember(ctx context.Context, u User) (member.Member, error) {
	ref := o.connection.DefaultRole
	if byGroup, found := o.roleOf(names(u.Groups)); found {
		ref = byGroup
	}
	if err := member.CheckRole(ctx, o.tx, o.Org, ref, o.may(ctx)); err != nil {
		return member.Member{}, err
	}
	user, err := member.FindUser(ctx, o.desk.DB, u.Email, o.by.now)
	if err != nil {
		return member.Member{}, err
	}
	m, err := member.Insert(ctx, o.tx, o.Org, member.Member{ID: id.New[id.Member](o.by.now), UserID: user, Email: u.Email, Name: u.name(), Role: ref, CreatedAt: o.by.now})
	if err != nil {
		return m, err
	}
	return m, o.logMember(ctx, "member.create", nil, &m)
}

func names(groups []GroupOf) (list []string) {
	for _, g := range groups {
		list = append(list, g.Name)
	}
	return list
}

// leave ends a person's membership, and with it their sessions in the organization.
func (o *Open) leave(ctx context.Context, u *User) error {
	if u.Member.IsZero() {
		return nil
	}
	m, err := member.Delete(ctx, o.tx, o.Org, u.Member, o.may(ctx))
	if err != nil {
		return err
	}
	u.Member = id.Member{}
	return o.logMember(ctx, "member.delete", &m, nil)
}

func (o *Open) rename(ctx context.Context, u User) error {
	if u.Member.IsZero() {
		return nil
	}
	name := u.name()
	before, after, err := member.Update(ctx, o.tx, o.Org, u.Member, member.Change{Name: &name}, o.by.now, o.may(ctx))
	if err != nil {
		return err
	}
	return o.logMember(ctx, "member.update", &before, &after)
}
