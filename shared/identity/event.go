package identity

import (
	"context"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/pg"
)

// Event is one thing that happened to a user's account.
type Event struct {
	ID        id.UserEvent
	Action    string
	Method    string // by which means, such as password; "": by none
	Detail    string // more of it for people, such as the name of a passkey; at most 500 characters
	Origin    audit.Origin
	CreatedAt time.Time
}

// Actions are those that operations on the own account write.
var Actions = []string{UpdateUser, ChangePassword, RevokeSession, EndSession, RevokeGrant, LeaveOrganization}

// The actions, as <noun>.<verb>.
const (
	UpdateUser        = "user.update"
	VerifyEmail       = "user.verify_email"
	ChangePassword    = "user.change_password"
	ChangeEmail       = "user.change_email"
	UndoEmail         = "user.undo_email" // a change of the address is taken back
	SuspendUser       = "user.suspend"    // by staff
	UnsuspendUser     = "user.unsuspend"  // by staff
	StartSession      = "session.start"
	RefuseSession     = "session.refuse"     // written by refuse_session
	EndSession        = "session.end"        // of one
	RevokeSession     = "session.revoke"     // of all
	RevokeGrant       = "oauth_grant.revoke" // of all that an app had
	LeaveOrganization = "organization.leave"
	LinkAccount       = "provider_account.link"
	UnlinkAccount     = "provider_account.unlink"
	EnrolFactor       = "factor.enrol"
	UseFactor         = "factor.use" // of a recovery code
	RemoveFactor      = "factor.remove"
	ResetFactor       = "factor.reset" // written by reset_factors_of
)

// The methods of factors.
const (
	methodTOTP         = "totp"
	methodRecoveryCode = "recovery_code"
)

func newEvent(action string, by audit.Origin, now time.Time) Event {
	return Event{ID: id.New[id.UserEvent](now), Action: action, Origin: by, CreatedAt: now}
}

// Record adds an event to the user's history.
func Record(ctx context.Context, tx pg.Tx, user id.User, e Event) error {
	ip, userAgent := e.Origin.Columns()
	return pg.Exec(ctx, tx, "identity.Record", `
		INSERT INTO user_event (user_id, id, action, method, detail, source_ip, user_agent, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		user, e.ID, e.Action, e.Method, e.Detail, ip, userAgent, e.CreatedAt)
}

// change does what comes with every change of a credential: it raises the credential
// version, which locks the login, and adds an event to the history. Call it first, so that
// transactions take their locks in the same order.
func change(ctx context.Context, tx pg.Tx, user id.User, e Event) error {
	raised, err := pg.Affect(ctx, tx, "identity.change", `UPDATE user_login SET credential_version = credential_version + 1 WHERE user_id = $1`, user)
	switch {
	case err != nil:
		return err
	case raised == 0:
		return ErrNoLogin
	}
	return Record(ctx, tx, user, e)
}

// Events returns up to limit events of the user older than after, newest first. A zero
// after starts with the newest.
func Events(ctx context.Context, tx pg.Tx, user id.User, after id.UserEvent, limit int) ([]Event, error) {
	return pg.List[Event](ctx, tx, "identity.Events", `
		SELECT id, action, method, detail, source_ip, user_agent, created_at FROM user_event
		WHERE user_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`, user, after, limit)
}

// ScanRow reads what Events selects.
func (e *Event) ScanRow(row pgx.Rows) error {
	var ip *netip.Addr
	err := row.Scan(&e.ID, &e.Action, &e.Method, &e.Detail, &ip, &e.Origin.UserAgent, &e.CreatedAt)
	if ip != nil {
		e.Origin.SourceIP = *ip
	}
	return err
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
