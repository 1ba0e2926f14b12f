package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"portico/shared/cache"
	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/id"
	"portico/shared/secret"
)

const (
	// trusted is how long a session that was read is used without asking again.
	trusted = 5 * time.Second
	// cached is how many sessions one environment keeps in memory.
	cached = 10_000
	// seenEvery is how often the last use of a session is written at most.
	seenEvery = time.Minute
	// keptEnded is how many ended sessions of a person are kept at most.
	keptEnded = 20
	// longestText is the length of what a browser says about itself, in bytes.
	longestText = 200
)

// Store keeps sessions. Each environment has one.
//
// Start, Renew, Switch and RevokeAll are called while the caller holds the lock of
// the person's row in Postgres. So after RevokeAll no session is left that one of
// the others was about to write.
type Store struct {
	table dynamo.Sorted
	idle  time.Duration
	clock *clock.Clock
	cache *cache.Cache[string, Session]
}

// NewStore returns a store in the table Identity. A session ends when it was not used
// for the time idle.
func NewStore(table dynamo.Sorted, idle time.Duration, clock *clock.Clock) *Store {
	return &Store{table: table, idle: idle, clock: clock, cache: cache.New[string, Session](cached, trusted)}
}

func (s *Store) of(user id.User) dynamo.Partition { return s.table.Partition("user#" + user.String()) }

// now is the time as it is stored.
func (s *Store) now() time.Time { return s.clock.Now().Truncate(time.Millisecond) }

// Start stores a new session and returns it with its cookie. life is how long the
// organization lets it live after the person has signed in. Of the times those that
// are zero become now. If the person has Most sessions, the oldest ends first.
func (s *Store) Start(ctx context.Context, begun Session, life time.Duration) (Session, Cookie, error) {
	now := s.now()
	begun.ID, begun.SeenAt, begun.endedAt = id.New[id.Session](now), now, time.Time{}
	for _, at := range []*time.Time{&begun.CreatedAt, &begun.SignedInAt, &begun.ProvedAt} {
		if at.IsZero() {
			*at = now
		}
		*at = at.Truncate(time.Millisecond)
	}
	begun.Device, begun.IP = clip(begun.Device), clip(begun.IP)
	begun.add(nil)
	begun.limit(life)
	if why := begun.end(now, s.idle); why != "" {
		return Session{}, Cookie{}, Ended{why}
	}
	if err := s.makeRoom(ctx, begun.User, now); err != nil {
		return Session{}, Cookie{}, fmt.Errorf("session.Start: %w", err)
	}
	return s.put(ctx, begun)
}

// put stores a session under a new secret.
func (s *Store) put(ctx context.Context, begun Session) (Session, Cookie, error) {
	c := Cookie{begun.User, secret.NewToken()}
	begun.key = c.key()
	if err := s.of(begun.User).Put(ctx, begun.key, encode(begun), dynamo.Write{}); err != nil {
		return Session{}, Cookie{}, fmt.Errorf("session: put: %w", err)
	}
	return begun, c, nil
}

// makeRoom ends a person's oldest sessions until there is room for one more, and
// deletes those that ended long ago, so that the number of items is bounded.
func (s *Store) makeRoom(ctx context.Context, user id.User, now time.Time) error {
	all, err := s.all(ctx, user, now)
	if err != nil {
		return err
	}
	live, ended := s.split(all, now)
	slices.SortFunc(live, func(a, b Session) int { return a.CreatedAt.Compare(b.CreatedAt) })
	for len(live) >= Most {
		oldest := live[0].ID
		goes := func(one Session) bool { return one.ID == oldest || one.Parent == oldest }
		for _, one := range live {
			if !goes(one) {
				continue
			}
			if err := s.mark(ctx, one, Replaced, now); err != nil && !dynamo.IsRefused(err) {
				return err
			}
		}
		live = slices.DeleteFunc(live, goes)
	}
	slices.SortFunc(ended, func(a, b Session) int { return a.forget.Compare(b.forget) })
	for ; len(ended) > keptEnded; ended = ended[1:] {
		if err := s.of(user).Delete(ctx, ended[0].key, dynamo.Write{}); err != nil {
			return err
		}
	}
	return nil
}

// all reads all sessions of a person, ended ones too.
func (s *Store) all(ctx context.Context, user id.User, now time.Time) (list []Session, err error) {
	items, err := s.of(user).List(ctx, keyPrefix)
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		one, err := decode(user, item, now)
		if errors.Is(err, ErrNone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

func (s *Store) split(all []Session, now time.Time) (live, ended []Session) {
	for _, one := range all {
		if one.end(now, s.idle) == "" {
			live = append(live, one)
		} else {
			ended = append(ended, one)
		}
	}
	return live, ended
}

// clip returns the beginning of a text that a browser sent.
func clip(text string) string {
	text = strings.ToValidUTF8(text, "")
	for len(text) > longestText {
		_, last := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-last]
	}
	return text
}
