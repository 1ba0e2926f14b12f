package oauth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"portico/shared/cache"
	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/id"
	"portico/shared/secret"
)

const (
	// trusted is how long an environment uses a grant that it has read. It bounds how
	// long a revoked one still works.
	trusted = 5 * time.Second
	cached  = 10_000
	// kept is how long a grant stays after its code has ended without being redeemed, and
	// how long the code takes the grant away if it is used again. Later it is only refused:
	// it may come from an old log.
	kept = 10 * time.Minute
)

// Store keeps the grants. Each environment has one.
type Store struct {
	table dynamo.Sorted
	box   *secret.Box
	clock *clock.Clock
	known *cache.Cache[id.OAuthGrant, found]
}

// found is a grant that was read, or why there is none.
type found struct {
	grant Grant
	err   error
}

// NewStore returns the grants in the table Identity.
func NewStore(table dynamo.Sorted, box *secret.Box, clock *clock.Clock) *Store {
	return &Store{table: table, box: box, clock: clock, known: cache.New[id.OAuthGrant, found](cached, trusted)}
}

const grantKey = "grant"

func (s *Store) of(grant id.OAuthGrant) dynamo.Partition {
	return s.table.Partition("grant#" + grant.String())
}

func (s *Store) now() time.Time { return s.clock.Now().Truncate(time.Millisecond) }

var errUngranted = Error{InvalidGrant, "the code or token is not valid, has ended, or belongs to another app"}

// Begin completes and stores a grant, and returns the code for it, which works once and
// for a minute.
func (s *Store) Begin(ctx context.Context, g *Grant) (code string, err error) {
	now := s.now()
	if err := s.prepare(ctx, g, now); err != nil {
		return "", err
	}
	g.forget = now.Add(codeFor + kept)
	if err := s.put(ctx, *g); err != nil {
		return "", err
	}
	return g.token(authorization, now.Add(codeFor).Truncate(time.Second)), nil
}

// Issue does the same for a grant that needs no code, as an app's for itself, and returns
// its tokens.
func (s *Store) Issue(ctx context.Context, g *Grant) (Tokens, error) {
	now := s.now()
	if err := s.prepare(ctx, g, now); err != nil {
		return Tokens{}, err
	}
	g.Generation = 1
	return g.tokens(now), s.put(ctx, *g)
}

func (s *Store) prepare(ctx context.Context, g *Grant, now time.Time) (err error) {
	g.ID, g.Scopes = id.New[id.OAuthGrant](now), append([]string{}, ordered(g.Scopes)...)
	g.CreatedAt, g.EndsAt, g.Generation = now, now.Add(g.life()), 0
	g.RotatedAt, g.forget = now, g.EndsAt
	g.seed = make([]byte, 32)
	_, _ = rand.Read(g.seed) // never fails
	g.era, err = s.era(ctx, *g)
	return err
}

// life returns how long the grant lives.
func (g Grant) life() time.Duration {
	if g.HasScope(OfflineAccess) {
		return grantFor
	}
	return accessFor + codeFor
}

func (s *Store) put(ctx context.Context, g Grant) error {
	if err := s.of(g.ID).Put(ctx, grantKey, s.encode(g), dynamo.Write{If: "attribute_not_exists(pk)"}); err != nil {
		return fmt.Errorf("oauth: put: %w", err)
	}
	return nil
}

// load returns a grant as it is now.
func (s *Store) load(ctx context.Context, grant id.OAuthGrant) (Grant, error) {
	item, err := s.of(grant).Get(ctx, grantKey)
	if err != nil {
		return Grant{}, fmt.Errorf("oauth: load: %w", err)
	}
	g, err := s.decode(grant, item, s.now())
	if err != nil {
		return g, err
	}
	return s.inEra(ctx, g)
}

// read returns the grant of a token whose MAC is right, for one app; zero: any.
func (s *Store) read(ctx context.Context, t token, client id.OAuthClient) (Grant, error) {
	g, err := s.load(ctx, t.grant)
	if err == nil && (!t.isOf(g.seed) || !client.IsZero() && g.Client != client) {
		err = errUngranted
	}
	return g, err
}

// advance moves a grant to its next generation, if nobody else has. Otherwise won is
// false and the grant is as it is then.
func (s *Store) advance(ctx context.Context, g Grant) (next Grant, won bool, err error) {
	now := s.now()
	item, won, err := s.of(g.ID).UpdateOrSee(ctx, grantKey, dynamo.Write{
		Update: "SET generation = :next, rotated = :now, expires_at = :until",
		If:     "generation = :this AND attribute_not_exists(revoked) AND ends > :now",
		Values: dynamo.Item{
			":this": dynamo.Number(int64(g.Generation)), ":next": dynamo.Number(int64(g.Generation) + 1),
			":now": dynamo.Time(now), ":until": dynamo.Number(g.EndsAt.Add(time.Second).Unix()),
		},
	})
	if err != nil {
		return g, false, fmt.Errorf("oauth: advance: %w", err)
	}
	s.known.Delete(g.ID)
	next, err = s.decode(g.ID, item, now)
	return next, won, err
}

// Refresh gives an app the tokens of the next generation for a refresh token, which then
// works no more. For the grace it still gives the same successor; after that, or if it is
// older, the grant is taken away, because somebody else may have the token.
func (s *Store) Refresh(ctx context.Context, text string, client id.OAuthClient, check func(Grant) error) (Grant, Tokens, error) {
	t, err := parse(text)
	if err != nil || t.kind != refresh {
		return Grant{}, Tokens{}, errUngranted
	}
	g, err := s.read(ctx, t, client)
	if err == nil {
		err = g.check(s.now())
	}
	if err == nil && !s.now().Before(t.end) {
		err = errUngranted
	}
	if err == nil {
		err = check(g)
	}
	if err != nil {
		return Grant{}, Tokens{}, err
	}
	if t.generation == g.Generation {
		if g, _, err = s.advance(ctx, g); err == nil {
			err = g.check(s.now())
		}
		if err != nil {
			return Grant{}, Tokens{}, err
		}
	}
	if t.generation+1 != g.Generation || s.now().Sub(g.RotatedAt) > grace {
		return Grant{}, Tokens{}, s.reused(ctx, g)
	}
	return g, g.tokens(s.now()), nil
}

// reused takes a grant away because a code or refresh token was used again.
func (s *Store) reused(ctx context.Context, g Grant) error {
	if err := s.Revoke(ctx, g.ID, Reused); err != nil {
		return err
	}
	return Revoked{g, Reused}
}

// Revoke takes a grant away: none of its tokens works then, in other environments after
// five seconds. If it is gone or revoked already, nothing changes.
func (s *Store) Revoke(ctx context.Context, grant id.OAuthGrant, why Why) error {
	defer s.known.Delete(grant)
	err := s.of(grant).Update(ctx, grantKey, dynamo.Write{
		Update: "SET revoked = :now, why = :why",
		If:     "attribute_exists(pk) AND attribute_not_exists(revoked)",
		Values: dynamo.Item{":now": dynamo.Time(s.now()), ":why": dynamo.Text(string(why))},
	})
	if err != nil && !dynamo.IsRefused(err) {
		return fmt.Errorf("oauth.Revoke: %w", err)
	}
	return nil
}

// Access returns the grant of an access token for a resource. It asks DynamoDB once in
// five seconds.
func (s *Store) Access(ctx context.Context, text, resource string) (Grant, error) {
	t, err := parse(text)
	now := s.now()
	if err != nil || t.kind != access || !now.Before(t.end) {
		return Grant{}, errUngranted
	}
	seen, fresh := s.known.Get(t.grant, now)
	if !fresh {
		seen.grant, seen.err = s.load(ctx, t.grant)
		if seen.err != nil && !errors.Is(seen.err, errUngranted) {
			return Grant{}, seen.err
		}
		s.known.Put(t.grant, seen, now)
	}
	g := seen.grant
	switch {
	case seen.err != nil:
		return Grant{}, seen.err
	case !t.isOf(g.seed):
		return Grant{}, errUngranted
	// An empty resource never equals another: a stage without an address accepts no app.
	case resource == "" || g.Resource != resource:
		return Grant{}, Error{InvalidTarget, "the token is for another resource"}
	}
	return g, g.check(now)
}

// Of returns the grant of an access or refresh token of an app, for introspection and
// revocation; zero: of any app. ok: the token is good for something now.
func (s *Store) Of(ctx context.Context, text string, client id.OAuthClient) (g Grant, end time.Time, ok bool, err error) {
	t, err := parse(text)
	if err != nil || t.kind == authorization {
		return g, end, false, nil
	}
	g, err = s.read(ctx, t, client)
	if errors.Is(err, errUngranted) {
		return Grant{}, end, false, nil
	}
	now := s.now()
	ok = err == nil && g.check(now) == nil && now.Before(t.end) && (t.kind == access || t.generation == g.Generation)
	return g, t.end, ok, err
}
