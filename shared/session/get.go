package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portico/shared/dynamo"
)

// Get returns the session of a cookie at a host. It asks DynamoDB once in five
// seconds, and once a minute the same call writes that the session was used. If there
// is none, it returns ErrNone; if it has ended, Ended.
func (s *Store) Get(ctx context.Context, c Cookie, host string) (Session, error) {
	now, key := s.now(), c.key()
	found, fresh := s.cache.Get(key, now)
	if !fresh {
		var err error
		if found, err = s.read(ctx, c, host, found.SeenAt); err != nil {
			s.cache.Delete(key)
			return Session{}, err
		}
		s.cache.Put(key, found, now)
	}
	if found.Host != host {
		return Session{}, ErrNone
	}
	if why := found.end(now, s.idle); why != "" {
		return Session{}, Ended{why}
	}
	return found, nil
}

// Live returns nil if a session has not ended, as it is stored: without the five seconds of
// Get. It returns the errors of Get.
func (s *Store) Live(ctx context.Context, one Session) error {
	item, err := s.of(one.User).Get(ctx, one.key)
	if err != nil {
		return fmt.Errorf("session.Live: %w", err)
	}
	now := s.now()
	found, err := decode(one.User, item, now)
	if err != nil {
		return err
	}
	if why := found.end(now, s.idle); why != "" {
		return Ended{why}
	}
	return nil
}

// read reads a session in one call, which also writes that it was used if that was
// not written for a minute. seen is what this environment knows about that; zero:
// nothing, as for a new environment.
func (s *Store) read(ctx context.Context, c Cookie, host string, seen time.Time) (found Session, err error) {
	now := s.now()
	var item dynamo.Item
	if now.Sub(seen) < seenEvery {
		item, err = s.of(c.User).Get(ctx, c.key())
	} else {
		// The condition is false for a session that has ended, so that no use revives it.
		item, _, err = s.of(c.User).UpdateOrSee(ctx, c.key(), dynamo.Write{
			Update: "SET seen = :now",
			If:     "attribute_exists(pk) AND attribute_not_exists(ended) AND #host = :host AND ends > :now AND seen > :idle AND seen <= :minute",
			Names:  map[string]string{"#host": "host"},
			Values: dynamo.Item{
				":now": dynamo.Time(now), ":idle": dynamo.Time(now.Add(-s.idle)), ":minute": dynamo.Time(now.Add(-seenEvery)), ":host": dynamo.Text(host),
			},
		})
	}
	if err != nil {
		return Session{}, fmt.Errorf("session.Get: %w", err)
	}
	found, err = decode(c.User, item, now)
	if err != nil && !errors.Is(err, ErrNone) {
		err = fmt.Errorf("session.Get: %w", err)
	}
	return found, err
}
