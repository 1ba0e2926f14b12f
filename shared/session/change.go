package session

import (
	"context"
	"fmt"
	"time"

	"portico/shared/dynamo"
	"portico/shared/id"
)

// Renew gives a session a new secret, because its person has proved factors again.
// The old secret stops working, in other environments within five seconds. life is how long the organization lets a
// session live after a person has signed in with all that it demands, if they have
// just done so; 0 leaves the session's end where it is.
func (s *Store) Renew(ctx context.Context, old Session, factors []string, life time.Duration) (Session, Cookie, error) {
	renewed, now := old, s.now()
	renewed.add(factors)
	renewed.ProvedAt = now
	if life > 0 {
		renewed.SignedInAt = now
		renewed.limit(life)
	}
	return s.replace(ctx, old, renewed)
}

// Switch moves a session to another organization, whose sessions may live this long
// after the person has signed in, and gives it a new secret. The caller has checked
// that the session meets what the organization demands. It returns Ended if the
// person has to sign in again, because that was too long ago for the organization;
// the session stays where it is then.
func (s *Store) Switch(ctx context.Context, old Session, org id.Org, life time.Duration) (Session, Cookie, error) {
	switched := old
	switched.Org = org
	switched.limit(life)
	return s.replace(ctx, old, switched)
}

// replace stores a session under a new secret in place of an old one. The new one is
// stored first. If the old one cannot be removed then, because it has ended, the new
// one is removed. If this function dies between its writes, nobody has been told the
// new secret, so only the old one works.
func (s *Store) replace(ctx context.Context, old, renewed Session) (Session, Cookie, error) {
	now := s.now()
	renewed.SeenAt = now
	if why := renewed.end(now, s.idle); why != "" {
		return Session{}, Cookie{}, Ended{why}
	}
	renewed, c, err := s.put(ctx, renewed)
	if err != nil {
		return Session{}, Cookie{}, err
	}
	items := s.of(old.User)
	err = items.Delete(ctx, old.key, dynamo.Write{If: "attribute_exists(pk) AND attribute_not_exists(ended)"})
	s.cache.Delete(old.key)
	if err == nil {
		return renewed, c, nil
	}
	if undo := items.Delete(ctx, renewed.key, dynamo.Write{}); undo != nil {
		err = fmt.Errorf("%w; the new one was not removed: %w", err, undo)
	}
	if dynamo.IsRefused(err) {
		return Session{}, Cookie{}, ErrNone
	}
	return Session{}, Cookie{}, fmt.Errorf("session: replace: %w", err)
}
