package identity

import (
	"context"
	"time"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/pg"
)

// SessionEnded records that one session of the user ends, and why.
func SessionEnded(ctx context.Context, tx pg.Tx, user id.User, why string, by audit.Origin, now time.Time) error {
	e := newEvent(EndSession, by, now)
	e.Detail = why
	return Record(ctx, tx, user, e)
}

// RevokeSessions records that all sessions of the user end, and why. It raises the
// credential version, so that who has proved something before does not enter after it.
// The login stays locked until the transaction ends; end the sessions before that.
func RevokeSessions(ctx context.Context, tx pg.Tx, user id.User, why string, by audit.Origin, now time.Time) error {
	e := newEvent(RevokeSession, by, now)
	e.Detail = why
	return change(ctx, tx, user, e)
}

// AppTakenAway records that an app has no access any more.
func AppTakenAway(ctx context.Context, tx pg.Tx, user id.User, name string, by audit.Origin, now time.Time) error {
	e := newEvent(RevokeGrant, by, now)
	e.Detail = name
	return Record(ctx, tx, user, e)
}

// LeftOrganization records that the user has left an organization. It does not lock the
// login: so the member can be removed in another transaction before this one ends.
func LeftOrganization(ctx context.Context, tx pg.Tx, user id.User, name string, by audit.Origin, now time.Time) error {
	e := newEvent(LeaveOrganization, by, now)
	e.Detail = name
	return Record(ctx, tx, user, e)
}
