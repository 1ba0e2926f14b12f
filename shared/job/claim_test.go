package job_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// While a lease holds, no other runner gets the job. After it another one does, and
// the work of the first one is undone when it wants to commit.
func TestFence(t *testing.T) {
	t.Parallel()
	o := newOffice(t, writing)
	added := add(o, writing, note{"once"}, job.Options{})
	first := o.claim(o.r)
	if len(first) != 1 {
		t.Fatalf("%d claims, want 1", len(first))
	}
	o.Advance(t, job.LeaseFor-time.Second)
	if again := o.claim(o.r); len(again) != 0 {
		t.Fatal("claimed while the lease held")
	}
	o.Advance(t, 2*time.Second)
	second := o.claim(o.r)
	if len(second) != 1 || second[0].Crashes != 1 {
		t.Fatalf("after the lease: %+v", second)
	}
	if got := o.do(o.r, first...); !slices.Equal(got, []string{"lost"}) || len(o.noted()) != 0 {
		t.Errorf("the first runner: %q, jobs wrote %q", got, o.noted())
	}
	if got := o.do(o.r, second...); !slices.Equal(got, []string{"succeeded"}) || len(o.noted()) != 1 {
		t.Errorf("the second runner: %q, jobs wrote %q", got, o.noted())
	}
	if got := o.do(o.r, second...); !slices.Equal(got, []string{"lost"}) || len(o.noted()) != 1 {
		t.Errorf("the second runner again: %q, jobs wrote %q", got, o.noted())
	}
	if s := o.state(added); s != "succeeded" {
		t.Errorf("the job is %s", s)
	}
}

// If several runners claim at once, each job goes to one of them.
func TestConcurrentClaims(t *testing.T) {
	t.Parallel()
	o, ctx := newOffice(t, writing), context.Background()
	orgs := []id.Org{o.org, o.NewOrg(t), o.NewOrg(t)}
	var lanes []job.Lane
	for _, org := range orgs {
		lanes = append(lanes, job.Lane{OrgID: org, Kind: writing.Name})
		o.InOrg(t, org, func(ctx context.Context, tx pg.Tx) error {
			list := make([]job.New[note], 100)
			_, err := job.AddAll(ctx, tx, org, writing, list)
			return err
		})
	}
	var mu sync.Mutex
	seen := map[id.Job]int{}
	var group sync.WaitGroup
	for range 4 {
		r := o.runner(writing)
		group.Go(func() {
			for empty := 0; empty < 3; {
				claims, err := job.ClaimLanes(ctx, r, 7, lanes...)
				if err != nil {
					t.Error(err)
					return
				}
				if len(claims) == 0 {
					empty++
				}
				mu.Lock()
				for _, c := range claims {
					seen[c.ID]++
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	for jobID, n := range seen {
		if n != 1 {
			t.Errorf("%s was claimed %d times", jobID, n)
		}
	}
	if len(seen) != 300 {
		t.Errorf("%d of 300 jobs were claimed", len(seen))
	}
}

// A claim takes the oldest jobs of each lane and no more than its room, whatever
// other lanes have.
func TestLanesAreFair(t *testing.T) {
	t.Parallel()
	other := writing
	other.Name = "test.other"
	o, ctx := newOffice(t, writing, other), context.Background()
	for i := range 20 {
		add(o, writing, note{strconv.Itoa(i)}, job.Options{})
	}
	add(o, other, note{"other"}, job.Options{})
	claims, err := job.ClaimLanes(ctx, o.r, 3, job.Lane{OrgID: o.org, Kind: writing.Name}, job.Lane{OrgID: o.org, Kind: other.Name})
	testkit.Must(t, err)
	if len(claims) != 4 {
		t.Errorf("%d claims of two lanes, want 3 and 1", len(claims))
	}
	o.do(o.r, claims...)
	got := o.noted()
	slices.Sort(got)
	if !slices.Equal(got, []string{"0", "1", "2", "other"}) {
		t.Errorf("jobs wrote %q", got)
	}
}

// What no runner may do now is not claimed, and does not count as due: jobs of
// kinds that this version does not know, of other queues, of paused kinds, of
// organizations that move or were closed.
func TestWhatIsNotClaimed(t *testing.T) {
	t.Parallel()
	unknown, bulk := writing, writing
	unknown.Name, bulk.Name, bulk.Queue = "test.newer", "test.bulk", job.Bulk
	o, ctx := newOffice(t, writing, bulk), context.Background()
	add(o, unknown, note{"unknown"}, job.Options{})
	add(o, bulk, note{"bulk"}, job.Options{})
	o.is(t, "after adding what this runner does not do", false)

	add(o, writing, note{"mine"}, job.Options{})
	o.is(t, "after adding", true)
	for _, tt := range []struct{ name, closes, opens string }{
		{"a paused kind", `INSERT INTO job_kind (kind, paused_at, pause_reason) VALUES ('test.write', portico_now(), 'test')`, `UPDATE job_kind SET paused_at = NULL, pause_reason = NULL`},
		{"an organization that moves", `INSERT INTO placement (org_id, state, database, until) SELECT id, 'draining', 'acme', portico_now() + interval '5 minutes' FROM organization WHERE name = 'Acme'`, `DELETE FROM placement`},
		{"an organization that has left", `INSERT INTO placement (org_id, state, database) SELECT id, 'left', 'acme' FROM organization WHERE name = 'Acme'`, `DELETE FROM placement`},
		{"an organization that was closed", `UPDATE organization SET deleted_at = portico_now()`, `UPDATE organization SET deleted_at = NULL`},
	} {
		o.Exec(t, tt.closes)
		o.is(t, tt.name, false)
		if claims, err := job.ClaimLanes(ctx, o.r, 10, job.Lane{OrgID: o.org, Kind: writing.Name}); err != nil || len(claims) != 0 {
			t.Errorf("%s: %d claims (%v)", tt.name, len(claims), err)
		}
		o.Exec(t, tt.opens)
		o.is(t, tt.name+" no longer", true)
	}
	o.drain()
	if got := o.noted(); !slices.Equal(got, []string{"mine"}) {
		t.Errorf("jobs wrote %q", got)
	}
}

// is checks whether Look and Next find something due.
func (o *office) is(t *testing.T, when string, due bool) {
	t.Helper()
	lanes, _, err := o.r.Look(context.Background(), 0)
	testkit.Must(t, err)
	next, err := o.r.Next(context.Background())
	testkit.Must(t, err)
	if (len(lanes) > 0) != due || next.Due != due {
		t.Errorf("%s: lanes %v, next %+v; want due = %v", when, lanes, next, due)
	}
}

// A job whose runner dies is done by another one; after three it is dead.
func TestCrashes(t *testing.T) {
	t.Parallel()
	o := newOffice(t, writing)
	added := add(o, writing, note{"never"}, job.Options{})
	for crash := range 3 {
		claims := o.claim(o.r)
		if len(claims) != 1 || int(claims[0].Crashes) != crash || claims[0].Apart != (crash > 0) {
			t.Fatalf("claim %d: %+v", crash+1, claims)
		}
		if crash == 0 {
			o.Advance(t, job.LeaseFor+time.Second)
			continue
		}
		// A hand-over that nobody takes up is repeated, and is not a crash.
		o.Advance(t, job.HandOverFor+time.Second)
		claims = o.claim(o.r)
		if len(claims) != 1 || int(claims[0].Crashes) != crash {
			t.Fatalf("repeated hand-over %d: %+v", crash+1, claims)
		}
		o.take(claims[0])
		o.Advance(t, job.LeaseFor+time.Second)
	}
	o.drain()
	if s := o.state(added); s != "dead" || len(o.noted()) != 0 {
		t.Errorf("after three crashes it is %s, jobs wrote %q", s, o.noted())
	}
	if code := testkit.Value[string](t, o.Database, `SELECT error_code FROM job WHERE id = $1`, added); code != job.CodeCrashed {
		t.Errorf("its code is %s", code)
	}
}

// take takes a job over, and dies.
func (o *office) take(c job.Claim) {
	o.t.Helper()
	if n := testkit.Value[int](o.t, o.Database, `
		WITH taken AS (UPDATE job SET started_at = portico_now(), due_at = portico_now() + interval '30 s' WHERE id = $1 AND lease = $2 AND started_at IS NULL RETURNING 1)
		SELECT count(*) FROM taken`, c.ID, c.Lease); n != 1 {
		o.t.Fatalf("%s could not be taken over", c.ID)
	}
}

// A renewed lease does not end, however long the job takes; progress is written
// with it.
func TestLongJobsKeepTheirLease(t *testing.T) {
	t.Parallel()
	begun, finish := make(chan struct{}), make(chan struct{})
	long := job.Kind[note]{Name: "test.long", Queue: job.High, Work: job.Call(
		func(_ context.Context, j job.Job, _ note) (struct{}, error) {
			j.Progress(3, 10, "three of ten")
			close(begun)
			<-finish
			return struct{}{}, nil
		}, nil)}
	o := newOffice(t, long)
	job.RenewEvery(o.r, 5*time.Millisecond)
	added := add(o, long, note{}, job.Options{})
	claims := o.claim(o.r)
	done := make(chan []string)
	go func() { done <- o.do(o.r, claims...) }()
	<-begun
	for range 3 {
		o.Advance(t, job.LeaseFor-time.Second)
		testkit.Await(t, "the lease to be renewed", func() bool {
			return testkit.Value[bool](t, o.Database, `SELECT due_at > portico_now() + interval '25 s' AND progress_done = 3 AND progress_total = 10 AND progress_note = 'three of ten' FROM job`)
		})
	}
	if again := o.claim(o.r); len(again) != 0 {
		t.Error("claimed although the lease was renewed")
	}
	close(finish)
	if got := <-done; !slices.Equal(got, []string{"succeeded"}) || o.state(added) != "succeeded" {
		t.Errorf("the job ended as %q and is %s", got, o.state(added))
	}
	if n := testkit.Value[int](t, o.Database, `SELECT count(*) FROM job_log WHERE progress_note = 'three of ten'`); n != 1 {
		t.Error("the log has no progress")
	}
}

// A runner that has lost a lease ends the job soon.
func TestLostLeaseEndsTheJob(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	waiting := job.Kind[note]{Name: "test.wait", Queue: job.High, Work: job.Call(
		func(ctx context.Context, _ job.Job, _ note) (struct{}, error) {
			close(begun)
			<-ctx.Done()
			return struct{}{}, ctx.Err()
		}, nil)}
	o := newOffice(t, waiting)
	job.RenewEvery(o.r, 5*time.Millisecond)
	add(o, waiting, note{}, job.Options{})
	claims := o.claim(o.r)
	done := make(chan []string)
	go func() { done <- o.do(o.r, claims...) }()
	<-begun
	o.Exec(t, `UPDATE job SET lease = gen_random_uuid()`)
	if got := <-done; !slices.Equal(got, []string{"lost"}) {
		t.Errorf("the job ended as %q", got)
	}
}
