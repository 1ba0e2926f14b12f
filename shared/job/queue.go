package job

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"portico/shared/claim"
	"portico/shared/id"
)

// HandOver is a message to the queue's function: do this job in an invocation of
// its own.
type HandOver struct {
	Database string    `json:"database"`
	Org      id.Org    `json:"org,omitzero"` // zero: the platform's own
	Job      id.Job    `json:"job"`
	Lease    uuid.UUID `json:"lease"`
}

// knownLimits returns the limits of the runner's kinds.
func (r *Runner) knownLimits() limits {
	var l limits
	for _, name := range r.Kinds.Names() {
		if d := r.Kinds.kinds[name]; d.queue == r.Queue {
			l.add(d)
		}
	}
	return l
}

// Look returns the lanes that have had a due job for at least since, and when the
// next job becomes due. It first moves due scheduled jobs to their lanes.
func (r *Runner) Look(ctx context.Context, since time.Duration) ([]Lane, time.Duration, error) {
	return findDue(ctx, r.Worker, r.Queue, r.knownLimits(), since)
}

// Next says when the earliest job may be claimed. It first fires the schedules whose
// time has come.
func (r *Runner) Next(ctx context.Context) (claim.Next, error) {
	r.saveCounts(ctx, 0) // the runner may be about to sleep
	if r.Fire != nil {
		if err := r.Fire(ctx); err != nil {
			r.warn(ctx, "schedules could not be fired", err)
		}
	}
	return nextDue(ctx, r.Worker, r.Queue, r.knownLimits())
}

// Claim leases due jobs. Kinds whose timeout does not fit into the rest of the
// invocation are left for the next one.
func (r *Runner) Claim(ctx context.Context, turns []claim.Turn[Lane]) ([]Claim, error) {
	fitting := make([]claim.Turn[Lane], 0, len(turns))
	for _, t := range turns {
		if d := r.Kinds.kinds[t.Lane.Kind]; d.queue == r.Queue && (d.alone || fits(ctx, d.timeout)) {
			fitting = append(fitting, t)
		}
	}
	return claimDue(ctx, r.Worker, r.Queue, r.Kinds.kinds, fitting, cmp.Or(r.patience, lockAtMost))
}

// Record writes results. It returns the lanes in which the end of a job may have
// made another one due: of keys and of limits.
func (r *Runner) Record(ctx context.Context, batch []Result, within claim.Limits) ([]Lane, error) {
	var done, plain, keyed []Result
	var due []Lane
	for _, result := range batch {
		if result.UniqueKey != nil || result.Restricted {
			due = append(due, result.Lane)
		}
		if d := r.Kinds.kinds[result.Kind]; result.throttled && d.throttle != nil {
			if err := blockThrottle(ctx, r.Worker, d.throttle.Name, result.wait); err != nil {
				return nil, err
			}
		}
		switch {
		case result.settled():
		case result.outcome == succeeded:
			done = append(done, result)
		case result.UniqueKey != nil:
			keyed = append(keyed, result)
		default:
			plain = append(plain, result)
		}
	}
	now := r.Clock.Now()
	if err := recordDone(ctx, r.Worker, done, now, within.Lock); err != nil {
		return nil, err
	}
	if _, err := record(ctx, r.Worker, plain, now, within.Lock); err != nil {
		return nil, err
	}
	if _, err := recordKeyed(ctx, r.Worker, keyed, now, within.Lock); err != nil {
		return nil, err
	}
	r.counts.add(batch)
	r.saveCounts(ctx, countEvery)
	r.report(ctx, batch)
	return due, nil
}

// Heard decodes a notification: a line for each lane, with the organization and
// the kind.
func (r *Runner) Heard(payload string) (lanes []Lane, ok bool) {
	for line := range strings.Lines(payload) {
		org, kind, found := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		parsed, err := uuid.Parse(org)
		if !found || err != nil {
			return nil, false
		}
		lanes = append(lanes, Lane{id.Org{UUID: parsed}, kind})
	}
	return lanes, len(lanes) > 0
}

// TakeOver does a job that was handed over to this invocation. The caller records the
// result. There is none if the lease has ended or the job was taken over before,
// because SQS may deliver a message twice.
func (r *Runner) TakeOver(ctx context.Context, h HandOver) ([]Result, error) {
	c, err := start(ctx, r.Worker, h.Org, h.Job, h.Lease)
	if errors.Is(err, errLost) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []Result{r.Do(ctx, c)}, nil
}

// handOver sends a job to an invocation of its own.
func (r *Runner) handOver(ctx context.Context, c Claim) error {
	body, err := json.Marshal(HandOver{r.Database, c.OrgID, c.ID, c.Lease})
	if err != nil {
		return err
	}
	if err := r.HandOver(ctx, string(body)); err != nil {
		return err
	}
	if err := await(ctx, r.Worker, c); err != nil {
		r.warn(ctx, "a job that was handed over may be handed over again", err)
	}
	return nil
}
