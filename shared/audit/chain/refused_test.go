package chain_test

import (
	"context"
	"testing"
	"time"

	"portico/shared/audit"
	"portico/shared/testkit"
)

// refuse records refused attempts of one actor.
func (l *log) refuse(times int) {
	l.t.Helper()
	r := &audit.Refusals{DB: l.App}
	for i := range times {
		e := l.entry(i)
		e.Actor.Type = audit.APIKey
		testkit.Must(l.t, r.Record(context.Background(), l.org, e))
	}
}

// reported returns how many refused attempts the entries about ended minutes name.
func (l *log) reported() string {
	return testkit.Value[string](l.t, l.Database, `SELECT coalesce(string_agg(after ->> 'attempts', ' ' ORDER BY id), '') FROM audit_entry WHERE action = 'refusal.count'`)
}

// The sequencer reports a minute when it has ended, exactly once, although it was
// killed before and after, two work at a time, and late attempts come. It says before
// that there will be something to do, and when.
func TestReportRefused(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.Advance(t, l.Clock.Now().Truncate(time.Minute).Add(time.Minute).Sub(l.Clock.Now()))
	l.StopClock(t)
	due := testkit.Value[time.Time](t, l.Database, `SELECT date_trunc('minute', portico_now()) + interval '70 seconds'`)
	l.refuse(25)
	s := l.sequencer()
	l.work(s)
	if next, err := s.Next(context.Background()); err != nil || next.Due || !next.At.Equal(due) || l.reported() != "" {
		t.Fatalf("%+v %v, reported %q", next, err, l.reported())
	}
	l.whole(10)
	l.Advance(t, 70*time.Second)
	if next, err := s.Next(context.Background()); err != nil || !next.Due {
		t.Fatalf("%+v %v", next, err)
	}
	for _, point := range []string{"reported", "begun"} { // before and after the report's commit
		killed := l.sequencer()
		ctx, kill := context.WithCancel(context.Background())
		killed.Crash = func(at string) {
			if at == point {
				kill()
			}
		}
		_, _ = work(ctx, killed)
		want := map[string]string{"reported": "", "begun": "15"}[point]
		if got := l.reported(); got != want {
			t.Errorf("killed when %s: reported %q, want %q", point, got, want)
		}
	}
	l.refuse(2)
	other := l.sequencer()
	l.work(other)
	l.work(s)
	if got := l.reported(); got != "15" {
		t.Errorf("reported %q", got)
	}
	l.whole(13)
	if left := testkit.Value[int](t, l.Database, `SELECT count(*) FROM audit_refusal WHERE due_at IS NOT NULL`); left != 0 {
		t.Errorf("%d counts are left", left)
	}
}

// While an organization moves, its minutes are not reported; others are.
func TestReportRefusedOfAMovingOrganization(t *testing.T) {
	t.Parallel()
	l := newLog(t)
	l.refuse(11)
	l.Advance(t, 3*time.Minute)
	l.Place(t, l.org, "draining", "acme")
	s := l.sequencer()
	l.work(s)
	if got := l.reported(); got != "" {
		t.Errorf("reported %q", got)
	}
	l.Exec(t, `DELETE FROM placement`)
	l.work(s)
	if got := l.reported(); got != "1" {
		t.Errorf("reported %q", got)
	}
}
