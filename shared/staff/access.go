package staff

import (
	"context"
	"time"

	"portico/shared/audit"
	"portico/shared/clock"
	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
)

// Longest is how long an access lasts at most.
const Longest = 4 * time.Hour

// Access is that a person of staff may enter an organization for a while.
type Access struct {
	ID        id.StaffAccess
	User      id.User
	Name      string // of the person
	Reason    string
	Member    id.Member // as whom the person looks at the organization; zero: as staff
	CreatedAt time.Time
	EndsAt    time.Time
	EndedAt   *time.Time // before EndsAt; nil: nobody has ended it
}

// ErrNoAccess is returned for an access that there is not.
var ErrNoAccess = fault.New(fault.NotFound, "staff_access_not_found", "There is no access of staff with this id.").
	Means("The organization has no access of staff with this id.")

const accessColumns = `id, user_id AS "user", name, reason, member_id AS member, created_at, ends_at, ended_at`

// IsOpen reports whether the person may enter at a time.
func (a Access) IsOpen(now time.Time) bool { return a.EndedAt == nil && now.Before(a.EndsAt) }

// Fields returns what the audit log shows of an access.
func (a Access) Fields() audit.Fields {
	f := audit.Fields{"name": a.Name, "reason": a.Reason, "ends_at": clock.Stamp(a.EndsAt), "ended_at": clock.StampOf(a.EndedAt), "member_id": nil}
	if !a.Member.IsZero() {
		f["member_id"] = a.Member.String()
	}
	return f
}

// Open writes an access.
func Open(ctx context.Context, tx pg.Tx, org id.Org, a Access) error {
	return pg.Exec(ctx, tx, "staff.Open", `
		INSERT INTO staff_access (org_id, id, user_id, name, reason, member_id, created_at, ends_at, ended_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		org, a.ID, a.User, a.Name, a.Reason, a.Member, a.CreatedAt, a.EndsAt, a.EndedAt)
}

// List returns up to limit accesses older than after, newest first. A zero after starts with
// the newest.
func List(ctx context.Context, tx pg.Tx, org id.Org, after id.StaffAccess, limit int) ([]Access, error) {
	return pg.List[Access](ctx, tx, "staff.List", `
		SELECT `+accessColumns+` FROM staff_access WHERE org_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`, org, after, limit)
}

// End ends an access, and returns it as it was before and is, or ErrNoAccess. One that has
// ended stays as it is.
func End(ctx context.Context, tx pg.Tx, org id.Org, wanted id.StaffAccess, now time.Time) (before, after Access, err error) {
	before, err = pg.One[Access](ctx, tx, "staff.End: lock", ErrNoAccess, `SELECT `+accessColumns+` FROM staff_access WHERE org_id = $1 AND id = $2 FOR UPDATE`, org, wanted)
	if err != nil || !before.IsOpen(now) {
		return before, before, err
	}
	after = before
	after.EndedAt = &now
	return before, after, pg.Exec(ctx, tx, "staff.End", `UPDATE staff_access SET ended_at = $3 WHERE org_id = $1 AND id = $2`, org, wanted, now)
}

// MayEnter reports whether an access of the person is open: as staff, or with a member one
// to look at the organization as this member.
func MayEnter(ctx context.Context, tx pg.Tx, org id.Org, user id.User, member id.Member, now time.Time) (bool, error) {
	return pg.Value[bool](ctx, tx, "staff.MayEnter", `
		SELECT EXISTS (SELECT FROM staff_access WHERE org_id = $1 AND user_id = $2 AND ended_at IS NULL AND ends_at > $4 AND member_id IS NOT DISTINCT FROM $3)`,
		org, user, member, now)
}
