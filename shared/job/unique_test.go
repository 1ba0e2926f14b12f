package job_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
	"portico/shared/testkit"
)

var within = claim.Limits{Lock: time.Second}

// unique returns the writing kind with a rule for keys.
func unique(rule job.Unique) job.Kind[note] {
	k := writing
	k.Unique = rule
	return k
}

// Of a key one job waits; another organization, kind or key does not matter. With
// Waits the first arguments and the earliest time count, with Replace the last
// ones.
func TestOneJobWaitsForAKey(t *testing.T) {
	t.Parallel()
	for rule, want := range map[job.Unique][]string{job.Waits: {"first", "other key"}, job.Replace: {"third", "other key"}} {
		kind := unique(rule)
		o := newOffice(t, kind)
		key := job.Options{Key: "k", Delay: 10 * time.Second}
		add(o, kind, note{"first"}, key)
		key.Delay = 5 * time.Second
		add(o, kind, note{"second"}, key)
		key.Delay = 50 * time.Second
		add(o, kind, note{"third"}, key)
		add(o, kind, note{"other key"}, job.Options{Key: "l", Delay: 55 * time.Second})
		o.Advance(t, 6*time.Second)
		o.drain()
		if early := len(o.noted()); early != map[job.Unique]int{job.Waits: 1, job.Replace: 0}[rule] {
			t.Errorf("%s: %d were done after 6 s", rule, early)
		}
		o.Advance(t, time.Minute)
		o.drain()
		if got := o.noted(); !slices.Equal(got, want) {
			t.Errorf("%s: jobs wrote %q, want %q", rule, got, want)
		}
	}
}

// One statement may add many jobs with the same key.
func TestKeysInOneStatement(t *testing.T) {
	t.Parallel()
	for rule, want := range map[job.Unique][]string{job.Waits: {"1", "3", "free", "free"}, job.Replace: {"2", "3", "free", "free"}} {
		kind := unique(rule)
		o := newOffice(t, kind)
		o.InOrg(t, o.org, func(ctx context.Context, tx pg.Tx) error {
			_, err := job.AddAll(ctx, tx, o.org, kind, []job.New[note]{
				{note{"3"}, job.Options{Key: "b"}}, {note{"1"}, job.Options{Key: "a"}}, {note{"free"}, job.Options{}}, {note{"2"}, job.Options{Key: "a"}}, {note{"free"}, job.Options{}},
			})
			return err
		})
		o.drain()
		got := o.noted()
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: jobs wrote %q, want %q", rule, got, want)
		}
	}
}

// A key that its kind does not explain is refused.
func TestKeyWithoutARule(t *testing.T) {
	t.Parallel()
	o, ctx := newOffice(t, writing), context.Background()
	err := o.App.InOrg(ctx, o.org, func(tx pg.Tx) error {
		_, err := job.Add(ctx, tx, o.org, writing, note{}, job.Options{Key: "k"})
		return err
	})
	if err == nil {
		t.Error("it was added")
	}
}

// While a job with a key runs, another one may wait, and is done after it; not at
// the same time.
func TestOneJobRunsForAKey(t *testing.T) {
	t.Parallel()
	kind := unique(job.Waits)
	o := newOffice(t, kind)
	add(o, kind, note{"first"}, job.Options{Key: "k"})
	running := o.claim(o.r)
	second := add(o, kind, note{"second"}, job.Options{Key: "k"})
	add(o, kind, note{"third"}, job.Options{Key: "k"})
	if claims := o.claim(o.r); len(claims) != 0 {
		t.Fatalf("%d jobs of the key run beside the first", len(claims))
	}
	if next, err := o.r.Next(context.Background()); err != nil || next.Due {
		t.Errorf("what waits for a running key counts as due: %+v (%v)", next, err)
	}
	result := o.r.Do(context.Background(), running[0])
	lanes, err := o.r.Record(context.Background(), []job.Result{result}, within)
	testkit.Must(t, err)
	if !slices.Equal(lanes, []job.Lane{{OrgID: o.org, Kind: kind.Name}}) {
		t.Errorf("the end of the first gave %v something due", lanes)
	}
	o.drain()
	if got := o.noted(); !slices.Equal(got, []string{"first", "second"}) || o.state(second) != "succeeded" {
		t.Errorf("jobs wrote %q", got)
	}
}

// A runner that died keeps its key until its job was done again.
func TestKeyOfADeadRunner(t *testing.T) {
	t.Parallel()
	kind := unique(job.Waits)
	o := newOffice(t, kind)
	add(o, kind, note{"first"}, job.Options{Key: "k"})
	o.claim(o.r)
	add(o, kind, note{"second"}, job.Options{Key: "k"})
	o.Advance(t, job.LeaseFor+time.Second)
	o.drain()
	if got := o.noted(); !slices.Equal(got, []string{"first", "second"}) {
		t.Errorf("jobs wrote %q", got)
	}
}

// A failed job whose successor waits merges into it: the successor does the work.
func TestRetryMergesIntoItsSuccessor(t *testing.T) {
	t.Parallel()
	kind := failing(errors.New("no luck"))
	kind.Unique = job.Waits
	o := newOffice(t, kind)
	first := add(o, kind, note{"first"}, job.Options{Key: "k"})
	running := o.claim(o.r)
	second := add(o, kind, note{"second"}, job.Options{Key: "k"})
	o.do(o.r, running...)
	if f, s := o.state(first), o.state(second); f != "merged" || s != "pending" {
		t.Errorf("the first is %s, its successor %s", f, s)
	}
	if n := testkit.Value[int](t, o.Database, `SELECT jsonb_array_length(tries) FROM job_log`); n != 1 {
		t.Errorf("the first keeps %d tries, want 1", n)
	}
}

// Who adds to a waiting key keeps the job from being claimed until the change is
// committed that it is about. So every change is seen by a job that runs after it.
func TestEveryChangeIsSeen(t *testing.T) {
	t.Parallel()
	kind := unique(job.Waits)
	kind.Name = "test.sync"
	seen := make(chan int, 10_000)
	kind.Work = job.InTx(func(ctx context.Context, tx pg.Tx, _ job.Job, _ note) error {
		n := 0
		err := tx.QueryRow(ctx, `SELECT count(*) FROM noted`).Scan(&n)
		seen <- n
		return err
	})
	o, ctx := newOffice(t, kind), context.Background()
	const writers, changes = 4, 25
	ends := make(chan error, writers)
	for range writers {
		go func() {
			for range changes {
				if err := o.App.InOrg(ctx, o.org, func(tx pg.Tx) error {
					if _, err := job.Add(ctx, tx, o.org, kind, note{}, job.Options{Key: "k"}); err != nil {
						return err
					}
					return write(ctx, tx, "change")
				}); err != nil {
					ends <- err
					return
				}
			}
			ends <- nil
		}()
	}
	for left := writers; left > 0; {
		select {
		case err := <-ends:
			testkit.Must(t, err)
			left--
		default:
			o.do(o.r, o.claim(o.r)...)
		}
	}
	o.drain()
	last := 0
	for len(seen) > 0 {
		last = max(last, <-seen)
	}
	if last != writers*changes {
		t.Errorf("no job has seen more than %d of %d changes", last, writers*changes)
	}
}

// A key of another organization is another key.
func TestKeysOfOrganizations(t *testing.T) {
	t.Parallel()
	kind := unique(job.Waits)
	o := newOffice(t, kind)
	for _, org := range []id.Org{o.org, o.NewOrg(t)} {
		o.InOrg(t, org, func(ctx context.Context, tx pg.Tx) error {
			_, err := job.Add(ctx, tx, org, kind, note{"x"}, job.Options{Key: "k"})
			return err
		})
	}
	o.drain()
	if got := o.noted(); len(got) != 2 {
		t.Errorf("jobs wrote %q", got)
	}
}
