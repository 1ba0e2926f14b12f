package mail

import (
	"context"
	"slices"
	"time"

	"portico/shared/fault"
	"portico/shared/job"
	"portico/shared/mail/template"
	"portico/shared/pg"
)

// Marketing is the stream that is paused if its rates are too high.
const Marketing = string(template.Marketing)

// Feedback pauses marketing because of its rates.
const Feedback = "mail-feedback"

// RateDays is for how many days rates are counted.
const RateDays = 7

// A rate is known from a sample of this size, so that one bounce of three mails means
// nothing. Marketing is paused at maxBounces or maxComplaints, when SES begins to act
// against the whole account.
const (
	sampleOfBounces    = 100
	sampleOfComplaints = 1000
	maxBounces         = 0.05
	maxComplaints      = 0.001
	// fewComplaints never pause, whatever the rate.
	fewComplaints = 2
)

// Day is what became of the mails of a stream on a day.
type Day struct {
	Day        time.Time
	Present    bool // since the stream was last resumed
	Delivered  int64
	Bounced    int64
	Complained int64
}

// Rates are what became of the mails of a stream since it was last resumed, in the
// last RateDays days at most.
type Rates struct{ Delivered, Bounced, Complained int64 }

// KnowsBounces reports whether there are enough mails to know the rate.
func (r Rates) KnowsBounces() bool { return r.Delivered+r.Bounced >= sampleOfBounces }

// KnowsComplaints reports the same of complaints.
func (r Rates) KnowsComplaints() bool { return r.Delivered+r.Bounced >= sampleOfComplaints }

// Bounces is which part of the mails bounced for good.
func (r Rates) Bounces() float64 { return float64(r.Bounced) / float64(max(1, r.Delivered+r.Bounced)) }

// Complaints is which part of the mails were reported as spam.
func (r Rates) Complaints() float64 {
	return float64(r.Complained) / float64(max(1, r.Delivered+r.Bounced))
}

// TooHigh reports whether marketing has to be paused.
func (r Rates) TooHigh() bool {
	return r.KnowsBounces() && r.Bounces() >= maxBounces || r.KnowsComplaints() && r.Complained > fewComplaints && r.Complaints() >= maxComplaints
}

// Days returns what became of the mails of a stream on each of the last days, in all
// databases, the newest first.
func Days(ctx context.Context, db *pg.DB, stream string, days int) ([]Day, error) {
	var all []Day
	err := db.All().Each(func(_ string, q pg.Querier) error {
		list, err := DaysIn(ctx, q, stream, days)
		all = AddDays(all, list)
		return err
	})
	return all, err
}

// DaysIn returns it for one database.
func DaysIn(ctx context.Context, q pg.Querier, stream string, days int) ([]Day, error) {
	return pg.List[Day](ctx, q, "mail.DaysIn", `SELECT * FROM mail_stream_days($1, $2)`, stream, days)
}

// AddDays adds the counts of another database.
func AddDays(all, more []Day) []Day {
	for _, one := range more {
		i := slices.IndexFunc(all, func(d Day) bool { return d.Day.Equal(one.Day) && d.Present == one.Present })
		if i < 0 {
			all = append(all, one)
			continue
		}
		all[i].Delivered, all[i].Bounced, all[i].Complained = all[i].Delivered+one.Delivered, all[i].Bounced+one.Bounced, all[i].Complained+one.Complained
	}
	slices.SortStableFunc(all, func(a, b Day) int { return b.Day.Compare(a.Day) })
	return all
}

// RatesOf returns the rates of a stream.
func RatesOf(ctx context.Context, db *pg.DB, stream string) (r Rates, err error) {
	days, err := Days(ctx, db, stream, RateDays)
	for _, d := range days {
		if d.Present {
			r = r.With(d)
		}
	}
	return r, err
}

// With adds a day.
func (r Rates) With(d Day) Rates {
	return Rates{r.Delivered + d.Delivered, r.Bounced + d.Bounced, r.Complained + d.Complained}
}

// Pause says since when the mails of a stream wait, and why.
type Pause struct {
	PausedAt    time.Time
	PausedBy    string // as in audit entries, or Feedback, or ReadAccountKind
	PauseReason string
}

// PauseMarketing makes marketing wait in every database, and reports whether it did
// not before. A mail that is being handed over still goes. by is in the form of
// audit_entry.actor_id, or Feedback. A pause because of the daily quota becomes this one,
// which does not end by itself.
func PauseMarketing(ctx context.Context, db *pg.DB, by, why string) (paused bool, err error) {
	err = db.All().Each(func(database string, _ pg.Querier) error {
		return db.PlatformIn(ctx, database, func(tx pg.Tx) error {
			before, err := MarketingPause(ctx, tx)
			if err != nil || before != nil && before.PausedBy != ReadAccountKind {
				return err
			}
			paused = true
			if before != nil {
				if err := job.Resume(ctx, tx, marketingKind.Queue, marketingKind.Name, ReadAccountKind); err != nil {
					return err
				}
			}
			return job.Pause(ctx, tx, marketingKind.Name, by, why)
		})
	})
	return paused, err
}

// ResumeMarketing lets marketing go on in every database, whoever paused it, and begins
// to count its rates anew; at home in the caller's transaction. It returns why marketing
// waited at home, or elsewhere if it did not there; nil: it did not wait. If a database
// does not answer, the caller repeats.
func ResumeMarketing(ctx context.Context, tx pg.Tx, db *pg.DB) (before *Pause, err error) {
	resume := func(tx pg.Tx) error {
		p, err := MarketingPause(ctx, tx)
		if err != nil || p == nil {
			return err
		}
		before = p
		if err := job.Resume(ctx, tx, marketingKind.Queue, marketingKind.Name, p.PausedBy); err != nil {
			return err
		}
		return pg.Exec(ctx, tx, "mail.ResumeMarketing", `SELECT begin_mail_stream($1)`, Marketing)
	}
	err = db.Others().Each(func(database string, _ pg.Querier) error { return db.PlatformIn(ctx, database, resume) })
	if err != nil {
		return nil, fault.ErrAway.Because(err)
	}
	return before, resume(tx)
}

// MarketingPause returns why marketing waits; nil if it does not.
func MarketingPause(ctx context.Context, q pg.Querier) (*Pause, error) {
	list, err := pg.List[Pause](ctx, q, "mail.MarketingPause", `SELECT paused_at, paused_by, pause_reason FROM job_kind WHERE kind = $1 AND paused_at IS NOT NULL`, marketingKind.Name)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}
