package directory

import (
	"context"
	"errors"
	"slices"

	"portico/shared/auth"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/member"
	"portico/shared/pg"
	"portico/shared/role"
	"portico/shared/sso"
)

// followAtOnce is how many people get their roles in a step of the job.
const followAtOnce = 50

// following are the arguments of the job.
type following struct {
	Connection id.SSOConnection    `json:"connection"`
	Groups     []id.DirectoryGroup `json:"groups"`
}

var followKind = job.Kind[following]{Name: "directory.follow_groups", Queue: job.High, PerOrg: 1}

// FollowKind is the kind of the job that gives the people of groups the roles that the
// directory says then. A repetition changes nothing.
func FollowKind(clocks *clock.Clock) job.Declared {
	kind := followKind
	kind.Work = job.Steps(func(ctx context.Context, tx pg.Tx, j job.Job, f following, at id.Member) (next id.Member, more bool, err error) {
		one, err := Lock(ctx, tx, j.Org, f.Connection)
		if errors.Is(err, ErrNotFound) {
			return next, false, nil
		}
		if err != nil {
			return next, false, err
		}
		connection, err := sso.Get(ctx, tx, j.Org, f.Connection)
		if err != nil {
			return next, false, err
		}
		o := &Open{Directory: one, Org: j.Org, connection: connection, tx: tx, by: by{Origin{RequestID: j.RequestID}, clocks.Now()}}
		people, err := o.inGroups(ctx, f.Groups, at, followAtOnce)
		if err != nil || len(people) == 0 {
			return next, false, err
		}
		return people[len(people)-1].Member, len(people) == followAtOnce, o.follow(ctx, people)
	})
	return kind
}

// Follow adds a job that gives the people of groups whose roles have changed the roles that they
// have then. It changes nobody's role whom the directory's maker could not change, neither the
// maker's own nor the last owner's. A later change needs a job of its own: its groups may be others.
func (d Directory) Follow(ctx context.Context, tx pg.Tx, org id.Org, before Directory) error {
	if slices.Equal(before.GroupRoles, d.GroupRoles) || len(d.GroupRoles) == 0 {
		return nil
	}
	var named []string
	for _, g := range slices.Concat(before.GroupRoles, d.GroupRoles) {
		named = append(named, g.Group)
	}
	groups, err := pg.Value[[]id.DirectoryGroup](ctx, tx, "directory.Follow", `
		SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM directory_group
		WHERE org_id = $1 AND connection_id = $2 AND lower(display_name) IN (SELECT lower(name) FROM unnest($3::text[]) name)`, org, d.Connection, named)
	if err == nil && len(groups) > 0 {
		_, err = job.Add(ctx, tx, org, followKind, following{d.Connection, groups}, job.Options{})
	}
	return err
}

// follower is a member in a group.
type follower struct {
	Member id.Member
	User   id.DirectoryUser
}

// inGroups returns up to limit members in some groups whose ids are greater than after.
func (o *Open) inGroups(ctx context.Context, groups []id.DirectoryGroup, after id.Member, limit int) ([]follower, error) {
	return pg.List[follower](ctx, o.tx, "directory.inGroups", `
		SELECT u.member_id AS member, u.id AS user FROM directory_user u
		WHERE u.org_id = $1 AND u.connection_id = $2 AND u.member_id IS NOT NULL AND ($4::uuid IS NULL OR u.member_id > $4)
			AND EXISTS (SELECT FROM directory_group_user gu WHERE gu.org_id = $1 AND gu.user_id = u.id AND gu.group_id = ANY ($3))
		ORDER BY u.member_id LIMIT $5`, o.Org, o.Connection, groups, after, limit)
}

func (o *Open) follow(ctx context.Context, people []follower) error {
	var users []id.DirectoryUser
	for _, p := range people {
		if o.Maker != (auth.Actor{Type: auth.Member, ID: p.Member.String(), Name: o.Maker.Name}) { // nobody changes their own role
			users = append(users, p.User)
		}
	}
	return o.give(ctx, users, member.ErrLastOwner, role.ErrGrantExceeded)
}
