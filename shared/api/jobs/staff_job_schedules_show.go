package jobs

import (
	"slices"
	"time"

	"portico/shared/api/edge"
	"portico/shared/clock"
	"portico/shared/job/schedule"
	"portico/shared/pg"
)

// nextTimes is how many planned times are shown.
const nextTimes = 5

// schedules returns the schedules that match, with their states in every database.
func schedules(c *edge.Call, match func(schedule.Schedule) bool) ([]scheduleBody, error) {
	home := storedIn(c, c.DB, pg.Home, schedule.List)
	if home.err != nil {
		return nil, home.err
	}
	others, bodies := storedInOthers(c, schedule.List), []scheduleBody{}
	for _, s := range home.rows {
		if !match(s) {
			continue
		}
		states := []scheduleDatabaseBody{stateOf(s, &s, pg.Home)}
		for _, other := range others {
			states = append(states, stateIn(other, s))
		}
		body, err := showSchedule(s, c.Now(), states...)
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, body)
	}
	return bodies, nil
}

// stateIn returns the state of a schedule of the home database in another one.
func stateIn(other stored[[]schedule.Schedule], home schedule.Schedule) scheduleDatabaseBody {
	if other.err != nil {
		return scheduleDatabaseBody{Name: other.database, Status: away}
	}
	if i := slices.IndexFunc(other.rows, func(own schedule.Schedule) bool { return own.Name == home.Name }); i >= 0 {
		return stateOf(home, &other.rows[i], other.database)
	}
	return scheduleDatabaseBody{Name: other.database, Status: behind}
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
