package directory

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/member"
	"portico/shared/pg"
)

// Group is a group of a directory.
type Group struct {
	ID          id.DirectoryGroup
	DisplayName string
	ExternalID  string             // "": none
	Members     []id.DirectoryUser // sorted; people of the same directory only
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// mostGroups bounds a directory's groups.
const mostGroups = 1000

const groupColumns = `id, display_name, external_id, created_at, updated_at`

// ScanRow reads groupColumns.
func (g *Group) ScanRow(row pgx.Rows) error {
	return row.Scan(&g.ID, &g.DisplayName, &g.ExternalID, &g.CreatedAt, &g.UpdatedAt)
}

const whereGroup = ` FROM directory_group g WHERE org_id = $1 AND connection_id = $2 AND NOT $3
	AND ($4::uuid IS NULL OR id = $4) AND ($5::text IS NULL OR lower(display_name) = lower($5)) AND ($6::text IS NULL OR external_id = $6)
	AND ($7::uuid IS NULL OR EXISTS (SELECT FROM directory_group_user u WHERE u.org_id = $1 AND u.group_id = g.id AND u.user_id = $7))`

// Groups returns groups as Users does people; whole: with their members.
func (o *Open) Groups(ctx context.Context, f Find, skip, limit int, whole bool) (groups []Group, total int64, err error) {
	wanted, nothing := parsed[id.DirectoryGroup](f.ID)
	of, nobody := parsed[id.DirectoryUser](f.Member)
	args := []any{o.Org, o.Connection, f.Nothing || nothing || nobody, wanted, f.Name, f.ExternalID, of}
	if total, err = pg.Value[int64](ctx, o.tx, "directory.Groups: count", `SELECT count(*)`+whereGroup, args...); err != nil || limit == 0 {
		return nil, total, err
	}
	groups, err = pg.List[Group](ctx, o.tx, "directory.Groups", `SELECT `+groupColumns+whereGroup+` ORDER BY id OFFSET $8 LIMIT $9`, append(args, skip, limit)...)
	for i := range groups {
		if err == nil && whole {
			err = o.readMembers(ctx, &groups[i])
		}
	}
	return groups, total, err
}

func (o *Open) readMembers(ctx context.Context, g *Group) (err error) {
	g.Members, err = pg.Value[[]id.DirectoryUser](ctx, o.tx, "directory.readMembers", `
		SELECT coalesce(array_agg(user_id ORDER BY user_id), '{}') FROM directory_group_user WHERE org_id = $1 AND group_id = $2`, o.Org, g.ID)
	return err
}

// Group returns a group with its members, or ErrNoGroup.
func (o *Open) Group(ctx context.Context, wanted id.DirectoryGroup) (Group, error) {
	g, err := pg.One[Group](ctx, o.tx, "directory.Group", ErrNoGroup, `SELECT `+groupColumns+` FROM directory_group WHERE org_id = $1 AND connection_id = $2 AND id = $3`,
		o.Org, o.Connection, wanted)
	if err == nil {
		err = o.readMembers(ctx, &g)
	}
	return g, err
}

// AddGroup adds a group.
func (o *Open) AddGroup(ctx context.Context, g Group) (Group, error) {
	g.ID, g.CreatedAt, g.UpdatedAt = id.New[id.DirectoryGroup](o.by.now), o.by.now, o.by.now
	made, err := pg.Affect(ctx, o.tx, "directory.AddGroup", `
		INSERT INTO directory_group (org_id, connection_id, id, display_name, external_id, created_at, updated_at)
		SELECT $1, $2, $3, $4, $5, $6, $6 WHERE (SELECT count(*) FROM directory_group WHERE org_id = $1 AND connection_id = $2) < $7`,
		o.Org, o.Connection, g.ID, g.DisplayName, g.ExternalID, o.by.now, mostGroups)
	switch {
	case pg.IsUniqueViolation(err):
		return g, ErrTaken
	case err == nil && made == 0:
		return g, ErrFull
	case err == nil:
		g.Members, err = o.setMembers(ctx, g, nil)
	}
	if err != nil {
		return g, err
	}
	return g, o.logGroup(ctx, "directory_group.create", nil, &g)
}

// ChangeGroup makes a group what g says. The roles of its members change with it.
func (o *Open) ChangeGroup(ctx context.Context, g Group) (Group, error) {
	before, err := o.Group(ctx, g.ID)
	if err != nil {
		return g, err
	}
	g.CreatedAt, g.UpdatedAt = before.CreatedAt, o.by.now
	err = pg.Exec(ctx, o.tx, "directory.ChangeGroup", `
		UPDATE directory_group SET display_name = $3, external_id = $4, updated_at = $5 WHERE org_id = $1 AND id = $2`, o.Org, g.ID, g.DisplayName, g.ExternalID, o.by.now)
	if pg.IsUniqueViolation(err) {
		return g, ErrTaken
	}
	if err == nil {
		g.Members, err = o.setMembers(ctx, g, before.Members)
	}
	if err == nil && g.DisplayName != before.DisplayName {
		err = o.giveRoles(ctx, g.Members...)
	}
	if err != nil {
		return g, err
	}
	return g, o.logGroup(ctx, "directory_group.update", &before, &g)
}

// RemoveGroup removes a group. Its members get the roles that they have without it.
func (o *Open) RemoveGroup(ctx context.Context, wanted id.DirectoryGroup) error {
	g, err := o.Group(ctx, wanted)
	if err != nil {
		return err
	}
	if err := pg.Exec(ctx, o.tx, "directory.RemoveGroup", `DELETE FROM directory_group WHERE org_id = $1 AND id = $2`, o.Org, g.ID); err != nil {
		return err
	}
	if err := o.giveRoles(ctx, g.Members...); err != nil {
		return err
	}
	return o.logGroup(ctx, "directory_group.delete", &g, nil)
}

// setMembers makes these people the members of a group, and gives everybody who came or left
// their role. It returns ErrNoUser if one of them is not in the directory.
func (o *Open) setMembers(ctx context.Context, g Group, before []id.DirectoryUser) ([]id.DirectoryUser, error) {
	wanted := slices.Clone(g.Members)
	slices.SortFunc(wanted, func(a, b id.DirectoryUser) int { return cmp.Compare(a.String(), b.String()) })
	wanted = slices.Compact(wanted)
	came := slices.DeleteFunc(slices.Clone(wanted), func(u id.DirectoryUser) bool { return slices.Contains(before, u) })
	left := slices.DeleteFunc(slices.Clone(before), func(u id.DirectoryUser) bool { return slices.Contains(wanted, u) })
	if err := pg.Exec(ctx, o.tx, "directory.setMembers: left", `
		DELETE FROM directory_group_user WHERE org_id = $1 AND group_id = $2 AND user_id = ANY ($3)`, o.Org, g.ID, left); err != nil {
		return nil, err
	}
	added, err := pg.Affect(ctx, o.tx, "directory.setMembers", `
		INSERT INTO directory_group_user (org_id, group_id, user_id)
		SELECT $1, $2, id FROM directory_user WHERE org_id = $1 AND connection_id = $4 AND id = ANY ($3)`, o.Org, g.ID, came, o.Connection)
	if err != nil {
		return nil, err
	}
	if added != int64(len(came)) {
		return nil, ErrNoUser
	}
	return wanted, o.giveRoles(ctx, append(came, left...)...)
}

// hasRole is somebody whose role may have to change.
type hasRole struct {
	Member id.Member
	Groups []string
}

// giveRoles gives people the roles of their groups, or without one the connection's, if
// groups give roles here. Nobody gets or loses what the directory's maker could not give, and
// the last owner stays owner, whatever the groups.
func (o *Open) giveRoles(ctx context.Context, users ...id.DirectoryUser) error {
	return o.give(ctx, users, member.ErrLastOwner)
}

// give does that, and leaves those as they are whom one of these errors keeps from it.
func (o *Open) give(ctx context.Context, users []id.DirectoryUser, leaves ...error) error {
	if len(o.GroupRoles) == 0 || len(users) == 0 {
		return nil
	}
	list, err := pg.List[hasRole](ctx, o.tx, "directory.giveRoles", `
		SELECT u.member_id AS member, array(SELECT g.display_name FROM directory_group_user gu JOIN directory_group g ON g.org_id = gu.org_id AND g.id = gu.group_id
			WHERE gu.org_id = $1 AND gu.user_id = u.id) AS groups
		FROM directory_user u WHERE u.org_id = $1 AND u.id = ANY ($2) AND u.member_id IS NOT NULL ORDER BY u.member_id`, o.Org, users)
	if err != nil {
		return err
	}
	if err := member.HoldAll(ctx, o.tx, o.Org, membersOf(list)); err != nil {
		return err
	}
	for _, one := range list {
		if err := o.giveRole(ctx, one); err != nil && !slices.ContainsFunc(leaves, func(e error) bool { return errors.Is(err, e) }) {
			return err
		}
	}
	return nil
}

func membersOf(list []hasRole) (members []id.Member) {
	for _, one := range list {
		members = append(members, one.Member)
	}
	return members
}

func (o *Open) giveRole(ctx context.Context, one hasRole) error {
	ref, found := o.roleOf(one.Groups)
	if !found {
		ref = o.connection.DefaultRole
	}
	m, err := member.Get(ctx, o.tx, o.Org, one.Member)
	if err != nil || m.Role == ref {
		return err
	}
	before, after, err := member.Update(ctx, o.tx, o.Org, one.Member, member.Change{Role: &ref}, o.by.now, o.may(ctx))
	if err != nil {
		return err
	}
	return o.logMember(ctx, "member.update", &before, &after)
}
