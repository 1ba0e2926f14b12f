package trigger_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"portico/infra/local/trigger"
)

func TestNext(t *testing.T) {
	for _, tt := range []struct{ expression, after, want string }{
		{"rate(1 minute)", "2026-11-20T10:00:30Z", "2026-11-20T10:01:30Z"},
		{"rate(2 hours)", "2026-11-20T10:00:30Z", "2026-11-20T12:00:30Z"},
		{"rate(1 day)", "2026-11-20T10:00:30Z", "2026-11-21T10:00:30Z"},
		{"cron(17 3 * * ? *)", "2026-11-20T03:16:59Z", "2026-11-20T03:17:00Z"},
		{"cron(17 3 * * ? *)", "2026-11-20T03:17:00Z", "2026-11-21T03:17:00Z"},
		{"cron(0/15 * * * ? *)", "2026-11-20T10:01:00Z", "2026-11-20T10:15:00Z"},
		{"cron(*/20 8-9 * * ? *)", "2026-11-20T09:41:00Z", "2026-11-21T08:00:00Z"},
		{"cron(0 0 29 FEB ? *)", "2026-11-20T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"cron(30 12 ? * MON-FRI *)", "2026-11-20T12:30:00Z", "2026-11-23T12:30:00Z"}, // a Friday
		{"cron(30 12 ? * 1,7 *)", "2026-11-20T12:30:00Z", "2026-11-21T12:30:00Z"},
		{"cron(0 0 1 1 ? 2028)", "2026-11-20T12:30:00Z", "2028-01-01T00:00:00Z"},
		{"cron(0 0 1 1 ? 2020)", "2026-11-20T12:30:00Z", "0001-01-01T00:00:00Z"},
	} {
		s, err := trigger.ParseSchedule(tt.expression)
		if err != nil {
			t.Error(err)
			continue
		}
		after, _ := time.Parse(time.RFC3339, tt.after)
		if got := s.Next(after).Format(time.RFC3339); got != tt.want {
			t.Errorf("%s after %s: got %s, want %s", tt.expression, tt.after, got, tt.want)
		}
	}
}

func TestParseScheduleRefuses(t *testing.T) {
	for _, expression := range []string{
		"", "rate(1 minutes)", "rate(2 minute)", "rate(0 minutes)", "rate(1 week)", "at(2026-11-20T10:00:00)",
		"cron(* * * * *)", "cron(0 0 1 1 1 *)", "cron(0 0 ? * ? *)", "cron(60 0 * * ? *)", "cron(0 0 L * ? *)", "cron(0 0 ? * 8 *)", "cron(*/0 0 * * ? *)",
	} {
		if _, err := trigger.ParseSchedule(expression); err == nil {
			t.Errorf("%q was accepted", expression)
		}
	}
}

func TestScheduleRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := trigger.ParseSchedule("rate(1 minute)")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
		defer cancel()
		start, fired := time.Now(), []time.Duration{}
		s.Run(ctx, func(context.Context) { fired = append(fired, time.Since(start)) })
		if len(fired) != 2 || fired[0] != time.Minute || fired[1] != 2*time.Minute {
			t.Errorf("fired after %v", fired)
		}
	})
}
