package job_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"portico/shared/fault"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// A throttle that somebody has locked keeps back its own lanes only, and is claimed when
// the lock is free.
func TestLockedThrottle(t *testing.T) {
	t.Parallel()
	paced := writing
	paced.Name, paced.Throttle = "test.paced", &job.Throttle{Name: "locked", PerSecond: 100, Burst: 10}
	o, ctx := newOffice(t, writing, paced), context.Background()
	add(o, writing, note{}, job.Options{})
	add(o, paced, note{}, job.Options{})
	lanes := []job.Lane{{OrgID: o.org, Kind: paced.Name}, {OrgID: o.org, Kind: writing.Name}}
	tx, err := o.Admin.Begin(ctx)
	testkit.Must(t, err)
	_, err = tx.Exec(ctx, `SELECT FROM job_throttle FOR UPDATE`)
	testkit.Must(t, err)
	claims, err := job.ClaimLanes(ctx, o.r, 10, lanes...)
	if err != nil || len(claims) != 1 || claims[0].Kind != writing.Name {
		t.Errorf("while the throttle is locked: %+v (%v)", claims, err)
	}
	testkit.Must(t, tx.Rollback(ctx))
	claims, err = job.ClaimLanes(ctx, o.r, 10, lanes...)
	if err != nil || len(claims) != 1 || claims[0].Kind != paced.Name {
		t.Errorf("when the lock is free: %+v (%v)", claims, err)
	}
}

// A claim of the queue high waits for a throttle that another claim has locked.
func TestHighWaitsForThrottle(t *testing.T) {
	t.Parallel()
	kind := paced()
	o, ctx := newOffice(t, kind), context.Background()
	add(o, kind, note{}, job.Options{})
	holder := testkit.Session(t, o.Admin.Config())
	testkit.Exec(t, holder, `BEGIN; SELECT FROM job_throttle FOR UPDATE`)
	job.WaitForThrottle(o.r, time.Minute)
	var claims []job.Claim
	var err error
	var claiming sync.WaitGroup
	claiming.Go(func() { claims, err = job.ClaimLanes(ctx, o.r, 10, job.Lane{OrgID: o.org, Kind: kind.Name}) })
	testkit.Await(t, "the claim waits for the lock", func() bool {
		return testkit.Value[bool](t, o.Database, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid)))`, holder.PgConn().PID())
	})
	testkit.Exec(t, holder, `ROLLBACK`)
	claiming.Wait()
	if err != nil || len(claims) != 1 {
		t.Errorf("%d claims (%v), want the job as soon as the lock is free", len(claims), err)
	}
}

// fill adds n jobs for an organization.
func (o *office) fill(kind job.Kind[note], org id.Org, n int) {
	o.t.Helper()
	o.InOrg(o.t, org, func(ctx context.Context, tx pg.Tx) error {
		_, err := job.AddAll(ctx, tx, org, kind, make([]job.New[note], n))
		return err
	})
}

// With a limit, no more jobs run for an organization and in all, however many
// runners claim at once.
func TestExactConcurrency(t *testing.T) {
	t.Parallel()
	kind := writing
	kind.PerOrg, kind.InAll = 2, 5
	o, ctx := newOffice(t, kind), context.Background()
	var lanes []job.Lane
	for range 4 {
		org := o.NewOrg(t)
		lanes = append(lanes, job.Lane{OrgID: org, Kind: kind.Name})
		o.fill(kind, org, 50)
	}
	for range 10 {
		var group sync.WaitGroup
		for range 4 {
			r := o.runner(kind)
			group.Go(func() {
				if _, err := job.ClaimLanes(ctx, r, 10, lanes...); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if most := testkit.Value[int](t, o.Database, `SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM job WHERE lease IS NOT NULL GROUP BY org_id) c`); most > 2 {
			t.Fatalf("%d jobs of an organization run", most)
		}
	}
	if all := testkit.Value[int](t, o.Database, `SELECT count(*) FROM job WHERE lease IS NOT NULL`); all != 5 {
		t.Errorf("%d jobs run, want 5", all)
	}
	if next, err := o.r.Next(ctx); err != nil || next.Due {
		t.Errorf("lanes that are full count as due: %+v (%v)", next, err)
	}
	o.Advance(t, job.LeaseFor+time.Second)
	if claims := o.claim(o.r); len(claims) == 0 {
		t.Error("the leases of dead runners count for ever")
	}
}

// Staff can change the limit of a kind while it runs.
func TestLimitOverride(t *testing.T) {
	t.Parallel()
	o := newOffice(t, writing)
	o.fill(writing, o.org, 10)
	o.Exec(t, `INSERT INTO job_kind (kind, per_org) VALUES ('test.write', 3)`)
	if claims := o.claim(o.r); len(claims) != 3 {
		t.Errorf("%d claims with a limit of 3", len(claims))
	}
	if claims := o.claim(o.r); len(claims) != 0 {
		t.Errorf("%d claims although 3 run", len(claims))
	}
}

// paced returns the writing kind with a throttle of 10 a second.
func paced() job.Kind[note] {
	k := writing
	k.Throttle = &job.Throttle{Name: "api", PerSecond: 10, Burst: 2}
	return k
}

// However many runners and organizations there are, they keep a throttle together:
// its burst at once, and then its rate.
func TestThrottleIsShared(t *testing.T) {
	t.Parallel()
	kind := paced()
	o, ctx := newOffice(t, kind), context.Background()
	o.StopClock(t)
	lanes := []job.Lane{{OrgID: o.org, Kind: kind.Name}, {OrgID: o.NewOrg(t), Kind: kind.Name}}
	for _, l := range lanes {
		o.fill(kind, l.OrgID, 100)
	}
	claimed := func() int {
		t.Helper()
		before := testkit.Value[int](t, o.Database, `SELECT count(*) FROM job WHERE lease IS NOT NULL`)
		var group sync.WaitGroup
		for range 4 {
			r := o.runner(kind)
			group.Go(func() {
				for range 5 { // a locked throttle is skipped
					if _, err := job.ClaimLanes(ctx, r, 10, lanes...); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		return testkit.Value[int](t, o.Database, `SELECT count(*) FROM job WHERE lease IS NOT NULL`) - before
	}
	if n := claimed(); n != 2 {
		t.Errorf("at first %d jobs start, want 2", n)
	}
	if next, err := o.r.Next(ctx); err != nil || next.Due || next.Age != -100*time.Millisecond {
		t.Errorf("the next slot is in %s (%v), want 100ms", -next.Age, err)
	}
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{{100 * time.Millisecond, 1}, {50 * time.Millisecond, 0}, {50 * time.Millisecond, 1}, {time.Second, 2}, {0, 0}} {
		o.Advance(t, tt.after)
		if n := claimed(); n != tt.want {
			t.Errorf("%s later %d jobs start, want %d", tt.after, n, tt.want)
		}
	}
}

// The queue bulk gets four fifths of a throttle, so jobs of other queues always
// find a slot.
func TestBulkLeavesSlots(t *testing.T) {
	t.Parallel()
	high, bulk := paced(), paced()
	bulk.Name, bulk.Queue = "test.bulk", job.Bulk
	o, ctx := newOffice(t, high, bulk), context.Background()
	o.StopClock(t)
	b := o.runner(high, bulk)
	b.Queue = job.Bulk
	o.fill(high, o.org, 100)
	o.fill(bulk, o.org, 100)
	count := map[job.Queue]int{}
	for range 100 { // ten seconds
		o.Advance(t, 100*time.Millisecond)
		claims, err := job.ClaimLanes(ctx, b, 10, job.Lane{OrgID: o.org, Kind: bulk.Name})
		testkit.Must(t, err)
		count[job.Bulk] += len(claims)
	}
	if n := count[job.Bulk]; n < 79 || n > 82 {
		t.Errorf("bulk alone started %d jobs in 10 s, want 80", n)
	}
	claims, err := job.ClaimLanes(ctx, o.r, 10, job.Lane{OrgID: o.org, Kind: high.Name})
	if err != nil || len(claims) == 0 {
		t.Errorf("%d jobs of high start beside bulk (%v)", len(claims), err)
	}
}

// When the other side asks to wait, no job of the throttle starts until then, of no
// kind, and none has used up a try.
func TestThrottledByTheOtherSide(t *testing.T) {
	t.Parallel()
	other := paced()
	other.Name = "test.other"
	kind := failing(&fault.Error{Kind: fault.TooMany, Code: "too_many", RetryAfter: 30 * time.Second})
	kind.Throttle = other.Throttle
	o := newOffice(t, kind, other)
	add(o, kind, note{}, job.Options{})
	o.do(o.r, o.claim(o.r)...)
	add(o, other, note{"later"}, job.Options{})
	o.Advance(t, 29*time.Second)
	if claims := o.claim(o.r); len(claims) != 0 {
		t.Errorf("%d jobs start while the other side waits", len(claims))
	}
	o.Advance(t, 2*time.Second)
	if claims := o.claim(o.r); len(claims) != 2 {
		t.Errorf("%d jobs start after the wait, want 2", len(claims))
	}
	if n := testkit.Value[int](t, o.Database, `SELECT max(attempts) FROM job`); n != 0 {
		t.Errorf("%d tries were used up", n)
	}
}

// SetRate changes a throttle, and a runner that starts does not change it back.
func TestSetRate(t *testing.T) {
	t.Parallel()
	o, ctx := newOffice(t, paced()), context.Background()
	testkit.Must(t, job.SetRate(ctx, o.Worker, job.Throttle{Name: "api", PerSecond: 50, Burst: 5}))
	o.runner(paced())
	if r := testkit.Value[float64](t, o.Database, `SELECT per_second FROM job_throttle`); r != 50 {
		t.Errorf("the rate is %v", r)
	}
}

// What runs is counted anew after the lock was taken, so that two claims at the same
// moment do not both find room.
func TestRoomIsCountedUnderTheLock(t *testing.T) {
	t.Parallel()
	kind := writing
	kind.InAll = 5
	o, ctx := newOffice(t, kind), context.Background()
	o.fill(kind, o.org, 2)
	testkit.Exec(t, o.Admin, `SELECT pg_advisory_lock(1)`)
	other, room := o.Session(t, "portico_worker"), make(chan int)
	go func() { // its snapshot is from before the claim
		n := 0
		if err := other.QueryRow(ctx, `
			WITH waited AS MATERIALIZED (SELECT pg_advisory_lock(1)) SELECT job_room(NULL, 'test.write', 5) FROM waited`).Scan(&n); err != nil {
			t.Error(err)
		}
		room <- n
	}()
	testkit.Await(t, "the other claim to wait", func() bool {
		return testkit.Value[bool](t, o.Database, `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`)
	})
	if claims := o.claim(o.r); len(claims) != 2 {
		t.Fatalf("%d claims", len(claims))
	}
	testkit.Exec(t, o.Admin, `SELECT pg_advisory_unlock(1)`)
	if n := <-room; n != 3 {
		t.Errorf("there is room for %d, want 3", n)
	}
}
