package mail

import (
	"context"
	"fmt"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/secret"
)

// Test names a version of the template in the language of the mail: the number of an
// override, or 0 for the repository's. The subject of a test mail says that it is
// one.
type Test struct {
	Version int `json:"version"`
}

// testsAnHour is how many test mails a person may send for an organization in an
// hour.
const testsAnHour = 20

// ErrTooManyTests is returned when a person has sent many test mails.
var ErrTooManyTests = fault.New(fault.TooMany, "too_many_test_mails",
	fmt.Sprintf("You have sent %d test mails for this organization in this hour. Wait for the next one.", testsAnHour)).
	Means(fmt.Sprintf("A person may send %d test mails for an organization in an hour. Wait for the next one.", testsAnHour))

// SendTest sends a test mail on behalf of a person. Each has one of the keys of the
// person's hour.
func SendTest(ctx context.Context, tx pg.Tx, box *secret.Box, now time.Time, org id.Org, by string, m Mail) (id.Mail, error) {
	hour := now.Truncate(time.Hour)
	mine := fmt.Sprintf("test/%s/%s/", by, hour.Format(time.RFC3339))
	all := make([]id.Mail, testsAnHour)
	for n := range all {
		all[n] = idOf(org, fmt.Sprint(mine, n))
	}
	// Two at the same time must not take the same key: the second would not be sent.
	if err := pg.Exec(ctx, tx, "mail.SendTest", `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, mine); err != nil {
		return id.Mail{}, err
	}
	sent, err := pg.Value[int](ctx, tx, "mail.SendTest", `SELECT count(*) FROM mail WHERE org_id = $1 AND id = ANY ($2)`, org, all)
	switch {
	case err != nil:
		return id.Mail{}, err
	case sent >= testsAnHour:
		tooMany := *ErrTooManyTests
		tooMany.RetryAfter = hour.Add(time.Hour).Sub(now)
		return id.Mail{}, &tooMany
	}
	m.Key = fmt.Sprint(mine, sent)
	return Send(ctx, tx, box, now, org, m)
}

// idOf returns the id of the mail with a key.
func idOf(org id.Org, key string) id.Mail {
	return id.Derive[id.Mail]("mail\n" + org.String() + "\n" + key)
}
