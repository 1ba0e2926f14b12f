package oauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portico/shared/cache"
	"portico/shared/clock"
	"portico/shared/id"
	"portico/shared/pg"
)

// Clients finds apps by their ids, of whatever organization. It reads an app once in five
// seconds, so what was changed holds everywhere after that time.
type Clients struct {
	db    *pg.DB
	clock *clock.Clock
	known *cache.Cache[id.OAuthClient, known]
	orgs  *cache.Cache[id.OAuthClient, id.Org]
}

type known struct {
	client Registered
	err    error
}

// NewClients returns the apps of all organizations.
func NewClients(db *pg.DB, clock *clock.Clock) *Clients {
	return &Clients{
		db: db, clock: clock,
		known: cache.New[id.OAuthClient, known](cached, trusted), orgs: cache.New[id.OAuthClient, id.Org](cached, time.Hour),
	}
}

// Get returns an app or ErrNotFound.
func (s *Clients) Get(ctx context.Context, client id.OAuthClient) (Registered, error) {
	return s.find(ctx, client, func() error { return nil })
}

// find does the same. It calls stranger before it asks Postgres for an app of which this
// environment knows nothing; an error of stranger is returned.
func (s *Clients) find(ctx context.Context, client id.OAuthClient, stranger func() error) (Registered, error) {
	now := s.clock.Now()
	if one, fresh := s.known.Get(client, now); fresh {
		return one.client, one.err
	}
	c, err := s.read(ctx, client, stranger, now)
	if err == nil || errors.Is(err, ErrNotFound) {
		s.known.Put(client, known{c, err}, now)
	}
	return c, err
}

// read reads an app from Postgres: first, once in an hour, which organization's it is.
func (s *Clients) read(ctx context.Context, client id.OAuthClient, stranger func() error, now time.Time) (Registered, error) {
	org, fresh := s.orgs.Get(client, now)
	if !fresh {
		err := stranger()
		if err != nil {
			return Registered{}, err
		}
		if org, err = pg.Search[id.Org](ctx, s.db.All(), "oauth.Clients", `SELECT oauth_client_org($1)`, client); err != nil {
			return Registered{}, err
		}
		if org.IsZero() {
			return Registered{}, ErrNotFound
		}
		s.orgs.Put(client, org, now)
	}
	found := Registered{Org: org}
	err := s.db.InOrg(ctx, org, func(tx pg.Tx) (err error) {
		found.Client, err = Get(ctx, tx, org, client)
		return err
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("oauth.Clients: %w", err)
	}
	return found, err
}
