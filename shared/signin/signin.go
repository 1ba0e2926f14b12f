// Package signin holds the steps in which a person signs in, up to the session: the
// attempt of one browser, links that are mailed, and what one host hands to another.
// All of it is in the DynamoDB table Identity. docs/identity.md describes the steps.
package signin

import (
	"context"
	"errors"
	"time"

	"portico/shared/clock"
	"portico/shared/dynamo"
	"portico/shared/secret"
)

// The errors. A page shows them in its own words.
var (
	// ErrOver is returned when there is no such attempt, or it has ended, failed too
	// often, or led to a session.
	ErrOver = errors.New("signin: the attempt is over")
	// ErrStep is returned when the step does not follow from where the attempt is, or
	// another request changed it first.
	ErrStep = errors.New("signin: the step does not fit the attempt")
	// ErrChanged is returned when the person's credentials have changed since the proof.
	ErrChanged = errors.New("signin: the credentials have changed since the proof")
	// ErrSuspended is returned when the person may not sign in.
	ErrSuspended = errors.New("signin: the person is suspended")
	// ErrUnverified is returned when the person's address is not proven yet.
	ErrUnverified = errors.New("signin: the person's address is not proven")
	// ErrFactors is returned when what was proved is not all that is demanded.
	ErrFactors = errors.New("signin: another factor is demanded")
	// ErrNone is returned when there is no such link or code, or it has ended.
	ErrNone = errors.New("signin: no such link or code")
	// ErrUsed is returned for a link or code that was used before.
	ErrUsed = errors.New("signin: it was used before")
	// ErrElsewhere is returned for a link or code that belongs to another browser.
	ErrElsewhere = errors.New("signin: it belongs to another browser")
)

// Store keeps attempts, links and hand-offs.
type Store struct {
	table dynamo.Sorted
	box   *secret.Box
	clock *clock.Clock
}

// NewStore returns a store in the table Identity.
func NewStore(table dynamo.Sorted, box *secret.Box, clock *clock.Clock) *Store {
	return &Store{table, box, clock}
}

// now is the time as it is stored.
func (s *Store) now() time.Time { return s.clock.Now().Truncate(time.Millisecond) }

// place is where an item is: alone in its partition. noun is flow, link or handoff.
type place struct {
	items dynamo.Partition
	noun  string
}

func (s *Store) place(noun, hash string) place {
	return place{s.table.Partition(noun + "#" + hash), noun}
}

func (p place) put(ctx context.Context, item dynamo.Item, ends time.Time) error {
	item["ends"], item["expires_at"] = dynamo.Time(ends), dynamo.Number(ends.Unix()+1)
	return p.items.Put(ctx, p.noun, item, dynamo.Write{})
}

func (p place) get(ctx context.Context) (dynamo.Item, error) { return p.items.Get(ctx, p.noun) }

// change changes the item if it is there, has not ended, and meets the condition. It
// returns the item as it is then; if the condition is false, as it was.
func (p place) change(ctx context.Context, w dynamo.Write, now time.Time) (dynamo.Item, bool, error) {
	w.If = "attribute_exists(pk) AND ends > :now AND (" + w.If + ")"
	w.Values[":now"] = dynamo.Time(now)
	return p.items.UpdateOrSee(ctx, p.noun, w)
}
