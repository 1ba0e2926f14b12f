package transport

import (
	"strconv"
	"time"

	"portico/shared/fault"
)

// What a transport answers. The cause says what the service said.
var (
	// ErrRefused: this mail can never be sent, for example to this address.
	ErrRefused = fault.New(fault.Invalid, "mail_refused", "The mail service refuses this mail. Send another one.")
	// ErrThrottled: the service asks to wait, for RetryAfter if that is positive.
	ErrThrottled = fault.New(fault.TooMany, "mail_throttled", "The mail service accepts no more mails at the moment. Try again later.")
	// ErrAway: the mail was not accepted, for a reason that does not lie in it: the
	// service does not answer, or refuses our account or our sender.
	ErrAway = fault.New(fault.Unavailable, "mail_service_away", "The mail service cannot send this mail at the moment. Try again later.")
	// ErrUnknown: the mail was handed over and no answer came. It may have been
	// accepted.
	ErrUnknown = fault.New(fault.Unavailable, "mail_outcome_unknown", "The mail service did not say whether it accepted this mail.")
)

// maxWait bounds what a service may ask for.
const maxWait = 24 * time.Hour

// throttled returns ErrThrottled with the wait that a service asks for, in seconds
// or as a date of HTTP.
func throttled(cause error, retryAfter string, now time.Time) error {
	f := ErrThrottled.Because(cause)
	if seconds, err := strconv.Atoi(retryAfter); err == nil {
		f.RetryAfter = time.Duration(seconds) * time.Second
	} else if at, err := time.Parse("Mon, 02 Jan 2006 15:04:05 GMT", retryAfter); err == nil {
		f.RetryAfter = at.Sub(now)
	}
	f.RetryAfter = min(max(f.RetryAfter, 0), maxWait)
	return f
}
