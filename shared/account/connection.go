package account

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"portico/shared/audit"
	"portico/shared/auth"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/mail"
	"portico/shared/member"
	"portico/shared/pg"
	"portico/shared/provider"
	"portico/shared/role"
	"portico/shared/session"
	"portico/shared/signin"
	"portico/shared/sso"
)

// ErrNotAdmitted is returned for a login by a connection that lets nobody in. A trace tells
// the organization why; whoever has come is told no more than this.
var ErrNotAdmitted = errors.New("account: the connection lets nobody in")

// ConnectionTrip is what an attempt keeps of its way to the provider of a connection.
type ConnectionTrip struct {
	Connection id.SSOConnection `json:"connection"`
	Version    int64            `json:"version"` // of the connection
	// Asked is what the answer is compared with, or what was proven, as the protocol writes
	// it; nil: the answer was used.
	Asked json.RawMessage `json:"asked,omitempty"`
	Test  bool            `json:"test,omitempty"` // it lets nobody in, and only leaves a trace
}

// Text is what signin.Store.Ask keeps of the trip.
func (t ConnectionTrip) Text() string {
	text, _ := json.Marshal(t) // ids and JSON
	return string(text)
}

// ConnectionTripOf returns the trip of an attempt, or provider.ErrRefused.
func ConnectionTripOf(f signin.Flow) (t ConnectionTrip, err error) {
	if json.Unmarshal([]byte(f.Asked), &t) != nil || t.Connection.IsZero() {
		return t, provider.ErrRefused
	}
	return t, nil
}

// boundTo returns the connection by which somebody came whose session is in its
// organization alone; false: they came otherwise.
func boundTo(connection string) (id.SSOConnection, bool) {
	of, err := id.Parse[id.SSOConnection](connection)
	return of, err == nil
}

// Bound reports whether a session was proven by an organization's connection. Its person
// works in that organization alone, and cannot reach their own account: whoever runs the
// provider could be them.
func Bound(s session.Session) bool {
	_, bound := boundTo(s.Connection)
	return bound
}

// ConnectionOf returns the connection of an attempt. If it was disabled, changed or deleted
// since the attempt began, it returns ErrNotAdmitted, with a trace that says so. Call it
// before anything that the provider has answered is believed.
func (d *Desk) ConnectionOf(ctx context.Context, f signin.Flow) (sso.Found, error) {
	t, err := ConnectionTripOf(f)
	if err != nil {
		return sso.Found{}, err
	}
	c, err := sso.Find(ctx, d.DB, t.Connection)
	c.Test = t.Test
	switch {
	case errors.Is(err, sso.ErrNotFound):
		return c, fmt.Errorf("%w: it was deleted", ErrNotAdmitted) // with its traces
	case err != nil:
		return c, err
	case c.Status != sso.Active && !c.Test:
		return c, d.Refuse(ctx, c, sso.Callback, errDisabled.code, errDisabled.detail, nil)
	case c.Version != t.Version:
		return c, d.Refuse(ctx, c, sso.Callback, "changed_meanwhile", "The connection was changed while somebody signed in by it. They can try again.", nil)
	}
	return c, nil
}

// Refuse writes a trace that says why a connection lets nobody in, and returns
// ErrNotAdmitted. step is one of sso's, code is in snake case, detail is for people, and
// claims are redacted.
func (d *Desk) Refuse(ctx context.Context, c sso.Found, step, code, detail string, claims map[string]string) error {
	now := d.Clock.Now()
	t := sso.Trace{ID: id.New[id.SSOTrace](now), Step: step, Code: code, Detail: detail, Claims: claims, Test: c.Test}
	err := d.DB.InOrg(ctx, c.Org, func(tx pg.Tx) error { return sso.AddTrace(ctx, tx, c.Org, c.ID, t, now) })
	return errors.Join(Refused{t.ID, code, c.Test}, err)
}

// Refused is ErrNotAdmitted with the trace that says why.
type Refused struct {
	Trace id.SSOTrace
	Code  string
	Test  bool // it was a test, which lets nobody in
}

func (r Refused) Error() string { return fmt.Sprintf("%s: %s (%s)", ErrNotAdmitted, r.Code, r.Trace) }

// Is reports that it is ErrNotAdmitted.
func (r Refused) Is(target error) bool { return target == ErrNotAdmitted }

// Named is whom the provider of a connection names, after its answer was verified. Verified
// says that the provider answers for the address: an assertion of SAML always does.
type Named struct {
	provider.Person
	Claims map[string]string // all that the provider said, for a trace
}

// ByConnection signs in whom the provider of a connection names, as Proceed does, into the
// connection's organization alone. f is an attempt with a ConnectionTrip. Its protocol has
// verified the answer, and has used it up with Attempts.Ask, which keeps the trip without
// Asked: so an answer counts once.
//
// Who has not come before is the person with the address, if the organization has verified
// its domain and the connection may assert it; they become a member with the default role.
// If somebody never proved this address here, all that they have set goes. Whom the
// organization has removed stays out until somebody adds or invites them. Everybody who is
// not let in leaves a trace, and ByConnection returns ErrNotAdmitted. So does a test, which
// changes nothing.
func (d *Desk) ByConnection(ctx context.Context, f signin.Flow, n Named, previous session.Session, v Visitor) (Next, error) {
	c, err := d.ConnectionOf(ctx, f)
	if err != nil {
		return Next{}, err
	}
	n.Issuer, n.Email = c.Issuer, mail.CleanAddress(n.Email)
	next, err := d.byConnection(ctx, c, f, n, previous, v)
	if why, ok := reasonOf(err); ok {
		err = errors.Join(d.Refuse(ctx, c, sso.Admit, why.code, why.detail, n.Claims), err)
	}
	return next, err
}

func (d *Desk) byConnection(ctx context.Context, c sso.Found, f signin.Flow, n Named, previous session.Session, v Visitor) (Next, error) {
	linked := identity.ProviderAccount{Connection: c.ID.String(), Issuer: n.Issuer, Subject: n.Subject, Email: n.Email}
	user, err := identity.FindLinked(ctx, d.People, linked)
	if err != nil {
		return Next{}, err
	}
	login, err := d.login(ctx, n.Email)
	if err != nil {
		return Next{}, err
	}
	err = d.DB.InOrg(ctx, c.Org, func(tx pg.Tx) error {
		at, err := standingOf(ctx, tx, c, cmp.Or(user, login.User), n.Email)
		return errors.Join(err, n.mayEnter(c, at))
	})
	if err == nil && c.Test {
		err = d.Refuse(ctx, c, sso.Admit, sso.OK, "The person would be signed in.", n.Claims)
	}
	if err != nil {
		return Next{}, err
	}
	user, version, err := d.identify(ctx, c, user, login, linked, n.Name, v)
	if err == nil {
		err = d.employ(ctx, c, user, v)
	}
	if err != nil {
		return Next{}, err
	}
	return d.Proceed(ctx, f, signin.Proof{User: user, Version: version, Method: signin.SSO, Connection: c.ID.String()}, previous, v)
}

// notLet is why an organization does not let somebody in whom its provider names.
type notLet struct{ code, detail string }

func (n notLet) Error() string { return "account: " + n.code }

var (
	errUnproven   = notLet{"email_unproven", "The provider does not say that the address is proven (email_verified)."}
	errForeign    = notLet{"domain_foreign", "The domain of the address is none of the connection's domains."}
	errUnverified = notLet{"domain_unverified", "The domain of the address is not a verified domain of the organization any more."}
	errSuspended  = notLet{"person_suspended", "The person may not sign in to Portico, or their credentials were changed in this moment."}
	errDisabled   = notLet{"disabled_meanwhile", "The connection was disabled while somebody signed in by it."}
	errRemoved    = notLet{"member_removed", "The organization has removed this member. Add or invite them to let them in again."}
)

// reasonOf returns what a trace says of why somebody was not let in; false: something else is
// wrong.
func reasonOf(err error) (notLet, bool) {
	for _, known := range []struct {
		err error
		notLet
	}{
		{errUnproven, errUnproven}, {errForeign, errForeign}, {errUnverified, errUnverified}, {errRemoved, errRemoved}, {member.ErrRemoved, errRemoved},
		{ErrBound, errDisabled},
		{member.ErrTooMany, notLet{"too_many_members", "The organization has as many members as it may have."}},
		{role.ErrNotInModel, notLet{"role_not_in_model", "The connection's default role is none of the organization's role model. Choose another one."}},
		{identity.ErrProviderAccount, notLet{"subject_malformed", "The provider names nobody, or with a text that is too long."}},
		{identity.ErrTooManyLinks, notLet{"too_many_accounts", "The person has linked too many accounts to theirs."}},
		{ErrWrong, errSuspended}, {ErrLink, errSuspended},
	} {
		if errors.Is(err, known.err) {
			return known.notLet, true
		}
	}
	return notLet{}, false
}

// standing is what an organization knows of somebody whom its provider names.
type standing struct{ Verified, Member, Former bool }

// standingOf reads it in one statement: who is removed meanwhile is a member or a former one.
func standingOf(ctx context.Context, tx pg.Tx, c sso.Found, user id.User, email string) (standing, error) {
	return pg.One[standing](ctx, tx, "account.standingOf", nil, `
		SELECT EXISTS (SELECT FROM domain d JOIN organization o ON o.id = d.org_id
				WHERE d.org_id = $1 AND d.name = $4 AND d.verified_at IS NOT NULL AND o.deleted_at IS NULL) AS verified,
			EXISTS (SELECT FROM member WHERE org_id = $1 AND user_id = coalesce($2, user_with($3))) AS member,
			EXISTS (SELECT FROM former_member WHERE org_id = $1 AND (user_id = $2 OR email_hash = $5)) AS former`,
		c.Org, user, email, sso.DomainOf(email), member.HashOf(email))
}

func (n Named) mayEnter(c sso.Found, at standing) error {
	switch {
	case n.Email == "" || !n.Verified:
		return errUnproven
	case !slices.Contains(c.Domains, sso.DomainOf(n.Email)):
		return errForeign
	case !at.Verified:
		return errUnverified
	case at.Former && !at.Member:
		return errRemoved
	}
	return nil
}

// identify returns the person whose account a provider names, and the version of their
// credentials. user is who has linked it; zero: nobody has, so it is linked to who has the
// address. Somebody new gets an account without an organization of their own.
func (d *Desk) identify(ctx context.Context, c sso.Found, user id.User, login identity.Login, linked identity.ProviderAccount, called string, v Visitor) (id.User, int64, error) {
	switch {
	case !user.IsZero():
		version, err := d.UseLinked(ctx, user, linked)
		return user, version, err
	case login.EmailVerifiedAt.IsZero():
		return d.make(ctx, linked.Email, Person{Name: personName(called, linked.Email)}, v, func(tx pg.Tx, user id.User) error {
			return identity.Link(ctx, tx, user, linked, v.Origin, d.Clock.Now())
		})
	}
	version, err := d.LinkTo(ctx, login, linked, c.Name, v.Locale, v)
	return login.User, version, err
}

// employ makes a person a member of a connection's organization, unless they are one.
func (d *Desk) employ(ctx context.Context, c sso.Found, user id.User, v Visitor) error {
	var who identity.Profile
	err := d.People.AsUser(ctx, user, func(tx pg.Tx) (err error) {
		who, err = identity.GetProfile(ctx, tx, user)
		return err
	})
	if err != nil {
		return err
	}
	now := d.Clock.Now()
	err = d.DB.InOrg(ctx, c.Org, func(tx pg.Tx) error {
		at, err := standingOf(ctx, tx, c, user, who.Email)
		switch {
		case err != nil || at.Member:
			return err
		case at.Former:
			return errRemoved
		}
		if err := member.CheckRole(ctx, tx, c.Org, c.DefaultRole, func(role.Role) error { return nil }); err != nil {
			return err
		}
		m, err := member.Insert(ctx, tx, c.Org, member.Member{ID: id.New[id.Member](now), UserID: user, Email: who.Email, Name: who.Name, Role: c.DefaultRole, CreatedAt: now})
		if err != nil {
			return err
		}
		return audit.Insert(ctx, tx, c.Org, audit.Entry{
			Action: "member.create", Actor: audit.Actor{Type: auth.Member, ID: m.ID.String(), Name: m.Name}, Targets: []audit.Target{audit.Of("member", m.ID)},
			After: audit.Fields{"email": m.Email, "name": m.Name, "role": m.Role.String(), "locale": m.Locale}, Origin: v.Origin, CreatedAt: now,
		})
	})
	if errors.Is(err, member.ErrExists) { // in this moment
		err = nil
	}
	return err
}
