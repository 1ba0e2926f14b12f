package schedule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"portico/shared/fault"
	"portico/shared/job"
	"portico/shared/pg"
)

// CatchUp says which of several planned times that have passed make a job.
type CatchUp string

// What happens after an outage.
const (
	None CatchUp = "none" // those that are late make no job
	One  CatchUp = "one"  // the last one makes a job
	All  CatchUp = "all"  // each makes a job
)

// Setting is what a person can change of a schedule.
type Setting struct {
	Cron     string          `json:"cron"`
	Timezone string          `json:"timezone"` // a name of the IANA database, such as UTC
	CatchUp  CatchUp         `json:"catch_up"`
	Args     json.RawMessage `json:"args"`
}

// Declaration is a schedule of the platform that the code declares.
type Declaration struct {
	Name  string
	Queue job.Queue
	Kind  string
	Setting
}

// Schedule is a schedule as it is stored.
type Schedule struct {
	Name  string
	Queue job.Queue
	Kind  string
	Setting
	Declared  Setting
	Enabled   bool
	Changed   bool       // a person has changed it, and deployments leave it
	NextAt    *time.Time // nil: it is paused
	FiredAt   *time.Time // the planned time for which it last fired; nil: none yet
	UpdatedAt time.Time
	UpdatedBy string // "": a deployment
	// Revision grows with each change by a person in the home database. Another
	// database with a smaller one has not got the last change yet.
	Revision int64
	Runs     int64 // how often a person has run it now
}

// Where the setting of a schedule comes from.
const (
	Code  = "code"
	Panel = "panel" // a person has changed it
)

// Origin says where the setting comes from: Code or Panel.
func (s Schedule) Origin() string {
	if s.Changed {
		return Panel
	}
	return Code
}

// ErrNotFound is returned when there is no schedule with the name.
var ErrNotFound = fault.New(fault.NotFound, "job_schedule_not_found", "There is no schedule with this name.").
	Means("There is no schedule with this name.")

// platform is the organization of the platform's own rows.
var platform [16]byte

func now(ctx context.Context, q pg.Querier) (time.Time, error) {
	at, err := pg.Value[time.Time](ctx, q, "schedule.now", `SELECT portico_now()`)
	return at.UTC(), err
}

// times returns the planned times, or a fault that names the wrong field.
func (s Setting) times(kinds *job.Registry, kind string) (Times, error) {
	t, err := Parse(s.Cron, s.Timezone)
	if s.CatchUp != None && s.CatchUp != One && s.CatchUp != All {
		err = fault.Join(err, fault.InvalidField("catch_up", "is not none, one or all"))
	}
	if len(s.Args) > job.MaxArgs {
		err = fault.Join(err, job.ErrArgsTooLarge)
	} else if !bytes.HasPrefix(bytes.TrimSpace(s.Args), []byte("{")) {
		err = fault.Join(err, fault.InvalidField("args", "is not an object"))
	} else if wrong := kinds.Check(kind, s.Args); wrong != nil {
		err = fault.Join(err, fault.InvalidField("args", "cannot be read by the kind "+kind+": "+strings.TrimPrefix(wrong.Error(), "json: ")))
	}
	return t, err
}

const columns = `name, queue, kind, json_build_object('cron', cron, 'timezone', timezone, 'catch_up', catch_up, 'args', args) AS setting,
	declared, enabled, origin = 'panel' AS changed, next_at, fired_at, updated_at, coalesce(updated_by, '') AS updated_by, revision, runs`

// stored is a row of columns.
type stored struct {
	Name              string
	Queue             job.Queue
	Kind              string
	Setting, Declared []byte
	Enabled, Changed  bool
	NextAt, FiredAt   *time.Time
	UpdatedAt         time.Time
	UpdatedBy         string
	Revision, Runs    int64
}

func (s stored) schedule() (Schedule, error) {
	out := Schedule{
		Name: s.Name, Queue: s.Queue, Kind: s.Kind, Enabled: s.Enabled, Changed: s.Changed,
		NextAt: s.NextAt, FiredAt: s.FiredAt, UpdatedAt: s.UpdatedAt, UpdatedBy: s.UpdatedBy,
		Revision: s.Revision, Runs: s.Runs,
	}
	return out, errors.Join(json.Unmarshal(s.Setting, &out.Setting), json.Unmarshal(s.Declared, &out.Declared))
}

// List returns the schedules of a database, by name.
func List(ctx context.Context, q pg.Querier) ([]Schedule, error) {
	rows, err := pg.List[stored](ctx, q, "schedule.List", `SELECT `+columns+` FROM job_schedule WHERE org_id = $1 ORDER BY name`, platform)
	list := make([]Schedule, len(rows))
	for i, row := range rows {
		if list[i], err = row.schedule(); err != nil {
			return nil, fmt.Errorf("schedule.List: %w", err)
		}
	}
	return list, err
}

// Get returns a schedule or ErrNotFound.
func Get(ctx context.Context, q pg.Querier, name string) (Schedule, error) {
	return one(ctx, q, name, "")
}

// get also locks it until the end of the transaction.
func get(ctx context.Context, tx pg.Tx, name string) (Schedule, error) {
	return one(ctx, tx, name, " FOR UPDATE")
}

func one(ctx context.Context, q pg.Querier, name, lock string) (Schedule, error) {
	row, err := pg.One[stored](ctx, q, "schedule.get", ErrNotFound, `SELECT `+columns+` FROM job_schedule WHERE org_id = $1 AND name = $2`+lock, platform, name)
	if err != nil {
		return Schedule{}, err
	}
	return row.schedule()
}

// Next returns the next n planned times after a moment; none if it is paused.
func (s Schedule) Next(after time.Time, n int) ([]time.Time, error) {
	if s.NextAt == nil {
		return nil, nil
	}
	times, err := Parse(s.Cron, s.Timezone)
	if err != nil {
		return nil, err
	}
	if !s.NextAt.After(after) { // it is due
		return append([]time.Time{s.NextAt.UTC()}, times.List(after, n-1)...), nil
	}
	return times.List(after, n), nil
}
