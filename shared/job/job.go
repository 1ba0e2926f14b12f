// Package job does work in the background. A job is added in the transaction that
// needs it (Add), so it exists exactly if that transaction commits. It is a row in
// the table job until it has finished, and then one in job_log. A runner claims due
// jobs, does what their kind says (Kind, Work) and records the results. The engine
// that decides when and in whose turn is shared/claim; Runner is its queue.
package job

import (
	"time"

	"github.com/google/uuid"

	"portico/shared/id"
)

// Queue is where a kind runs: each queue has a function, a role and a number of
// invocations of its own, so that one does not delay another.
type Queue string

// The queues.
const (
	High    Queue = "high"    // somebody waits for it
	Bulk    Queue = "bulk"    // large amounts of work for which nobody waits
	Billing Queue = "billing" // the only role that reads the secrets of payment processors
)

// MaxArgs is the largest size of a job's arguments as JSON, in bytes.
const MaxArgs = 16 << 10

// MaxTimeout is the longest that a try may take. An invocation lasts 15 minutes.
const MaxTimeout = 14 * time.Minute

const (
	// LeaseFor is how long a lease lasts, whatever the job takes: the runner renews
	// it. So the jobs of a killed runner continue after this time.
	LeaseFor = 30 * time.Second
	// renewEvery leaves time for two more tries before a lease ends.
	renewEvery = 10 * time.Second
	// handOverFor is how long a job may wait to be taken over by an invocation of its
	// own before it is handed over again.
	handOverFor = 15 * time.Minute
	// maxCrashes is how many runners a job may take down.
	maxCrashes = 3
	// scheduledAfter is the delay from which a job waits outside its lane.
	scheduledAfter = time.Minute
)

// Job is what a handler knows about its job.
type Job struct {
	ID  id.Job
	Org id.Org // zero: it is the platform's own
	// Try counts the tries, from 1.
	Try       int
	CreatedBy string // who added it; "": Portico itself
	RequestID string // the request that added it; "": none did

	progress *progress
}

// Key is the same for all tries of the job and different for every other job: the
// key with which the other side of a call recognises a repetition.
func (j Job) Key() string { return j.ID.String() }

// Progress says how much of the job is done, in whatever unit its kind counts; a
// total of 0 means that it is not known. It is written within 10 s, and with each
// step.
func (j Job) Progress(done, total int64, note string) { j.progress.set(done, total, note) }

// Lane is whose turn it is: the jobs of one kind of one organization.
type Lane struct {
	OrgID id.Org // zero: the platform's own
	Kind  string
}

// Org is whose work it is; zero: the platform's own.
func (l Lane) Org() id.Org { return l.OrgID }

// raw is an organization's id for a statement. An id.Org of zeros would be NULL,
// but the platform's own jobs have zeros.
func raw(org id.Org) [16]byte { return org.UUID }

// newLogID returns an id for a row of job_log.
func newLogID(now time.Time) uuid.UUID { return id.V7(now) }
