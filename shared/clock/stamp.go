package clock

import "time"

// Form is the form of every time that others read: RFC 3339 in UTC, with
// microseconds in six digits, as Postgres stores them.
const Form = "2006-01-02T15:04:05.000000Z"

// Stamp is a time that is written in Form.
type Stamp time.Time

// MarshalText writes the time in Form.
func (s Stamp) MarshalText() ([]byte, error) { return time.Time(s).UTC().AppendFormat(nil, Form), nil }

// UnmarshalText reads any form of RFC 3339.
func (s *Stamp) UnmarshalText(text []byte) error { return (*time.Time)(s).UnmarshalText(text) }

// StampOf returns t as a Stamp, or nil if t is nil.
func StampOf(t *time.Time) *Stamp { return (*Stamp)(t) }
