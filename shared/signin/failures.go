package signin

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"portico/shared/dynamo"
)

const (
	// freeFailures is how many proofs of an account may fail before a person must show
	// that no program guesses.
	freeFailures = 5
	// delayedFailures is how many may fail before the next try has to wait: firstDelay,
	// twice as long after each further one, longestDelay at most.
	delayedFailures = 10
	firstDelay      = 30 * time.Second
	longestDelay    = 15 * time.Minute
	// failuresFor is how long after the last failure the count is kept.
	failuresFor = 24 * time.Hour
	// failTries is how often Fail reads a count that others change at the same time.
	failTries = 5
)

// ErrHuman is returned when a CAPTCHA must be solved before the next proof.
var ErrHuman = errors.New("signin: so many proofs of the account have failed that a CAPTCHA is needed")

// Wait is the error for an account of which too many proofs have failed.
type Wait struct{ Until time.Time }

func (w Wait) Error() string {
	return "signin: too many proofs of the account have failed; the next one is at " + w.Until.String()
}

// failures is where the count of an account is. The account is a text of any length.
func (s *Store) failures(account string) place {
	sum := sha256.Sum256([]byte(account))
	return s.place("failures", base64.RawURLEncoding.EncodeToString(sum[:]))
}

// Fail counts a failure of an account before a secret that somebody has typed is compared;
// Forgive takes it back. human says that a CAPTCHA was solved. It returns ErrHuman and
// Wait, and counts nothing then: so also of many requests at once no more compare a secret
// than may.
func (s *Store) Fail(ctx context.Context, account string, human bool) error {
	p, now := s.failures(account), s.now()
	free := int64(freeFailures)
	if human {
		free = delayedFailures - 1 // the write of the last one also sets the delay
	}
	item, done, err := p.items.UpdateOrSee(ctx, p.noun, failure("failures = if_not_exists(failures, :none) + :one", "attribute_not_exists(pk) OR (ends > :now AND failures < :free)", now, dynamo.Item{
		":none": dynamo.Number(0), ":one": dynamo.Number(1), ":free": dynamo.Number(free), ":now": dynamo.Time(now),
	}))
	for range failTries {
		if err != nil || done {
			break
		}
		if item, done, err = s.failAgain(ctx, p, item, human, now); errors.Is(err, ErrHuman) || errors.As(err, new(Wait)) {
			return err
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("signin.Fail: %w", err)
	case !done: // so many try at once that one of them has set a delay by now
		return Wait{now.Add(firstDelay)}
	}
	return nil
}

// failAgain counts a failure from what the item says, if nobody has changed it since.
func (s *Store) failAgain(ctx context.Context, p place, item dynamo.Item, human bool, now time.Time) (dynamo.Item, bool, error) {
	count, _, err := dynamo.NumberOf(item["failures"])
	if err != nil {
		return nil, false, err
	}
	ends, err := dynamo.TimeOf(item["ends"])
	if err != nil {
		return nil, false, err
	}
	until, err := dynamo.TimeOf(item["until"])
	if err != nil {
		return nil, false, err
	}
	next := count + 1
	switch {
	case len(item) == 0 || !now.Before(ends):
		next = 1
	case now.Before(until):
		return nil, false, Wait{until}
	case count >= freeFailures && !human:
		return nil, false, ErrHuman
	}
	values, condition := dynamo.Item{":next": dynamo.Number(next), ":until": dynamo.Time(now.Add(delayAfter(next)))}, "attribute_not_exists(pk)"
	if len(item) > 0 {
		condition = "failures = :count"
		values[":count"] = item["failures"]
	}
	return p.items.UpdateOrSee(ctx, p.noun, failure("failures = :next, #until = :until", condition, now, values))
}

// failure is a write that changes a count, which is kept from now on as long as any.
func failure(set, condition string, now time.Time, values dynamo.Item) dynamo.Write {
	ends := now.Add(failuresFor)
	values[":ends"], values[":expires"] = dynamo.Time(ends), dynamo.Number(ends.Unix()+1)
	w := dynamo.Write{Update: "SET " + set + ", ends = :ends, expires_at = :expires", If: condition, Values: values}
	if values[":until"] != nil {
		w.Names = map[string]string{"#until": "until"}
	}
	return w
}

// delayAfter is how long the next try waits after so many failures.
func delayAfter(failures int64) time.Duration {
	if failures < delayedFailures {
		return 0
	}
	delay := firstDelay
	for ; failures > delayedFailures && delay < longestDelay; failures-- {
		delay *= 2
	}
	return min(delay, longestDelay)
}

// Forgive takes back the failure that Fail has counted, with its delay, because the secret
// was right. With all it forgets the others too, because the person has proved all that was
// demanded.
func (s *Store) Forgive(ctx context.Context, account string, all bool) error {
	p := s.failures(account)
	var err error
	if all {
		err = p.items.Delete(ctx, p.noun, dynamo.Write{})
	} else {
		err = p.items.Update(ctx, p.noun, dynamo.Write{
			Update: "SET failures = failures - :one REMOVE #until", If: "failures >= :one",
			Names: map[string]string{"#until": "until"}, Values: dynamo.Item{":one": dynamo.Number(1)},
		})
	}
	if err != nil && !dynamo.IsRefused(err) {
		return fmt.Errorf("signin.Forgive: %w", err)
	}
	return nil
}
