package job_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"portico/shared/fault"
	"portico/shared/job"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// What becomes of a job follows from its error, and what it wrote is undone.
func TestWhatErrorsDo(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err          error
		state, code  string
		attempts, in int // in: seconds until it is due
	}{
		"any other error":      {errors.New("no luck"), "pending", job.CodeError, 1, 10},
		"a store is away":      {fault.ErrAway, "pending", "unavailable", 1, 10},
		"a permanent fault":    {fault.InvalidField("url", "is wrong"), "dead", "invalid_request", 1, 0},
		"the other side waits": {&fault.Error{Kind: fault.TooMany, Code: "too_many", RetryAfter: 40 * time.Second}, "pending", "too_many", 0, 40},
		"the handler snoozes":  {job.Snooze(30 * time.Second), "pending", "", 0, 30},
		"a panic":              {nil, "dead", job.CodePanic, 1, 0},
	} {
		kind := failing(tt.err)
		if tt.err == nil {
			kind.Work = job.InTx(func(context.Context, pg.Tx, job.Job, note) error { panic("oh no") })
		}
		o := newOffice(t, kind)
		o.StopClock(t)
		added := add(o, kind, note{"undone"}, job.Options{})
		o.do(o.r, o.claim(o.r)...)
		if s := o.state(added); s != tt.state || len(o.noted()) != 0 {
			t.Errorf("%s: the job is %s, and wrote %q", name, s, o.noted())
		}
		got := testkit.Value[string](t, o.Database, `SELECT format('%s %s %s', coalesce(error_code, ''), attempts, extract(epoch FROM due_at - portico_now())::integer) FROM job`)
		if want := fmt.Sprintf("%s %d %d", tt.code, tt.attempts, tt.in); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// A job is tried nine times in the default schedule and is dead then. Its tries are
// kept.
func TestRetriesEnd(t *testing.T) {
	t.Parallel()
	kind := failing(errors.New("no luck"))
	o := newOffice(t, kind)
	added := add(o, kind, note{"undone"}, job.Options{})
	waits := []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour}
	for i, wait := range waits {
		o.drain()
		if n := testkit.Value[int](t, o.Database, `SELECT attempts FROM job`); n != i+1 {
			t.Fatalf("%d tries were made, want %d", n, i+1)
		}
		o.Advance(t, wait-time.Second)
		o.drain()
		if n := testkit.Value[int](t, o.Database, `SELECT attempts FROM job`); n != i+1 {
			t.Fatalf("tried again before %s", wait)
		}
		o.Advance(t, 2*time.Second)
	}
	o.drain()
	if s := o.state(added); s != "dead" {
		t.Errorf("after all tries it is %s", s)
	}
	var tries []struct{ Code, Error string }
	testkit.Must(t, json.Unmarshal(testkit.Value[[]byte](t, o.Database, `SELECT tries FROM job`), &tries))
	if len(tries) != 9 || tries[8].Error != "no luck" || tries[8].Code != job.CodeError {
		t.Errorf("tries %+v", tries)
	}
}

// A kind may have a schedule of its own, to which a tenth is added at random.
func TestOwnScheduleWithJitter(t *testing.T) {
	t.Parallel()
	kind := failing(errors.New("no luck"))
	kind.Retry = job.Schedule{100 * time.Second}
	o := newOffice(t, kind)
	o.StopClock(t)
	o.r.Random = func() float64 { return 0.5 }
	add(o, kind, note{}, job.Options{})
	o.drain()
	if s := testkit.Value[int](t, o.Database, `SELECT extract(epoch FROM due_at - portico_now())::integer FROM job`); s != 105 {
		t.Errorf("tried again after %d s, want 105", s)
	}
	o.Advance(t, 106*time.Second)
	o.drain()
	if s := testkit.Value[string](t, o.Database, `SELECT status FROM job`); s != "dead" {
		t.Errorf("it is %s", s)
	}
}

// A try that takes longer than the kind's timeout is ended and tried again.
func TestTimeout(t *testing.T) {
	t.Parallel()
	slow := job.Kind[note]{Name: "test.slow", Queue: job.High, Timeout: time.Millisecond, Work: job.Call(
		func(ctx context.Context, _ job.Job, _ note) (struct{}, error) {
			<-ctx.Done()
			return struct{}{}, ctx.Err()
		}, nil)}
	o := newOffice(t, slow)
	add(o, slow, note{}, job.Options{})
	o.drain()
	got := testkit.Value[string](t, o.Database, `SELECT format('%s %s: %s', attempts, error_code, last_error) FROM job`)
	if want := "1 timeout: The try took longer than 1ms."; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Arguments that the kind cannot read make a job dead at once.
func TestUndecodableArguments(t *testing.T) {
	t.Parallel()
	o := newOffice(t, writing)
	add(o, writing, note{}, job.Options{})
	o.Exec(t, `UPDATE job SET args = '{"text": 5}'`)
	o.drain()
	if got := testkit.Value[string](t, o.Database, `SELECT status || ' ' || error_code FROM job`); got != "dead undecodable_args" {
		t.Errorf("it is %s", got)
	}
}

// Jobs that failed in the same way have one fingerprint, whatever ids and numbers
// their errors name.
func TestFingerprints(t *testing.T) {
	t.Parallel()
	text := ""
	kind := job.Kind[note]{Name: "test.fail", Queue: job.High, Retry: job.Schedule{}, Work: job.InTx(
		func(context.Context, pg.Tx, job.Job, note) error { return errors.New(text) })}
	o := newOffice(t, kind)
	prints := map[string][]string{}
	for _, text = range []string{
		`no answer from 10.0.0.1 for evt_01h455vb4pex5vsknk084sn02q after 17 s`, `no answer from 10.0.0.27 for evt_7zzzzzzzzzzzzzzzzzzzzzzzzz after 3 s`,
		`no row "a"`, `no row "b"`, `something else`, "not storable: \x00 \xff",
	} {
		added := add(o, kind, note{}, job.Options{})
		o.drain()
		p := testkit.Value[string](t, o.Database, `SELECT fingerprint FROM job WHERE id = $1`, added)
		prints[p] = append(prints[p], text)
	}
	sizes := []int{}
	for _, texts := range prints {
		sizes = append(sizes, len(texts))
	}
	slices.Sort(sizes)
	if !slices.Equal(sizes, []int{1, 1, 2, 2}) {
		t.Errorf("grouped as %q", prints)
	}
}
