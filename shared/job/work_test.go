package job_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/shared/job"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// A call gets the same key in every try and another one for every job, and runs
// outside any transaction; what follows it commits with the job's end.
func TestCall(t *testing.T) {
	t.Parallel()
	var keys []string
	calls := 0
	kind := job.Kind[note]{Name: "test.call", Queue: job.High, Work: job.Call(
		func(_ context.Context, j job.Job, args note) (string, error) {
			keys = append(keys, j.Key())
			if calls++; calls == 1 {
				return "", errors.New("no answer")
			}
			return args.Text + "!", nil
		},
		func(ctx context.Context, tx pg.Tx, _ job.Job, _ note, reply string) error {
			return write(ctx, tx, reply)
		},
	)}
	o := newOffice(t, kind)
	first := add(o, kind, note{"a"}, job.Options{})
	o.drain()
	o.Advance(t, time.Minute)
	o.drain()
	add(o, kind, note{"b"}, job.Options{})
	o.drain()
	if got := o.noted(); !slices.Equal(got, []string{"a!", "b!"}) {
		t.Errorf("jobs wrote %q", got)
	}
	if len(keys) != 3 || keys[0] != first.String() || keys[1] != keys[0] || keys[2] == keys[0] {
		t.Errorf("keys %q", keys)
	}
}

// If what follows a call fails, it is undone, and the call is made again.
func TestCallThenFails(t *testing.T) {
	t.Parallel()
	calls := 0
	kind := job.Kind[note]{Name: "test.call", Queue: job.High, Work: job.Call(
		func(context.Context, job.Job, note) (int, error) { calls++; return calls, nil },
		func(ctx context.Context, tx pg.Tx, _ job.Job, _ note, reply int) error {
			if err := write(ctx, tx, fmt.Sprint(reply)); err != nil || reply > 1 {
				return err
			}
			return errors.New("not the first time")
		},
	)}
	o := newOffice(t, kind)
	add(o, kind, note{}, job.Options{})
	o.drain()
	o.Advance(t, time.Minute)
	o.drain()
	if got := o.noted(); !slices.Equal(got, []string{"2"}) {
		t.Errorf("jobs wrote %q after %d calls", got, calls)
	}
}

// counting writes the numbers below five, one in each step.
func counting(before func(at int) error) job.Kind[note] {
	return job.Kind[note]{Name: "test.count", Queue: job.High, Work: job.Steps(
		func(ctx context.Context, tx pg.Tx, j job.Job, args note, at int) (int, bool, error) {
			if err := before(at); err != nil {
				return 0, false, err
			}
			j.Progress(int64(at+1), 5, "counting")
			return at + 1, at < 4, write(ctx, tx, fmt.Sprint(args.Text, at))
		})}
}

// Steps commit one by one: after a failed one, or in another runner, the job
// continues where it was.
func TestStepsResume(t *testing.T) {
	t.Parallel()
	failed := false
	kind := counting(func(at int) error {
		if at == 3 && !failed {
			failed = true
			return errors.New("no luck")
		}
		return nil
	})
	o := newOffice(t, kind)
	added := add(o, kind, note{"n"}, job.Options{})
	o.drain()
	if got := testkit.Value[string](t, o.Database, `SELECT cursor::text || ' ' || progress_done FROM job`); got != "3 3" || len(o.noted()) != 3 {
		t.Errorf("after three steps: %q, jobs wrote %q", got, o.noted())
	}
	o.Advance(t, time.Minute)
	o.drain()
	if got := strings.Join(o.noted(), " "); got != "n0 n1 n2 n3 n4" || o.state(added) != "succeeded" {
		t.Errorf("jobs wrote %q", got)
	}
	if n := testkit.Value[int](t, o.Database, `SELECT progress_done FROM job_log`); n != 5 {
		t.Errorf("the log says %d of 5", n)
	}
}

// A job of steps whose invocation ends is continued by another one, and uses up no
// try. Whatever little time there is, one step is made, so it always comes further.
func TestStepsContinueInAnotherInvocation(t *testing.T) {
	t.Parallel()
	kind := counting(func(int) error { return nil })
	kind.Timeout = time.Minute
	o := newOffice(t, kind)
	added := add(o, kind, note{"n"}, job.Options{})
	short, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for i := range 4 {
		claims := o.claim(o.r)
		if len(claims) != 1 {
			t.Fatalf("%d claims", len(claims))
		}
		result := o.r.Do(short, claims[0])
		_, err := o.r.Record(context.Background(), []job.Result{result}, within)
		testkit.Must(t, err)
		if len(o.noted()) != i+1 || o.state(added) != "pending" {
			t.Fatalf("after %d invocations jobs wrote %q, the job is %s", i+1, o.noted(), o.state(added))
		}
	}
	if n := testkit.Value[int](t, o.Database, `SELECT attempts + crashes FROM job`); n != 0 {
		t.Errorf("%d tries were used up", n)
	}
	o.drain()
	if got := strings.Join(o.noted(), " "); got != "n0 n1 n2 n3 n4" {
		t.Errorf("jobs wrote %q", got)
	}
}

// A job whose timeout does not fit into the rest of the invocation is left to
// another one.
func TestClaimLeavesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	long := writing
	long.Timeout = time.Minute
	o := newOffice(t, long)
	add(o, long, note{}, job.Options{})
	for left, want := range map[time.Duration]int{30 * time.Second: 0, 2 * time.Minute: 1} {
		ctx, cancel := context.WithTimeout(context.Background(), left)
		claims, err := job.ClaimLanes(ctx, o.r, 1, job.Lane{OrgID: o.org, Kind: long.Name})
		cancel()
		if err != nil || len(claims) != want {
			t.Errorf("with %s left: %d claims (%v), want %d", left, len(claims), err, want)
		}
		o.Exec(t, `UPDATE job SET lease = NULL, started_at = NULL, due_at = portico_now()`)
	}
}

// Jobs that a job adds exist exactly if it succeeds.
func TestFanOut(t *testing.T) {
	t.Parallel()
	tries := 0
	parent := job.Kind[note]{Name: "test.parent", Queue: job.High, Work: job.InTx(
		func(ctx context.Context, tx pg.Tx, j job.Job, _ note) error {
			list := []job.New[note]{{Args: note{"a"}}, {Args: note{"b"}}, {Args: note{"c"}}}
			if _, err := job.AddAll(ctx, tx, j.Org, writing, list); err != nil {
				return err
			}
			if tries++; tries == 1 {
				return errors.New("no luck")
			}
			return nil
		})}
	o := newOffice(t, parent, writing)
	add(o, parent, note{}, job.Options{})
	o.drain()
	if got := o.noted(); len(got) != 0 {
		t.Errorf("the first try added jobs: %q", got)
	}
	o.Advance(t, time.Minute)
	o.drain()
	got := o.noted()
	slices.Sort(got)
	if !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("jobs wrote %q", got)
	}
}

// A job that was handed over is done by the invocation that gets the message, and
// only once, however often the message arrives.
func TestHandOver(t *testing.T) {
	t.Parallel()
	alone := writing
	alone.Alone = true
	o, ctx := newOffice(t, alone), context.Background()
	var bodies []string
	o.r.HandOver = func(_ context.Context, body string) error {
		bodies = append(bodies, body)
		return nil
	}
	added := add(o, alone, note{"apart"}, job.Options{})
	if got := o.do(o.r, o.claim(o.r)...); !slices.Equal(got, []string{"apart"}) || len(o.noted()) != 0 {
		t.Fatalf("the runner: %q, jobs wrote %q", got, o.noted())
	}
	o.Advance(t, job.HandOverFor-time.Minute) // a full queue
	if claims := o.claim(o.r); len(claims) != 0 {
		t.Error("it was claimed while its message waits")
	}
	for range 2 {
		var h job.HandOver
		testkit.Must(t, json.Unmarshal([]byte(bodies[0]), &h))
		results, err := o.r.TakeOver(ctx, h)
		testkit.Must(t, err)
		_, err = o.r.Record(ctx, results, within)
		testkit.Must(t, err)
	}
	if got := o.noted(); len(bodies) != 1 || !slices.Equal(got, []string{"apart"}) || o.state(added) != "succeeded" {
		t.Errorf("jobs wrote %q after %d messages", got, len(bodies))
	}
}
