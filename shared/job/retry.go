package job

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"portico/shared/fault"
)

// Schedule has how long to wait after each failed try. After the last one a job is
// dead. Up to a tenth is added at random, so that jobs that failed together are not
// tried again together.
type Schedule []time.Duration

// Backoff is the schedule of kinds that declare none: ten tries in two days.
var Backoff = Schedule{
	10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// wait returns how long to wait after the n-th failed try; false: it was the last.
func (s Schedule) wait(n int, random float64) (time.Duration, bool) {
	if n > len(s) {
		return 0, false
	}
	return s[n-1] + time.Duration(random*float64(s[n-1])/10), true
}

// Snooze is the error with which a handler asks to be called again later. It uses
// up no try.
func Snooze(wait time.Duration) error { return snooze{wait} }

type snooze struct{ wait time.Duration }

func (s snooze) Error() string { return "try again in " + s.wait.String() }

// undecodable is the error of arguments or a cursor that the kind cannot read.
type undecodable struct{ error }

func (u undecodable) Unwrap() error { return u.error }

// panicked is the error of a handler that panicked.
type panicked struct{ text string }

func (p panicked) Error() string { return "panic: " + p.text }

// Codes of jobs that fail for a reason that is not a fault.
const (
	CodeError       = "error"            // any other error
	CodeTimeout     = "timeout"          // a try took longer than the kind's timeout
	CodeArguments   = "undecodable_args" // the kind cannot read its arguments
	CodePanic       = "panic"            // the handler panicked
	CodeCrashed     = "crashed"          // its runner died three times while it ran
	CodeRunnerEnded = "runner_ended"     // its runner ended before it did
)

var (
	// errLost ends a try whose lease another runner has.
	errLost = errors.New("the lease of the job has ended")
	// errCancelled ends a try that somebody cancelled.
	errCancelled = errors.New("the job was cancelled")
	// errTimeout ends a try that took too long.
	errTimeout = errors.New("the try took too long")
	// errLater ends a try between two steps, because the invocation ends.
	errLater = errors.New("the next step is for another invocation")
)

// judge sets what becomes of a job whose try ended with an error.
func (r *Result) judge(ctx context.Context, d declaration, err error, random float64) {
	var s snooze
	switch cause := context.Cause(ctx); {
	case isState(err, leaseEnded) || errors.Is(cause, errLost):
		r.outcome = lost
		return
	case isState(err, cancelRequested) || errors.Is(cause, errCancelled):
		r.outcome = cancelled
		return
	case errors.Is(err, errLater):
		r.outcome = again
		return
	case errors.As(err, &s):
		r.outcome, r.wait = again, s.wait
		return
	}
	var permanent bool
	r.code, r.text, permanent = describe(ctx, d, err)
	r.fingerprint = fingerprint(d.name, r.code, r.text)
	if f := fault.Of(err); f != nil && f.Kind == fault.TooMany {
		r.outcome, r.wait, r.throttled = again, max(f.RetryAfter, time.Second), true
		return
	}
	r.outcome, r.tried = dead, true
	if wait, more := d.retry.wait(int(r.Attempts)+1, random); more && !permanent {
		r.outcome, r.wait = again, wait
	}
}

// describe returns the code and the text of an error, and whether another try
// would fail as well.
func describe(ctx context.Context, d declaration, err error) (code, text string, permanent bool) {
	var p panicked
	var u undecodable
	switch f := fault.Of(err); {
	case errors.As(err, &p):
		return CodePanic, clip(err.Error()), true
	case errors.As(err, &u):
		return CodeArguments, clip("The arguments cannot be read: " + err.Error()), true
	case errors.Is(context.Cause(ctx), errTimeout):
		return CodeTimeout, fmt.Sprintf("The try took longer than %s.", d.timeout), false
	case ctx.Err() != nil:
		return CodeRunnerEnded, "The runner ended before the job did.", false
	case f != nil:
		return f.Code, clip(err.Error()), f.Kind != fault.Unavailable && f.Kind != fault.TooMany
	}
	return CodeError, clip(err.Error()), false
}

// maxText is how much of an error is kept, in bytes.
const maxText = 2000

// clip shortens a text and makes it storable: Postgres stores no zero bytes and
// nothing but UTF-8.
func clip(text string) string {
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "?")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	return text
}

// varying matches what differs between errors with the same cause: ids, numbers,
// quoted texts, addresses.
var varying = regexp.MustCompile(`"[^"]*"|'[^']*'|\b[a-z]+_[0-9a-hjkmnp-tv-z]{26}\b|[0-9a-fA-F]{8,}(-[0-9a-fA-F]{4,})*|\d+`)

// fingerprint is equal for jobs of a kind that failed in the same way.
func fingerprint(kind, code, text string) string {
	sum := sha256.Sum256([]byte(kind + "\n" + code + "\n" + varying.ReplaceAllString(text, "#")))
	return hex.EncodeToString(sum[:8])
}
