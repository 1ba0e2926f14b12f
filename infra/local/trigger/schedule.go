package trigger

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Schedule is a parsed schedule expression, in UTC.
type Schedule struct {
	every time.Duration // of rate(); 0 for cron()
	cron  cron
}

var ratePattern = regexp.MustCompile(`^rate\((\d+) (minute|hour|day)(s?)\)$`)

// ParseSchedule reads rate(…) and cron(…).
func ParseSchedule(expression string) (Schedule, error) {
	if m := ratePattern.FindStringSubmatch(expression); m != nil {
		n, _ := strconv.Atoi(m[1])
		if n == 0 || (n == 1) == (m[3] == "s") {
			return Schedule{}, fmt.Errorf("%s: AWS expects the singular for 1 and the plural otherwise: 1 minute, 2 minutes", expression)
		}
		unit := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[m[2]]
		return Schedule{every: time.Duration(n) * unit}, nil
	}
	if fields, ok := strings.CutPrefix(expression, "cron("); ok && strings.HasSuffix(fields, ")") {
		c, err := parseCron(strings.TrimSuffix(fields, ")"))
		if err != nil {
			return Schedule{}, fmt.Errorf("%s: %w", expression, err)
		}
		return Schedule{cron: c}, nil
	}
	return Schedule{}, fmt.Errorf("%q is neither rate(…) nor cron(…)", expression)
}

// Next returns the first time after t; zero when there is none.
func (s Schedule) Next(t time.Time) time.Time {
	if s.every > 0 {
		return t.Add(s.every)
	}
	return s.cron.next(t.UTC())
}

// Run calls fire at each time of the schedule, until ctx ends.
func (s Schedule) Run(ctx context.Context, fire func(context.Context)) {
	next := time.Now()
	for {
		if next = s.Next(next); next.IsZero() {
			return
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-timer.C:
			fire(ctx)
		case <-ctx.Done():
			timer.Stop()
			return
		}
		if now := time.Now(); next.Before(now.Add(-time.Minute)) {
			next = now // the machine slept: missed times are skipped
		}
	}
}

// set holds the allowed values of a cron field; nil allows all.
type set map[int]bool

func (s set) has(v int) bool { return s == nil || s[v] }

// cron is minutes, hours, day of month, month, day of week (1 is Sunday), year.
type cron [6]set

var cronFields = [6]struct {
	name     string
	min, max int
	words    string // names of values, three letters each, from min
}{
	{"minutes", 0, 59, ""}, {"hours", 0, 23, ""}, {"day of month", 1, 31, ""},
	{"month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"},
	{"day of week", 1, 7, "SUNMONTUEWEDTHUFRISAT"}, {"year", 1970, 2199, ""},
}

func parseCron(text string) (cron, error) {
	var c cron
	fields := strings.Fields(text)
	if len(fields) != len(c) {
		return c, fmt.Errorf("cron has 6 fields, not %d", len(fields))
	}
	if (fields[2] == "?") == (fields[4] == "?") {
		return c, fmt.Errorf("either the day of month or the day of week must be ?")
	}
	for i, field := range fields {
		var err error
		if c[i], err = parseField(field, i); err != nil {
			return c, fmt.Errorf("%s: %w", cronFields[i].name, err)
		}
	}
	return c, nil
}

func parseField(field string, i int) (set, error) {
	if field == "*" || field == "?" && (i == 2 || i == 4) {
		return nil, nil
	}
	f, values := cronFields[i], set{}
	for part := range strings.SplitSeq(field, ",") {
		span, step, stepped := strings.Cut(part, "/")
		low, high, ranged := strings.Cut(span, "-")
		from, to := f.min, f.max
		var err error
		if span != "*" {
			if from, err = fieldValue(low, i); err != nil {
				return nil, err
			}
			if !stepped {
				to = from
			}
		}
		if ranged {
			if to, err = fieldValue(high, i); err != nil {
				return nil, err
			}
		}
		by := 1
		if stepped {
			if by, err = strconv.Atoi(step); err != nil || by < 1 {
				return nil, fmt.Errorf("%q is not a step", step)
			}
		}
		for v := from; v <= to; v += by {
			values[v] = true
		}
	}
	return values, nil
}

func fieldValue(text string, i int) (int, error) {
	f := cronFields[i]
	if at := strings.Index(f.words, strings.ToUpper(text)); len(text) == 3 && at >= 0 && at%3 == 0 {
		return f.min + at/3, nil
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < f.min || v > f.max {
		return 0, fmt.Errorf("%q is not supported: the local stack reads numbers, names, lists, ranges and steps from %d to %d", text, f.min, f.max)
	}
	return v, nil
}

// next tries each minute of the days that match, for five years.
func (c cron) next(t time.Time) time.Time {
	t = t.Truncate(time.Minute).Add(time.Minute)
	for end := t.AddDate(5, 0, 0); t.Before(end); {
		if !c[2].has(t.Day()) || !c[3].has(int(t.Month())) || !c[4].has(int(t.Weekday())+1) || !c[5].has(t.Year()) {
			t = time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, time.UTC)
			continue
		}
		if c[0].has(t.Minute()) && c[1].has(t.Hour()) {
			return t
		}
		t = t.Add(time.Minute)
	}
	return time.Time{}
}
