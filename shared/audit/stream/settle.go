package stream

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
)

// Outcome is what became of a batch.
type Outcome struct {
	Error string // for the customer, without secrets; "": all entries were accepted
	// Accepted is how many of the first entries were accepted, if there is an error.
	Accepted int
	Refused  bool // access was denied: the stream is paused
	TooLarge bool // a smaller batch may be accepted
	Single   bool // the first entry that was not accepted is to be sent alone
	// RetryAfter is what the other side asked for; 0: nothing.
	RetryAfter time.Duration
}

// The waits after failed tries, each with up to a tenth more.
const (
	firstWait = 5 * time.Second
	lastWait  = 5 * time.Minute
	// longestRetryAfter bounds what the other side may ask for.
	longestRetryAfter = time.Hour
)

// grow is how many entries a small batch grows by with each success.
const grow = 10

// maxError bounds the text of an error, in bytes.
const maxError = 500

// Args are those of Deliver.
type Args struct {
	Stream id.AuditStream `json:"stream"`
}

// Deliver sends the next batch of a stream. Its key is the stream's id, so one batch of a
// stream is sent at a time.
var Deliver = job.Kind[Args]{Name: "audit_stream.deliver", Queue: job.Bulk, Timeout: time.Minute, Unique: job.Waits, PerOrg: 4}

// Settle records what became of a batch, in the transaction in which its job finishes,
// and adds the job of the next one. It reports whether the stream was paused by that.
func Settle(ctx context.Context, tx pg.Tx, org id.Org, b Batch, o Outcome) (s Stream, paused bool, err error) {
	s, err = lock(ctx, tx, org, b.Stream.ID)
	if errors.Is(err, ErrNotFound) {
		return s, false, nil // deleted meanwhile
	}
	if err != nil {
		return s, false, err
	}
	now, err := pg.Value[time.Time](ctx, tx, "stream.Settle", `SELECT portico_now()`)
	if err != nil {
		return s, false, err
	}
	if b.Part != "" {
		paused = s.settle(b, o, now)
		if err := s.save(ctx, tx, org); err != nil {
			return s, false, err
		}
	}
	if paused {
		err = audit.Insert(ctx, tx, org, audit.Entry{
			Action: "audit_stream.pause", Actor: audit.Actor{Type: audit.System, ID: "audit_stream"},
			Targets: []audit.Target{audit.Of("audit_stream", s.ID)}, Before: audit.Fields{"status": Enabled},
			After: audit.Fields{"status": Paused, "pause_reason": Refused}, CreatedAt: now,
		})
		if err != nil {
			return s, false, err
		}
	}
	return s, paused, s.addNext(ctx, tx, org, now)
}

// addNext adds the job of the next batch, if there is something to send.
func (s Stream) addNext(ctx context.Context, tx pg.Tx, org id.Org, now time.Time) error {
	var next Batch
	next.Stream = s
	if next.choose(now); next.Part == "" && next.Wait == 0 {
		return nil
	}
	_, err := job.Add(ctx, tx, org, Deliver, Args{s.ID}, job.Options{Key: s.ID.String(), Delay: next.Wait})
	return err
}

// settle changes the stream after a batch, and reports whether it paused it.
func (s *Stream) settle(b Batch, o Outcome, now time.Time) (paused bool) {
	if b.Part == Trial {
		if s.TestID == b.Stream.TestID {
			s.TestID, s.TestedAt, s.TestError = id.AuditEntry{}, &now, textOf(o.Error)
		}
		return false
	}
	s.advance(b, o)
	if len(b.Entries) > 0 && (o.Error == "" || o.Accepted > 0) {
		s.LastDeliveredAt, s.Failures, s.FailingSince, s.NextTryAt = &now, 0, nil, nil
	}
	switch {
	case o.Error != "" && s.Revision == b.Stream.Revision: // otherwise the settings have changed meanwhile
		return s.fail(b, o, now)
	case o.Error == "" && len(b.Entries) > 0 && s.BatchLimit != nil:
		if *s.BatchLimit += grow; *s.BatchLimit >= MaxEntries {
			s.BatchLimit = nil
		}
	}
	return false
}

// advance moves the stream behind what was accepted, unless a replay was asked for anew.
func (s *Stream) advance(b Batch, o Outcome) {
	to := b.To
	if o.Error != "" {
		if to = b.From; o.Accepted > 0 {
			to = b.Entries[o.Accepted-1].Number
		}
	}
	switch {
	case b.Part == Live && s.Reached == b.From:
		s.Reached = to
	case b.Part == Replayed && s.Replay != nil && s.Replay.At.Equal(b.Stream.Replay.At) && s.Replay.Reached == b.From:
		s.Replay.Reached = to
	}
}

// fail records a failed try.
func (s *Stream) fail(b Batch, o Outcome, now time.Time) (paused bool) {
	s.Failures++
	s.LastError, s.LastErrorAt = textOf(o.Error), &now
	if s.FailingSince == nil {
		s.FailingSince = &now
	}
	if o.Refused {
		if s.Status == Paused {
			return false
		}
		s.pause(Paused, Refused, now)
		return true
	}
	reduced := b.Stream.BatchLimit != nil && *b.Stream.BatchLimit == 0
	switch {
	case o.Single && len(b.Entries) > 1:
		s.BatchLimit = new(1)
		s.NextTryAt = nil
		return false
	case (o.TooLarge || o.Single) && !reduced:
		s.BatchLimit = new(len(b.Entries) / 2) // 0 after a single one
		s.NextTryAt = nil
		return false
	}
	s.NextTryAt = new(now.Add(max(waitAfter(s.Failures), min(o.RetryAfter, longestRetryAfter))))
	return false
}

// waitAfter returns how long to wait after that many failed tries.
func waitAfter(failures int) time.Duration {
	wait := lastWait
	if failures < 8 {
		wait = min(firstWait<<(failures-1), lastWait)
	}
	return wait + time.Duration(rand.Int64N(int64(wait/10)))
}

func textOf(text string) *string {
	if text == "" {
		return nil
	}
	text = strings.ToValidUTF8(text[:min(len(text), maxError)], "")
	return &text
}
