package identity

import (
	"context"
	"time"

	"portico/shared/id"
	"portico/shared/member"
	"portico/shared/pg"
)

// Membership is an organization that a user may enter.
type Membership struct {
	Org    id.Org
	Name   string
	Member id.Member
	// Entered: by choice. Otherwise somebody has added the user, who has not been there yet.
	Entered bool
}

// mostMemberships bounds what one database returns: strangers may add a user to any number
// of organizations.
const mostMemberships = 200

// Memberships returns the organizations of a user in all databases, in each those
// that they have entered and then the oldest first. If a database does not answer, it returns those of the others together
// with the error.
func Memberships(ctx context.Context, db *pg.DB, user id.User) (all []Membership, err error) {
	err = db.All().Each(func(_ string, q pg.Querier) error {
		list, err := pg.List[Membership](ctx, q, "identity.Memberships",
			`SELECT org_id AS org, org_name AS name, member_id AS member, entered FROM memberships_of($1, $2)`, user, mostMemberships)
		all = append(all, list...)
		return err
	})
	return all, err
}

// Factors says how a member signs in, without any secret.
type Factors struct {
	EmailVerified bool
	Password      bool
	TOTP          bool
	Passkeys      int
	RecoveryCodes int // that still work
	Identities    int
	LastSignInAt  *time.Time
}

// FactorsOf returns the factors of a member of the organization to which tx is bound; the
// zero Factors for a member who has never signed in. Call it last in the transaction.
func FactorsOf(ctx context.Context, tx pg.Tx, org id.Org, of id.Member) (f Factors, err error) {
	err = atHome(ctx, tx, org, of, func(tx pg.Tx, user id.User) error {
		f, err = pg.One[Factors](ctx, tx, "identity.FactorsOf", nil, `SELECT * FROM factors_of($1)`, user)
		return err
	})
	return f, err
}

// About is what a user says of themselves.
type About struct {
	Name          string
	Email         string
	EmailVerified bool
}

// AboutOf returns what a member of the organization to which tx is bound says of themselves,
// or ErrNoLogin for one who cannot sign in. Call it last in the transaction.
func AboutOf(ctx context.Context, tx pg.Tx, org id.Org, of id.Member) (about About, err error) {
	err = atHome(ctx, tx, org, of, func(tx pg.Tx, user id.User) error {
		about, err = pg.One[About](ctx, tx, "identity.AboutOf", ErrNoLogin, `SELECT name, email, email_verified FROM profile_of($1)`, user)
		return err
	})
	return about, err
}

// ResetFactors removes the second factors of a member of the organization to which tx is
// bound, and returns whether there were any. The user signs in with the first factor alone
// until a new one is enrolled. If there were any, then runs on the platform's own rows while
// the login is locked; if it fails, the factors stay. Call it last in the transaction.
func ResetFactors(ctx context.Context, tx pg.Tx, org id.Org, of id.Member, now time.Time, then func(pg.Tx, id.User) error) (removed bool, err error) {
	err = atHome(ctx, tx, org, of, func(tx pg.Tx, user id.User) error {
		removed, err = pg.Value[bool](ctx, tx, "identity.ResetFactors", `SELECT reset_factors_of($1, $2)`, user, id.New[id.UserEvent](now))
		if err != nil || !removed {
			return err
		}
		return pg.OnPlatform(ctx, tx, func(tx pg.Tx) error { return then(tx, user) })
	})
	return removed, err
}

// atHome runs fn at home, where credentials are, for a member of the organization. At home
// the function in the database checks again that the user is a member.
func atHome(ctx context.Context, tx pg.Tx, org id.Org, of id.Member, fn func(pg.Tx, id.User) error) error {
	m, err := member.Get(ctx, tx, org, of)
	if err != nil {
		return err
	}
	if pg.DatabaseOf(tx) == pg.Home {
		return fn(tx, m.UserID)
	}
	return pg.OnPlatform(ctx, tx, func(tx pg.Tx) error { return fn(tx, m.UserID) })
}
