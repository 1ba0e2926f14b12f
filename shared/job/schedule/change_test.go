package schedule_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"portico/shared/job/schedule"
	"portico/shared/pg"
	"portico/shared/testkit"
)

func (c *clerk) change(change schedule.Change) (after schedule.Schedule) {
	c.t.Helper()
	testkit.Must(c.t, c.edit(func(ctx context.Context, e schedule.Editor, tx pg.Tx) (err error) {
		_, after, err = e.Change(ctx, tx, "tidy", change)
		return err
	}))
	return after
}

// A planned time that has come makes its job although the schedule is changed before
// anybody has fired for it, and no time makes two.
func TestChangeLosesNoTime(t *testing.T) {
	t.Parallel()
	c := newClerk(t)
	day := c.tomorrow()
	c.at(day.Add(time.Second))
	c.deploy(tidy(nil))
	for i, change := range []schedule.Change{
		{Args: json.RawMessage(`{"days":9}`)}, {Cron: new("*/5 * * * *")}, {Timezone: new("Asia/Kathmandu")}, {Enabled: new(true)}, {CatchUp: new(schedule.All)},
	} {
		c.Advance(t, 10*time.Minute)
		c.change(change)
		if n := c.fire(); n != 1 && i < 4 {
			t.Errorf("change %d: %d jobs for the time that had come", i, n)
		}
		if n := c.fire(); n != 0 {
			t.Errorf("change %d: %d more jobs", i, n)
		}
	}
	if next := c.change(schedule.Change{Cron: new("0 5 * * *"), Timezone: new("UTC")}).NextAt; next == nil || !next.Equal(day.Add(5*time.Hour)) {
		t.Errorf("next at %v", next)
	}
}

// The next five times are those at which it fires.
func TestNextTimes(t *testing.T) {
	t.Parallel()
	c := newClerk(t)
	c.deploy(tidy(func(d *schedule.Declaration) { d.Cron, d.Timezone = "30 2 * * *", "Europe/Berlin" }))
	now := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)
	s := c.one()
	s.NextAt = new(time.Date(2026, 3, 29, 1, 30, 0, 0, time.UTC))
	list, err := s.Next(now, 5)
	testkit.Must(t, err)
	if len(list) != 5 || !list[0].Equal(*s.NextAt) || !list[4].Equal(time.Date(2026, 4, 2, 0, 30, 0, 0, time.UTC)) {
		t.Errorf("%v", list)
	}
	if late, err := s.Next(now.AddDate(0, 0, 2), 5); err != nil || len(late) != 5 || !late[0].Equal(*s.NextAt) || !late[1].After(now.AddDate(0, 0, 2)) {
		t.Errorf("due for a day: %v, %v", late, err)
	}
	if s.NextAt = nil; true {
		if list, err := s.Next(now, 5); err != nil || list != nil {
			t.Errorf("paused: %v, %v", list, err)
		}
	}
}

// Over a change of daylight-saving time a daily schedule makes one job a day, with
// several sweepers at once.
func TestOneJobOnTheDayOfAChange(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	testkit.Must(t, err)
	c := newClerk(t)
	c.deploy(tidy(func(d *schedule.Declaration) { d.Cron, d.Timezone = "30 2 * * *", "Europe/Berlin" }))
	for _, month := range []time.Month{time.March, time.October} {
		noon := time.Date(c.Clock.Now().Year()+1, month, 31, 12, 0, 0, 0, berlin)
		if month == time.October {
			noon = noon.AddDate(-1, 0, 0) // the clock is in that year by then
		}
		noon = noon.AddDate(0, 0, -int(noon.Weekday())-1) // before the last Sunday
		c.at(noon)
		c.fire()
		for day := range 3 {
			before := testkit.Value[int](t, c.Database, `SELECT count(*) FROM job`)
			for range 24 {
				c.Advance(t, time.Hour)
				c.fireAtOnce(3)
			}
			if n := testkit.Value[int](t, c.Database, `SELECT count(*) FROM job`) - before; n != 1 {
				t.Errorf("%s, day %d: %d jobs", month, day, n)
			}
		}
	}
}
