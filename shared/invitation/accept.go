package invitation

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"portico/shared/apikey"
	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/member"
	"portico/shared/oauth"
	"portico/shared/pg"
	"portico/shared/role"
)

// Person is who accepts an invitation, with the address that they have proven.
type Person struct {
	User  id.User
	Email string
	Name  string
}

// Accept makes a person a member. Who is a member already keeps their role. It returns
// ErrNotFound, ErrEnded, ErrAnother, and ErrLapsed if the inviter could not add the member
// now. It writes the entry of the audit log.
func Accept(ctx context.Context, tx pg.Tx, org id.Org, wanted id.Invitation, p Person, by audit.Origin, now time.Time) error {
	i, err := lockOpen(ctx, tx, org, wanted, p.Email, now)
	if err != nil {
		return err
	}
	m, err := member.OfUser(ctx, tx, org, p.User)
	if errors.Is(err, member.ErrNotFound) {
		m, err = join(ctx, tx, org, i, p, now)
	}
	if err != nil {
		return err
	}
	if err := member.Enter(ctx, tx, org, m.ID, now); err != nil {
		return err
	}
	if err := pg.Exec(ctx, tx, "invitation.Accept", `UPDATE invitation SET accepted_at = $3 WHERE org_id = $1 AND id = $2`, org, i.ID, now); err != nil {
		return err
	}
	return audit.Insert(ctx, tx, org, audit.Entry{
		Action: "invitation.accept", Actor: audit.Actor{Type: auth.Member, ID: m.ID.String(), Name: m.Name}, Targets: []audit.Target{audit.Of("invitation", i.ID), audit.Of("member", m.ID)},
		After: Fields(i), Origin: by, CreatedAt: now,
	})
}

// Decline ends an invitation at the wish of whoever has proven its address. It returns
// ErrNotFound, ErrEnded and ErrAnother. It writes the entry of the audit log.
func Decline(ctx context.Context, tx pg.Tx, org id.Org, wanted id.Invitation, email string, by audit.Origin, now time.Time) error {
	i, err := lockOpen(ctx, tx, org, wanted, email, now)
	if err != nil {
		return err
	}
	if err := pg.Exec(ctx, tx, "invitation.Decline", `UPDATE invitation SET revoked_at = $3, declined = true WHERE org_id = $1 AND id = $2`, org, i.ID, now); err != nil {
		return err
	}
	return audit.Insert(ctx, tx, org, audit.Entry{
		Action: "invitation.decline", Actor: audit.Actor{Type: auth.System, ID: "invitation", Name: i.Email}, Targets: []audit.Target{audit.Of("invitation", i.ID)},
		Before: Fields(i), Origin: by, CreatedAt: now,
	})
}

// lockOpen returns an open invitation of an address, which stays as it is until the
// transaction ends.
func lockOpen(ctx context.Context, tx pg.Tx, org id.Org, wanted id.Invitation, email string, now time.Time) (Invitation, error) {
	i, err := Lock(ctx, tx, org, wanted)
	switch {
	case err != nil:
		return i, err
	case !strings.EqualFold(i.Email, email):
		return i, ErrAnother
	case i.Status(now) != Open:
		return i, ErrEnded
	}
	return i, nil
}

// Fields are what an audit entry shows of an invitation.
func Fields(i Invitation) audit.Fields {
	return audit.Fields{"email": i.Email, "role": i.Role.String(), "locale": i.Locale}
}

func join(ctx context.Context, tx pg.Tx, org id.Org, i Invitation, p Person, now time.Time) (member.Member, error) {
	err := member.CheckRole(ctx, tx, org, i.Role, func(r role.Role) error {
		given, err := Gives(ctx, tx, org, i.Inviter, now)
		if err == nil {
			err = role.MayGrant(append(slices.Clone(r.Permissions), auth.MembersWrite), given)
		}
		return err
	})
	if errors.Is(err, role.ErrNotFound) || errors.Is(err, role.ErrGrantExceeded) || errors.Is(err, member.ErrRemoved) {
		err = errors.Join(ErrLapsed, err)
	}
	if err != nil {
		return member.Member{}, err
	}
	return member.Insert(ctx, tx, org, member.Member{
		ID: id.New[id.Member](now), UserID: p.User, Email: strings.ToLower(p.Email), Name: p.Name, Role: i.Role, Locale: i.Locale, CreatedAt: now,
	})
}

// Gives returns what an inviter, or who has made a directory, may give to others now: a key that was rotated what its
// successor may.
func Gives(ctx context.Context, tx pg.Tx, org id.Org, by auth.Actor, now time.Time) (auth.Set, error) {
	switch by.Type {
	case auth.StaffKey, auth.Staff:
		return auth.All(), nil // it was checked when it was made; they may do it at any time
	case auth.Member:
		inviter, err := id.Parse[id.Member](by.ID)
		if err != nil {
			return nil, err
		}
		judge, err := member.Judge(ctx, tx, org, inviter)
		return role.Authority{Judge: judge}.Gives(), err
	case auth.APIKey:
		return keyGives(ctx, tx, org, by.ID, now)
	case auth.OAuthClient:
		app, err := id.Parse[id.OAuthClient](by.ID)
		if err != nil {
			return nil, err
		}
		client, err := oauth.Get(ctx, tx, org, app)
		if errors.Is(err, oauth.ErrNotFound) {
			err = nil
		}
		return client.Permissions, err
	}
	return nil, nil
}

func keyGives(ctx context.Context, tx pg.Tx, org id.Org, text string, now time.Time) (auth.Set, error) {
	next, err := id.Parse[id.APIKey](text)
	if err != nil {
		return nil, err
	}
	var key apikey.Stored
	for !next.IsZero() {
		if key, err = apikey.Get(ctx, tx, org, next); err != nil {
			return nil, err
		}
		next = key.ReplacedBy
	}
	if s := key.Status(now); s == apikey.Revoked || s == apikey.Expired {
		return nil, nil
	}
	return key.Permissions, nil
}
