// Package fault holds the errors that a caller may see. The API edge turns a
// fault into an RFC 9457 problem. An error that is not a fault is a defect: the
// edge answers 500 and shows nothing of the error.
package fault

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Kind says what a fault means to the caller. There are no other kinds.
type Kind int

// The kinds. A retry helps only after Unavailable and TooMany.
const (
	Malformed       Kind = iota + 1 // the request cannot be read: 400
	Unauthenticated                 // no valid credential: 401
	Denied                          // known caller, missing permission: 403
	NotFound                        // does not exist, or belongs to another organization: 404
	Conflict                        // contradicts the present state: 409
	TooLarge                        // larger than a documented size: 413
	Invalid                         // read, but a field is wrong: 422
	TooMany                         // over a limit: 429
	Unavailable                     // a store does not answer at the moment: 503
)

// Error is a fault. Code is stable and documented, Detail is a sentence for a
// person that says what to do; both are safe to show. The cause is private.
type Error struct {
	Kind   Kind
	Code   string
	Detail string
	Fields []Field
	// RetryAfter is shown as Retry-After when positive; rounded up to seconds.
	RetryAfter time.Duration
	cause      error
}

// Field is one wrong field: its name, such as `url` or `events[2].type`, and what
// is wrong with it, as the end of a sentence. The edge adds where the field came
// from, such as a JSON body or a form.
type Field struct{ Name, Message string }

// New returns a fault.
func New(kind Kind, code, detail string) *Error {
	return &Error{Kind: kind, Code: code, Detail: detail}
}

// ErrAway is returned when a store does not answer.
var ErrAway = New(Unavailable, "unavailable",
	"Portico cannot do this at the moment. Send the request again with the same Idempotency-Key.").
	Means("A store does not answer at the moment. Send the request again with the same Idempotency-Key.")

// errInvalid is the fault of a request that was read, but has wrong fields.
var errInvalid = New(Invalid, "invalid_request", "The request has fields that cannot be accepted.").
	Means("A field is wrong: errors names each and says what is expected.")

// InvalidField returns the fault of one wrong field.
func InvalidField(name, message string) *Error {
	f := errInvalid.Saying("The request has a field that cannot be accepted.")
	f.Fields = []Field{{Name: name, Message: message}}
	return f
}

// Join returns the faults of several checks as one. If any fault is Invalid, the
// result has the fields of all that are Invalid. Otherwise it is the first error,
// or nil.
func Join(errs ...error) error {
	var first, invalid error
	var fields []Field
	for _, err := range errs {
		if f := Of(err); f != nil && f.Kind == Invalid {
			fields, invalid = append(fields, f.Fields...), err
		} else if first == nil {
			first = err
		}
	}
	if len(fields) < 2 {
		return cmp.Or(invalid, first)
	}
	f := *errInvalid
	f.Fields = fields
	return &f
}

// Because returns a copy of the fault with its private cause.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// Saying returns a copy of the fault with a detail that fits the case.
func (e *Error) Saying(detail string, args ...any) *Error {
	c := *e
	c.Detail = fmt.Sprintf(detail, args...)
	return &c
}

func (e *Error) Error() string {
	if e.cause != nil {
		return e.Code + ": " + e.cause.Error()
	}
	return e.Code + ": " + e.Detail
}

// Unwrap returns the private cause.
func (e *Error) Unwrap() error { return e.cause }

// Is makes errors.Is find a fault by its code, with or without a cause.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Code == e.Code
}

// Of returns the fault in err's chain, or nil.
func Of(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}
