package jobs

import (
	"context"
	"slices"
	"sync"
	"time"

	"portico/shared/api/edge"
	"portico/shared/clock"
	"portico/shared/job/schedule"
	"portico/shared/pg"
)

// The statuses of a schedule in a database.
const (
	current = "current"
	behind  = "behind"
	away    = "away"
)

const (
	// nextTimes is how many planned times are shown.
	nextTimes = 5
	// askAtMost is how long another database may take to answer, so that the request
	// ends in time.
	askAtMost = 5 * time.Second
)

// stored are the schedules of one database.
type stored struct {
	database string
	list     []schedule.Schedule
	err      error
}

// storedIn reads the schedules of a database.
func storedIn(ctx context.Context, db *pg.DB, database string) stored {
	s := stored{database: database}
	s.err = db.PlatformIn(ctx, database, func(tx pg.Tx) (err error) {
		s.list, err = schedule.List(ctx, tx)
		return err
	})
	return s
}

// storedInOthers asks the other databases, all at the same time.
func storedInOthers(c *edge.Call) []stored {
	ctx, cancel := context.WithTimeout(c, askAtMost)
	defer cancel()
	names := c.DB.Others().Names()
	all := make([]stored, len(names))
	var group sync.WaitGroup
	for i, name := range names {
		group.Go(func() { all[i] = storedIn(ctx, c.DB, name) })
	}
	group.Wait()
	return all
}

// schedules returns the schedules that match, with their states in every database.
func schedules(c *edge.Call, match func(schedule.Schedule) bool) ([]scheduleBody, error) {
	home := storedIn(c, c.DB, pg.Home)
	if home.err != nil {
		return nil, home.err
	}
	others, bodies := storedInOthers(c), []scheduleBody{}
	for _, s := range home.list {
		if !match(s) {
			continue
		}
		states := []scheduleDatabaseBody{stateOf(s, &s, pg.Home)}
		for _, other := range others {
			states = append(states, other.state(s))
		}
		body, err := showSchedule(s, c.Now(), states...)
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, body)
	}
	return bodies, nil
}

// state returns the state of a schedule of the home database in another one.
func (s stored) state(home schedule.Schedule) scheduleDatabaseBody {
	if s.err != nil {
		return scheduleDatabaseBody{Name: s.database, Status: away}
	}
	if i := slices.IndexFunc(s.list, func(own schedule.Schedule) bool { return own.Name == home.Name }); i >= 0 {
		return stateOf(home, &s.list[i], s.database)
	}
	return scheduleDatabaseBody{Name: s.database, Status: behind}
}

func stateOf(home schedule.Schedule, own *schedule.Schedule, database string) scheduleDatabaseBody {
	b := scheduleDatabaseBody{Name: database, Status: current, NextAt: clock.StampOf(own.NextAt), LastFiredAt: clock.StampOf(own.FiredAt)}
	if own.Revision < home.Revision {
		b.Status = behind
	}
	return b
}

func showSetting(s schedule.Setting) SettingBody {
	return SettingBody{Cron: s.Cron, Timezone: s.Timezone, CatchUp: string(s.CatchUp), Args: s.Args}
}

func showSchedule(s schedule.Schedule, now time.Time, databases ...scheduleDatabaseBody) (scheduleBody, error) {
	b := scheduleBody{
		Name: s.Name, Queue: string(s.Queue), Kind: s.Kind, SettingBody: showSetting(s.Setting), Enabled: s.Enabled, Origin: s.Origin(),
		Declared: showSetting(s.Declared), NextTimes: []clock.Stamp{}, UpdatedAt: clock.Stamp(s.UpdatedAt), UpdatedBy: textOf(s.UpdatedBy), Databases: databases,
	}
	next, err := s.Next(now, nextTimes)
	for _, at := range next {
		b.NextTimes = append(b.NextTimes, clock.Stamp(at))
	}
	return b, err
}

func listSchedules(c *edge.Call, _ *struct{}) (out *listSchedulesOutput, err error) {
	out = &listSchedulesOutput{}
	out.Body.Data, err = schedules(c, func(schedule.Schedule) bool { return true })
	return out, err
}

func getSchedule(c *edge.Call, in *SchedulePath) (*scheduleOutput, error) {
	list, err := schedules(c, func(s schedule.Schedule) bool { return s.Name == in.Name })
	switch {
	case err != nil:
		return nil, err
	case len(list) == 0:
		return nil, schedule.ErrNotFound
	}
	return &scheduleOutput{Body: list[0]}, nil
}
