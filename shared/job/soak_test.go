package job_test

import (
	"context"
	"math/rand/v2"
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

// However often runners die, and at whatever point, each job is done exactly once, or
// is dead without an effect.
func TestJobsAreDoneOnceAlthoughRunnersDie(t *testing.T) {
	t.Parallel()
	const jobs, runners = 300, 4
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	kind := unique(job.Waits)
	kind.PerOrg = 20
	o := newOffice(t, kind)
	orgs := []id.Org{o.org, o.NewOrg(t), o.NewOrg(t)}
	for i := range jobs {
		org := orgs[i%len(orgs)]
		opts := job.Options{}
		if i%3 == 0 {
			opts.Key = strconv.Itoa(i)
		}
		o.InOrg(t, org, func(ctx context.Context, tx pg.Tx) error {
			_, err := job.Add(ctx, tx, org, kind, note{strconv.Itoa(i)}, opts)
			return err
		})
	}
	unfinished := func() int {
		return testkit.Value[int](t, o.Database, `SELECT count(*) FROM job WHERE status <> 'dead'`)
	}
	for round := 0; unfinished() > 0; round++ {
		if round == 100 {
			t.Fatal("jobs are left after 100 rounds")
		}
		var group sync.WaitGroup
		for n := range runners {
			r, random := o.runner(kind), rand.New(rand.NewPCG(seed, uint64(round*runners+n)))
			r.Crash = func(string) {
				if random.IntN(8) == 0 {
					panic(job.Crashed{})
				}
			}
			group.Go(func() { o.doUntilItDies(r) })
		}
		group.Wait()
		o.Advance(t, job.LeaseFor+time.Second)
	}
	dead := testkit.Value[[]string](t, o.Database, `SELECT coalesce(array_agg(args->>'text'), '{}') FROM job WHERE error_code = 'crashed'`)
	got := append(o.noted(), dead...)
	slices.Sort(got)
	if n := len(slices.Compact(slices.Clone(got))); n != jobs || len(got) != jobs {
		t.Errorf("of %d jobs %d different ones were done or are dead, with %d effects", jobs, n, len(got))
	}
	t.Logf("%d are dead", len(dead))
}

// doUntilItDies does what is due until nothing is, or the runner dies.
func (o *office) doUntilItDies(r *job.Runner) {
	defer func() {
		if p := recover(); p != nil && p != any(job.Crashed{}) {
			panic(p)
		}
	}()
	ctx := context.Background()
	for {
		lanes, _, err := r.Look(ctx, 0)
		if err != nil {
			o.t.Error(err)
			return
		}
		claims, err := job.ClaimLanes(ctx, r, 1, lanes...)
		if err != nil || len(claims) == 0 {
			return
		}
		for _, c := range claims {
			if _, err := r.Record(ctx, []job.Result{r.Do(ctx, c)}, within); err != nil {
				o.t.Error(err)
			}
		}
	}
}
