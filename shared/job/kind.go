package job

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"
)

// Kind is what a job does. Args are its arguments; they name things by their ids.
// A kind is a variable of the package whose work it is. If the work needs clients
// or secrets, the variable has no Work, and the host registers a copy that has.
type Kind[Args any] struct {
	// Name is stored with every job, such as audit.export. It never changes.
	Name  string
	Queue Queue
	// Timeout bounds a try; for Steps, each step. 0: a minute. At most MaxTimeout.
	Timeout time.Duration
	// Retry says when a failed job is tried again. nil: Backoff.
	Retry Schedule
	// PerOrg and InAll bound exactly how many of its jobs run at a time, for each
	// organization and in the whole database. 0: any number.
	PerOrg, InAll int
	// Throttle is the rate of an outside API. nil: none.
	Throttle *Throttle
	// Unique says what happens to a job that is added with the key of one that waits.
	Unique Unique
	// Visible: customers see their jobs of this kind, and may cancel them.
	Visible bool
	// Alone: each job runs in an invocation of its own, because it may need much
	// memory or take its process down.
	Alone bool
	// Platform: its jobs are the platform's own and work across organizations.
	Platform bool
	Work     Work[Args]
}

// Unique says what happens to a job that is added with a key.
type Unique string

// At most one job of an organization and a kind waits with a key, and at most one
// runs. So a change that comes while its job runs gets a job of its own.
const (
	// Waits: while a job with the key waits, no other one is added. It will see what
	// the adding transaction has written.
	Waits Unique = "waits"
	// Replace does the same, and the waiting job gets the new arguments and the new
	// delay: the last one counts.
	Replace Unique = "replace"
)

// Declared is a Kind of any arguments.
type Declared interface{ declare() (declaration, error) }

// declaration is what the registry keeps of a kind.
type declaration struct {
	name          string
	queue         Queue
	timeout       time.Duration
	retry         Schedule
	perOrg, inAll int
	throttle      *Throttle
	visible       bool
	alone         bool
	platform      bool
	do            func(*try) error
	check         func(args json.RawMessage) error // refuses fields that the kind does not have
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$`)

func (k Kind[Args]) declare() (declaration, error) {
	d := declaration{
		name: k.Name, queue: k.Queue, timeout: k.Timeout, retry: k.Retry, perOrg: k.PerOrg, inAll: k.InAll, throttle: k.Throttle,
		visible: k.Visible, alone: k.Alone, platform: k.Platform,
		check: func(args json.RawMessage) error {
			_, err := decode[Args](args, true)
			return err
		},
	}
	if d.timeout == 0 {
		d.timeout = time.Minute
	}
	if d.retry == nil {
		d.retry = Backoff
	}
	switch {
	case !nameForm.MatchString(k.Name):
		return d, fmt.Errorf("the kind %q needs a name such as audit.export", k.Name)
	case k.Queue != High && k.Queue != Bulk && k.Queue != Billing:
		return d, fmt.Errorf("the kind %s has no queue", k.Name)
	case d.timeout < 0 || d.timeout > MaxTimeout:
		return d, fmt.Errorf("the kind %s has a timeout of %s: at most %s are possible", k.Name, d.timeout, MaxTimeout)
	case k.Work.do == nil:
		return d, fmt.Errorf("the kind %s has no work", k.Name)
	}
	d.do = func(t *try) error {
		args, err := decode[Args](t.Args, false)
		if err != nil {
			return undecodable{err}
		}
		return k.Work.do(t, args)
	}
	return d, nil
}

// decode reads arguments. Fields that the type does not have are ignored, because a
// newer version may have added the job; if strict, they are an error.
func decode[Args any](raw json.RawMessage, strict bool) (args Args, err error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if strict {
		decoder.DisallowUnknownFields()
	}
	err = decoder.Decode(&args)
	return args, err
}

// Registry has the kinds that a program knows.
type Registry struct{ kinds map[string]declaration }

// NewRegistry returns a registry, or an error if a kind is wrong or has the name of
// another one.
func NewRegistry(kinds ...Declared) (*Registry, error) {
	r := &Registry{kinds: map[string]declaration{}}
	for _, k := range kinds {
		d, err := k.declare()
		if err != nil {
			return nil, fmt.Errorf("job.NewRegistry: %w", err)
		}
		if _, twice := r.kinds[d.name]; twice {
			return nil, fmt.Errorf("job.NewRegistry: the kind %s is declared twice", d.name)
		}
		r.kinds[d.name] = d
	}
	return r, nil
}

// Names returns the names of the kinds, sorted.
func (r *Registry) Names() []string { return slices.Sorted(maps.Keys(r.kinds)) }

// Check reports why a kind cannot read arguments. Other than a job it refuses
// fields that the kind does not have.
func (r *Registry) Check(kind string, args json.RawMessage) error {
	d, ok := r.kinds[kind]
	if !ok {
		return fmt.Errorf("there is no kind %s", kind)
	}
	return d.check(args)
}
