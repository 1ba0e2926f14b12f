package account

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/auth"
	"portico/shared/cache"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/member"
	"portico/shared/org"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/session"
	"portico/shared/signin"
)

// Policy is what an organization demands of a member's sessions in it.
type Policy struct {
	Member      auth.Actor         // who the person is there
	Life        time.Duration      // of a session since the last full sign-in
	NeedsSecond bool               // whether a second factor is demanded on entering
	Entered     bool               // the person has been there by choice
	Connections []id.SSOConnection // that are active
	Enforced    bool               // nobody else enters than who comes by one of them,
	BreakGlass  bool               // except this person
}

var (
	// ErrBound is returned for a session by a connection, which is in the organization of
	// the connection alone, and only while the connection is active.
	ErrBound = errors.New("account: a session by a connection is in its organization alone")
	// ErrEnforced is returned if an organization is entered by its own connections only.
	ErrEnforced = errors.New("account: the organization is entered by its connections only")
)

// admits returns nil if an organization with this policy is entered by a connection, or, if
// that is none of an organization's, by other means; otherwise ErrBound or ErrEnforced.
func (p Policy) admits(connection string) error {
	of, bound := boundTo(connection)
	switch {
	case bound && !slices.Contains(p.Connections, of):
		return ErrBound
	case !bound && p.Enforced && !p.BreakGlass:
		return ErrEnforced
	}
	return nil
}

// alone is the policy of a session without an organization.
var alone = policyOf(org.Settings{})

func policyOf(set org.Settings) Policy {
	return Policy{Life: time.Duration(org.SessionHours.Of(set)) * time.Hour, NeedsSecond: org.RequireMFA.Of(set)}
}

// ScanRow reads what policyIn selects.
func (p *Policy) ScanRow(row pgx.Rows) error {
	var of id.Member
	var name string
	var set org.Settings
	var entered bool
	var connections []id.SSOConnection
	var enforced, breakGlass bool
	err := row.Scan(&of, &name, &set, &entered, &connections, &enforced, &breakGlass)
	*p = policyOf(set)
	p.Entered, p.Connections, p.Enforced, p.BreakGlass = entered, connections, enforced, breakGlass
	p.Member = auth.Actor{Type: auth.Member, ID: of.String(), Name: name}
	return err
}

// readPolicy reads what an organization demands of a person. It returns
// member.ErrRemoved if the person is no member of it.
func readPolicy(ctx context.Context, db *pg.DB, of id.Org, user id.User) (p Policy, err error) {
	if of.IsZero() {
		return alone, nil
	}
	err = db.InOrg(ctx, of, func(tx pg.Tx) error {
		p, err = policyIn(ctx, tx, of, user)
		return err
	})
	return p, err
}

func policyIn(ctx context.Context, tx pg.Tx, of id.Org, user id.User) (Policy, error) {
	return pg.One[Policy](ctx, tx, "account.policyIn", member.ErrRemoved, `
		SELECT m.id, m.name, o.settings, m.entered_at IS NOT NULL,
			array(SELECT c.id FROM sso_connection c WHERE c.org_id = $1 AND c.status = 'active'),
			EXISTS (SELECT FROM sso_connection c WHERE c.org_id = $1 AND c.status = 'active' AND c.enforced),
			m.predefined = 'owner' IS TRUE
				AND EXISTS (SELECT FROM sso_connection c WHERE c.org_id = $1 AND c.status = 'active' AND c.enforced AND c.break_glass_id = m.id)
		FROM member m JOIN organization o ON o.id = m.org_id
		WHERE m.org_id = $1 AND m.user_id = $2 AND o.deleted_at IS NULL`, of, user)
}

// Policy returns what an organization demands of a person who enters it now by a connection,
// or, if that is none of an organization's, by other means. It returns member.ErrRemoved,
// ErrBound or ErrEnforced. Without an organization it is what Portico demands of everybody.
func (d *Desk) Policy(ctx context.Context, of id.Org, user id.User, connection string) (Policy, error) {
	policy, err := readPolicy(ctx, d.DB, of, user)
	if err == nil {
		err = policy.admits(connection)
	}
	return policy, err
}

// first returns the organization that a person enters after signing in, with its policy:
// that of the session before, if it was theirs, or the oldest that they have entered by
// choice: whoever adds an address as a member does not decide it. Zero: there is none that
// lets the person in who has not come by its connection.
func (d *Desk) first(ctx context.Context, user id.User, previous session.Session) (id.Org, Policy, error) {
	if previous.User == user && !previous.Org.IsZero() {
		policy, err := d.Policy(ctx, previous.Org, user, "")
		if !isOut(err) {
			return previous.Org, policy, err
		}
	}
	all, err := identity.Memberships(ctx, d.DB, user)
	for _, m := range all { // also if another database does not answer
		if !m.Entered {
			continue
		}
		policy, err := d.Policy(ctx, m.Org, user, "")
		if !isOut(err) {
			return m.Org, policy, err
		}
	}
	return id.Org{}, alone, err
}

// isOut reports whether Policy says that the person does not enter.
func isOut(err error) bool {
	return errors.Is(err, member.ErrRemoved) || errors.Is(err, ErrBound) || errors.Is(err, ErrEnforced)
}

const (
	// policyFor is how long an environment relies on what it has read of a policy.
	policyFor = 5 * time.Second
	// policiesAtMost is how many policies an environment keeps in memory.
	policiesAtMost = 10_000
)

// Policies knows what organizations demand. It reads each policy once in five seconds: so
// after that time a removed member's session is in no organization any more, and fewer
// session_hours hold for sessions that began before.
type Policies struct {
	DB       *pg.DB
	Sessions *session.Store
	Clock    *clock.Clock
	known    *cache.Cache[inOrg, Policy]
}

type inOrg struct {
	org  id.Org
	user id.User
}

// NewPolicies returns the policies of all organizations.
func NewPolicies(db *pg.DB, sessions *session.Store, clock *clock.Clock) *Policies {
	return &Policies{DB: db, Sessions: sessions, Clock: clock, known: cache.New[inOrg, Policy](policiesAtMost, policyFor)}
}

func (p *Policies) of(ctx context.Context, key inOrg) (Policy, error) {
	now := p.Clock.Now()
	if known, fresh := p.known.Get(key, now); fresh {
		return known, nil
	}
	read, err := readPolicy(ctx, p.DB, key.org, key.user)
	if err == nil {
		p.known.Put(key, read, now)
	}
	return read, err
}

// Stays returns a live session as its organization allows it now. That of a member who
// was removed, or whom the organization now lets in only by its connection, has no
// organization; one by a connection, or that another host has got for the organization,
// ends then. One that is older than the organization allows ends too, and Stays returns
// session.Ended.
func (p *Policies) Stays(ctx context.Context, s session.Session) (session.Session, error) {
	policy, err := p.of(ctx, inOrg{s.Org, s.User})
	if err == nil {
		err = policy.admits(s.Connection)
	}
	end := func(why session.Why) (session.Session, error) {
		if err := p.Sessions.Revoke(ctx, s.User, s.ID, why); err != nil && !errors.Is(err, session.ErrNone) {
			return session.Session{}, err
		}
		return session.Session{}, session.Ended{Why: why}
	}
	switch {
	case isOut(err) && (Bound(s) || !s.Parent.IsZero()):
		return end(session.Revoked)
	case isOut(err):
		s.Org, policy = id.Org{}, alone
	case err != nil:
		return session.Session{}, err
	}
	if !p.Clock.Now().Before(s.SignedInAt.Add(policy.Life)) {
		return end(session.Absolute)
	}
	return s, nil
}

// Organizations lists the organizations that a person may enter.
func (d *Desk) Organizations(ctx context.Context, user id.User) ([]identity.Membership, error) {
	all, err := identity.Memberships(ctx, d.DB, user)
	if len(all) > 0 {
		err = nil // those of the other databases
	}
	return all, err
}

// Switch moves a session to another organization of its person and gives it a new secret.
// It returns member.ErrRemoved if the person is no member of it, ErrBound or ErrEnforced if it
// is entered otherwise, signin.ErrFactors if it
// demands a second factor that the session does not have, and session.Ended if the person
// has signed in too long ago for it. The session stays where it is then.
func (d *Desk) Switch(ctx context.Context, s session.Session, to id.Org, v Visitor) (session.Session, session.Cookie, error) {
	policy, err := d.Policy(ctx, to, s.User, s.Connection)
	if err != nil {
		return session.Session{}, session.Cookie{}, d.refused(ctx, s, to, err, v)
	}
	moved, cookie, err := d.entrance().Switch(ctx, s, to, policy.NeedsSecond, policy.Life, func() error {
		d.noteEnd(ctx, s.User, switched, v.Origin, []session.Session{s})
		return d.note(ctx, startSession, to, s.User, switched, v.Origin, s)
	})
	return moved, cookie, d.refused(ctx, s, to, err, v)
}

// refused writes into an organization's log that it does not let a session in, if that is what
// err says, and returns err.
func (d *Desk) refused(ctx context.Context, s session.Session, to id.Org, err error, v Visitor) error {
	if reason := refusal(err); reason != "" {
		err = errors.Join(err, d.note(ctx, refuseSession, to, s.User, reason, v.Origin, s))
	}
	return err
}

// refusal says in a log why a person may not enter an organization; "": it is not that.
func refusal(err error) string {
	var ended session.Ended
	switch {
	case errors.Is(err, signin.ErrFactors):
		return "factors"
	case errors.Is(err, ErrBound):
		return "other_connection"
	case errors.Is(err, ErrEnforced):
		return "sso_enforced"
	case errors.As(err, &ended):
		return string(ended.Why)
	}
	return ""
}

// ErrUnentered is returned if the person has not chosen to enter an organization that has
// added them. Otherwise its host would lead them in.
var ErrUnentered = errors.New("account: the person has never entered the organization")

// HandOver returns a code with which the host of an organization starts a session of its
// own for the person of this one; see signin.Entrance. It returns what Switch does,
// and ErrUnentered.
func (d *Desk) HandOver(ctx context.Context, s session.Session, to id.Org, host, state string, v Visitor) (secret.Token, error) {
	policy, err := d.Policy(ctx, to, s.User, s.Connection)
	if err != nil {
		return secret.Token{}, d.refused(ctx, s, to, err, v)
	}
	if !policy.Entered {
		return secret.Token{}, ErrUnentered
	}
	entrance := d.entrance()
	if err := entrance.Fits(s, policy.NeedsSecond, policy.Life); err != nil {
		return secret.Token{}, d.refused(ctx, s, to, err, v)
	}
	return entrance.HandOver(ctx, s, to, host, state)
}

// TakeOver starts a session at the host of an organization, for a browser that comes with a
// code from the site's own host and with the state that this host has given it. It returns
// signin.ErrNone, ErrUsed and ErrElsewhere for a code that does not work, and what Switch
// does.
func (d *Desk) TakeOver(ctx context.Context, code, state secret.Token, v Visitor) (session.Session, session.Cookie, error) {
	entrance := d.entrance()
	return entrance.TakeOver(ctx, signin.Arrival{
		Code: code, State: state, Host: v.Host, Device: v.Device(), By: v.Origin,
		Life: func(h signin.HandOff) (time.Duration, error) {
			policy, err := d.Policy(ctx, h.Org, h.User, h.Connection)
			if err == nil {
				err = entrance.Fits(session.Session{Factors: h.Factors, SignedInAt: h.SignedInAt}, policy.NeedsSecond, policy.Life)
			}
			return policy.Life, err
		},
	})
}
