package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
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
}

// ErrNotFound is returned when there is no schedule with the name.
var ErrNotFound = errors.New("there is no schedule with this name")

// times returns the planned times, or a fault that names the wrong field.
func (s Setting) times(kinds *job.Registry, kind string) (Times, error) {
	t, err := Parse(s.Cron, s.Timezone)
	if s.CatchUp != None && s.CatchUp != One && s.CatchUp != All {
		err = fault.Join(err, fault.InvalidField("catch_up", "is not none, one or all"))
	}
	if len(s.Args) > job.MaxArgs {
		err = fault.Join(err, job.ErrArgsTooLarge)
	} else if wrong := kinds.Check(kind, s.Args); wrong != nil {
		err = fault.Join(err, fault.InvalidField("args", "cannot be read by the kind "+kind+": "+wrong.Error()))
	}
	return t, err
}

const columns = `name, queue, kind, json_build_object('cron', cron, 'timezone', timezone, 'catch_up', catch_up, 'args', args) AS setting,
	declared, enabled, origin = 'panel' AS changed, next_at, fired_at, updated_at, coalesce(updated_by, '') AS updated_by`

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
}

func (s stored) schedule() (Schedule, error) {
	out := Schedule{
		Name: s.Name, Queue: s.Queue, Kind: s.Kind, Enabled: s.Enabled, Changed: s.Changed,
		NextAt: s.NextAt, FiredAt: s.FiredAt, UpdatedAt: s.UpdatedAt, UpdatedBy: s.UpdatedBy,
	}
	return out, errors.Join(json.Unmarshal(s.Setting, &out.Setting), json.Unmarshal(s.Declared, &out.Declared))
}

// List returns the schedules of an organization, by name; of zeros: the platform's.
func List(ctx context.Context, q pg.Querier, org id.Org) ([]Schedule, error) {
	rows, err := pg.List[stored](ctx, q, "schedule.List", `SELECT `+columns+` FROM job_schedule WHERE org_id = $1 ORDER BY name`, [16]byte(org.UUID))
	list := make([]Schedule, len(rows))
	for i, row := range rows {
		if list[i], err = row.schedule(); err != nil {
			return nil, fmt.Errorf("schedule.List: %w", err)
		}
	}
	return list, err
}

// get returns a schedule and locks it until the end of the transaction.
func get(ctx context.Context, tx pg.Tx, org id.Org, name string) (Schedule, error) {
	row, err := pg.One[stored](ctx, tx, "schedule.get", ErrNotFound, `SELECT `+columns+` FROM job_schedule WHERE org_id = $1 AND name = $2 FOR UPDATE`, [16]byte(org.UUID), name)
	if err != nil {
		return Schedule{}, err
	}
	return row.schedule()
}
