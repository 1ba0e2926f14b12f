package audit_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/testkit"
)

// refusal is an attempt of one actor that was refused.
func refusal(d *testkit.Database, actor string) audit.Entry {
	return audit.Entry{
		Action: "role.create", Actor: audit.Actor{Type: audit.APIKey, ID: actor, Name: "mine"}, Targets: []audit.Target{audit.Named("role", "r")},
		After: audit.Fields{"code": "x"}, CreatedAt: d.Clock.Now(),
	}
}

// counts returns how many attempts are counted and how many have an entry.
func counts(t *testing.T, d *testkit.Database, org id.Org) string {
	t.Helper()
	return testkit.Value[string](t, d, `
		SELECT (SELECT coalesce(sum(attempts), 0) FROM audit_refusal WHERE org_id = $1) || ' ' || (SELECT count(*) FROM audit_entry WHERE org_id = $1)`, org)
}

// Each attempt is counted up to the thousandth in a minute. From then on an environment
// writes every hundredth, with the others. Another actor, and the next minute, begin anew.
func TestRefusalsInMemory(t *testing.T) {
	t.Parallel()
	d := testkit.DB(t)
	org := d.NewOrg(t)
	d.Advance(t, d.Clock.Now().Truncate(time.Minute).Add(time.Minute).Sub(d.Clock.Now()))
	d.StopClock(t)
	minute := d.Clock.Now().Truncate(time.Minute)
	r := &audit.Refusals{DB: d.App}
	try := func(actor string, times int, want string) {
		t.Helper()
		for range times {
			e := refusal(d, actor)
			e.CreatedAt = minute.Add(time.Second)
			testkit.Must(t, r.Record(context.Background(), org, e))
		}
		if got := counts(t, d, org); got != want {
			t.Errorf("after %d of %s: %s, want %s", times, actor, got, want)
		}
	}
	try("key_a", 10, "10 10")
	try("key_a", 990, "1000 10")
	try("key_a", 99, "1000 10")
	try("key_a", 1, "1100 10")
	try("key_a", 150, "1200 10")
	try("key_b", 1, "1201 11")
	d.Advance(t, time.Minute)
	minute = minute.Add(time.Minute)
	try("key_a", 1, "1202 12")
}

// The counts of minutes in which every attempt has an entry are forgotten after an hour,
// others only when they are reported.
func TestForgetRefused(t *testing.T) {
	t.Parallel()
	d, ctx := testkit.DB(t), context.Background()
	org := d.NewOrg(t)
	for actor, times := range map[string]int{"few": 10, "many": 11} {
		r := &audit.Refusals{DB: d.App}
		for range times {
			testkit.Must(t, r.Record(ctx, org, refusal(d, actor)))
		}
	}
	forget := func(want int64) {
		t.Helper()
		if n, err := audit.ForgetRefused(ctx, d.Worker, 10); n != want || err != nil {
			t.Errorf("%d forgotten, %v, want %d", n, err, want)
		}
	}
	forget(0)
	d.Advance(t, 62*time.Minute)
	forget(1)
	if left := testkit.Value[string](t, d, `SELECT string_agg(actor_id || ' ' || attempts, ',') FROM audit_refusal`); left != "many 11" {
		t.Error(fmt.Sprint("left: ", left))
	}
}
