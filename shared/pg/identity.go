package pg

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgxpool"

	"portico/shared/cache"
	"portico/shared/id"
)

// Identity runs transactions on how users sign in, in the home database. Only functions
// for signing in, for people's own accounts and for staff may connect as its role.
type Identity struct{ db *DB }

// identitySessions is how many sessions an environment has at most.
const identitySessions = 2

// OpenIdentity returns an Identity that connects when it is first used. url is that of the
// home database with another role's login; the roles share their password, or use IAM.
func OpenIdentity(ctx context.Context, url string) (*Identity, error) {
	config, err := poolConfig(url, identitySessions)
	if err != nil {
		return nil, err
	}
	config.ConnConfig.User = "portico_identity"
	pool, err := openPool(ctx, config)
	if err != nil {
		return nil, err
	}
	return &Identity{&DB{sessions: identitySessions, pools: Databases[*pgxpool.Pool]{Home: pool}, lastFound: cache.New[id.Org, string](foundAtMost, 0)}}, nil
}

// Close ends the sessions.
func (i *Identity) Close() { i.db.Close() }

// AsUser runs fn in a transaction bound to a user and commits it unless fn fails. It
// reaches the rows of this user only. Begin and binding cost no round trip of their own.
func (i *Identity) AsUser(ctx context.Context, user id.User, fn func(Tx) error) error {
	if user.IsZero() {
		return errors.New("pg.AsUser: no user")
	}
	return i.db.run(ctx, &orgTx{db: i.db, user: user, anyDatabase: true, database: Home}, fn, nil)
}

// Unbound runs the few statements that come before a user is known. Every table of users
// raises an error there.
func (i *Identity) Unbound() Querier { return i.db.Shared() }
