// Package stream has the streams that send an organization's audit log to systems of the
// customer, such as a SIEM: what they are, how far they have come, and what they send
// next. shared/audit/streaming sends it.
//
// The numbers of the chain have no gaps and follow the order of commits, so one number
// says what a stream has done, and no entry can be skipped.
package stream

import (
	"fmt"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
)

// The types of streams.
const (
	HTTPS     = "https"
	S3        = "s3"
	SplunkHEC = "splunk_hec"
	Datadog   = "datadog"
)

// The states of a stream, and the reasons of a pause.
const (
	Enabled = "enabled"
	Paused  = "paused"

	Requested = "requested"
	Refused   = "refused" // the other side has denied access
)

// MaxStreams bounds how many streams an organization may have.
const MaxStreams = 10

// Settings say where the other side is. Which are set depends on the type.
type Settings struct {
	URL        string `json:"url,omitempty"`         // https, splunk_hec
	Index      string `json:"index,omitempty"`       // splunk_hec; "": that of the token
	Site       string `json:"site,omitempty"`        // datadog
	Bucket     string `json:"bucket,omitempty"`      // s3
	Region     string `json:"region,omitempty"`      // s3
	Prefix     string `json:"prefix,omitempty"`      // s3
	RoleARN    string `json:"role_arn,omitempty"`    // s3
	ExternalID string `json:"external_id,omitempty"` // s3: chosen by us
}

// Filter selects entries. Those that are selected match each list that is not empty.
type Filter struct {
	Categories []string
	Actions    []string // names, or a noun and .*
	Outcomes   []string
}

// Replay sends entries again that a stream has already passed.
type Replay struct {
	From, To int64
	Reached  int64 // all up to this number are done
	At       time.Time
}

// Done reports whether nothing of it is left. A nil one is done.
func (r *Replay) Done() bool { return r == nil || r.Reached >= r.To }

// Stream sends the audit log to one system.
type Stream struct {
	ID          id.AuditStream
	Name        string
	Type        string
	Settings    Settings
	Filter      Filter
	Status      string
	PauseReason *string    // nil: it is not paused
	PausedAt    *time.Time // nil: it is not paused
	Revision    int64      // grows with each change by the customer
	Progress
	CreatedAt, UpdatedAt time.Time

	Head         int64      // the number of the last entry of the log
	WaitingSince *time.Time // when the first entry was made that the stream has not passed; nil: there is none
}

// Progress is what sending changes.
type Progress struct {
	Reached         int64 // all entries up to this number are delivered, or not selected
	Replay          *Replay
	BatchLimit      *int // entries of a batch; 0: one, reduced; nil: as many as usual
	Failures        int
	FailingSince    *time.Time
	NextTryAt       *time.Time
	LastError       *string
	LastErrorAt     *time.Time
	LastDeliveredAt *time.Time
	TestID          id.AuditEntry // zero: no test entry waits
	TestedAt        *time.Time
	TestError       *string
}

// What a caller of the API may be told.
var (
	ErrNotFound = fault.New(fault.NotFound, "audit_stream_not_found", "There is no audit stream with this id.").
			Means("Your organization has no audit stream with this id.")
	ErrTooMany = fault.New(fault.Conflict, "too_many_audit_streams",
		fmt.Sprintf("An organization has at most %d audit streams. Delete one that is no longer needed.", MaxStreams)).
		Means("The organization has reached the limit of audit streams.")
	ErrNoSigningSecret = fault.New(fault.Conflict, "audit_stream_not_signed",
		"Only streams of the type https have a signing secret. Change the token or key of this stream instead.").
		Means("The audit stream has no signing secret that could be rotated: only those of the type https do.")
	ErrNothingToReplay = fault.New(fault.Conflict, "nothing_to_replay",
		"The stream has not passed any entry of this range yet. It sends them when it comes to them.").
		Means("No entry of the range that was to be replayed has been passed by the audit stream.")
)
