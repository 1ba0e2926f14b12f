package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"portico/shared/dynamo"
	"portico/shared/id"
)

// List returns the live sessions of a person, the last used first.
func (s *Store) List(ctx context.Context, user id.User) ([]Session, error) {
	now := s.now()
	all, err := s.all(ctx, user, now)
	if err != nil {
		return nil, fmt.Errorf("session.List: %w", err)
	}
	live, _ := s.split(all, now)
	slices.SortFunc(live, func(a, b Session) int { return b.SeenAt.Compare(a.SeenAt) })
	listed := map[id.Session]bool{}
	// A function that died while it gave a session a new secret has left two items.
	return slices.DeleteFunc(live, func(one Session) bool {
		again := listed[one.ID]
		listed[one.ID] = true
		return again
	}), nil
}

// Revoke ends one session of a person, and those at other hosts to which it has handed
// over. If it has ended already, nothing changes; if there is none, it returns ErrNone.
func (s *Store) Revoke(ctx context.Context, user id.User, session id.Session, why Why) error {
	found, err := s.end(ctx, user, func(one Session) bool { return one.ID == session || one.Parent == session }, why)
	if err == nil && found == 0 {
		return ErrNone
	}
	return err
}

// RevokeAll ends all sessions of a person but one; zero: all. If it fails, some may
// have ended: repeated, it ends the others.
func (s *Store) RevokeAll(ctx context.Context, user id.User, keep id.Session, why Why) error {
	_, err := s.end(ctx, user, func(one Session) bool { return one.ID != keep }, why)
	return err
}

// In returns those live sessions of a person that are in an organization, the last used
// first.
func (s *Store) In(ctx context.Context, user id.User, org id.Org) ([]Session, error) {
	live, err := s.List(ctx, user)
	return slices.DeleteFunc(live, func(one Session) bool { return one.Org != org }), err
}

// RevokeIn ends the sessions of a person that are in an organization, and returns those
// that were live.
func (s *Store) RevokeIn(ctx context.Context, user id.User, org id.Org, why Why) ([]Session, error) {
	live, err := s.In(ctx, user, org)
	if err == nil {
		_, err = s.end(ctx, user, func(one Session) bool { return one.Org == org }, why)
	}
	return live, err
}

// endTries is how often end looks for sessions that have begun, or got a new secret,
// meanwhile.
const endTries = 5

// end ends those sessions of a person that match, and returns how many there are,
// with those that have ended before. It reads again after it has ended one: so it also
// ends a session of another host that began after the first reading, see Parent.
func (s *Store) end(ctx context.Context, user id.User, matches func(Session) bool, why Why) (found int, err error) {
	for range endTries {
		now := s.now()
		all, err := s.all(ctx, user, now)
		if err != nil {
			return 0, fmt.Errorf("session: end: %w", err)
		}
		all = slices.DeleteFunc(all, func(one Session) bool { return !matches(one) })
		changed := false
		for _, one := range all {
			if !one.endedAt.IsZero() {
				continue
			}
			if err := s.mark(ctx, one, why, now); err != nil && !dynamo.IsRefused(err) {
				return 0, fmt.Errorf("session: end: %w", err)
			}
			changed = true
		}
		if !changed {
			return len(all), nil
		}
	}
	return 0, errors.New("session: end: the sessions kept changing")
}

// mark ends a session, if nobody has. Its item stays for some time, to say why. It
// fails with a refusal if the session was changed since it was read.
func (s *Store) mark(ctx context.Context, one Session, why Why, now time.Time) error {
	if !one.endedAt.IsZero() {
		return nil
	}
	defer s.cache.Delete(one.key)
	return s.of(one.User).Update(ctx, one.key, dynamo.Write{
		Update: "SET ended = :now, ended_why = :why, expires_at = :until",
		If:     "attribute_exists(pk) AND attribute_not_exists(ended)",
		Values: dynamo.Item{":now": dynamo.Time(now), ":why": dynamo.Text(string(why)), ":until": dynamo.Number(now.Add(kept).Unix())},
	})
}
