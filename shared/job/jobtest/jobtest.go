// Package jobtest proves that kinds of jobs may be repeated. It runs a job of each
// kind once without trouble, then by two runners, and then once for each point at
// which its runner could die: before and after each commit and each call. Each time
// the database and the outside world must end as they did without trouble.
package jobtest

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// World is what one run of a case has: a database of its own with an organization.
type World struct {
	*testkit.Database
	T   testing.TB
	Org id.Org
	// Outside is what the case's kinds have done outside the database, as the other
	// side keeps it: a repetition that the other side recognises is not in it twice.
	Outside map[string]string
}

// Case runs the jobs of one kind.
type Case struct {
	// Add makes what the job needs, and adds it.
	Add func(ctx context.Context, w *World) error
}

// Check runs the case of each kind, and fails if a kind has none. kinds makes the
// kinds for a world; what they call outside must write to its Outside.
func Check(t *testing.T, kinds func(*World) []job.Declared, cases map[string]Case) {
	t.Helper()
	for _, problem := range Examine(t, kinds, cases, "testdata/args") {
		t.Error(problem)
	}
}

// Examine returns what Check reports. golden is the folder with arguments that
// kinds had at some time.
func Examine(t *testing.T, kinds func(*World) []job.Declared, cases map[string]Case, golden string) (problems []string) {
	t.Helper()
	registry, err := job.NewRegistry(kinds(&World{T: t, Outside: map[string]string{}})...)
	if err != nil {
		return []string{err.Error()}
	}
	for _, name := range registry.Names() {
		c, ok := cases[name]
		if !ok {
			problems = append(problems, fmt.Sprintf("the kind %s has no case: add one, so that it is known to bear repetition", name))
			continue
		}
		x := examiner{t: t, kinds: kinds, kind: name, Case: c}
		problems = append(problems, x.repeat()...)
		problems = append(problems, checkArguments(registry, name, golden, x.args)...)
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		if !slices.Contains(registry.Names(), name) {
			problems = append(problems, fmt.Sprintf("there is a case for %s, but no such kind", name))
		}
	}
	return problems
}

// examiner runs the case of one kind.
type examiner struct {
	Case
	t     *testing.T
	kinds func(*World) []job.Declared
	kind  string
	args  []string // of the kind's jobs
}

// repeat compares every kind of trouble with a run without any.
func (x *examiner) repeat() (problems []string) {
	var points []string
	clean := x.run(func(w *World, runners []*job.Runner) {
		for _, r := range runners {
			r.Crash = func(point string) { points = append(points, point) }
		}
		x.args = testkit.Value[[]string](x.t, w.Database, `SELECT coalesce(array_agg(args::text), '{}') FROM job WHERE kind = $1`, x.kind)
	})
	if len(x.args) == 0 {
		return []string{fmt.Sprintf("the case of %s adds no job of it", x.kind)}
	}
	compare := func(trouble string, got state) {
		if diff := clean.diff(got); diff != "" {
			problems = append(problems, fmt.Sprintf("%s, %s: the end differs from that of a run without trouble (-without +with):\n%s", x.kind, trouble, diff))
		}
	}
	compare("done by two runners", x.run(doTwice))
	for i, point := range points {
		compare(fmt.Sprintf("its runner dies %s (point %d of %d)", point, i+1, len(points)), x.run(func(_ *World, runners []*job.Runner) {
			passed := 0
			for _, r := range runners {
				r.Crash = func(string) {
					if passed++; passed == i+1 {
						panic(job.Crashed{})
					}
				}
			}
		}))
	}
	return problems
}

// run runs the case in a new world until nothing is due, and returns how it ends.
// before prepares the runners.
func (x *examiner) run(before func(*World, []*job.Runner)) state {
	x.t.Helper()
	ctx := context.Background()
	w := &World{Database: testkit.DB(x.t), T: x.t, Outside: map[string]string{}}
	w.Org = w.NewOrg(x.t)
	registry, err := job.NewRegistry(x.kinds(w)...)
	testkit.Must(x.t, err)
	testkit.Must(x.t, registry.EnsureThrottles(ctx, w.Worker))
	var runners []*job.Runner
	for _, q := range []job.Queue{job.High, job.Bulk, job.Billing} {
		runners = append(runners, &job.Runner{
			DB: w.App, Worker: w.Worker, Database: pg.Home, Queue: q, Kinds: registry, Clock: w.Clock, Log: observe.NewLog(os.Stderr, "test"),
			Random: func() float64 { return 0 },
		})
	}
	testkit.Must(x.t, x.Add(ctx, w))
	before(w, runners)
	for range 20 {
		for _, r := range runners {
			Drain(x.t, r)
		}
		w.Advance(x.t, time.Minute) // leases end, retries come
	}
	return end(w)
}

// Drain does what is due in a queue until nothing is. A job whose runner dies stays
// leased.
func Drain(t testing.TB, r *job.Runner) {
	t.Helper()
	for range 1000 {
		claims := claimDue(t, r)
		if len(claims) == 0 {
			return
		}
		for _, c := range claims {
			do(t, r, c)
		}
	}
	t.Fatal("jobs are due again and again")
}

func claimDue(t testing.TB, r *job.Runner) []job.Claim {
	t.Helper()
	ctx := context.Background()
	lanes, _, err := r.Look(ctx, 0)
	testkit.Must(t, err)
	turns := make([]claim.Turn[job.Lane], len(lanes))
	for i, l := range lanes {
		turns[i] = claim.Turn[job.Lane]{Lane: l, Room: 10}
	}
	claims, err := r.Claim(ctx, turns)
	testkit.Must(t, err)
	return claims
}

func do(t testing.TB, r *job.Runner, c job.Claim) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil && p != any(job.Crashed{}) {
			panic(p)
		}
	}()
	ctx := context.Background()
	result := r.Do(ctx, c)
	_, err := r.Record(ctx, []job.Result{result}, claim.Limits{Lock: time.Second})
	testkit.Must(t, err)
}

// doTwice lets two runners do the first jobs: the lease of the first one ends
// although it lives, and it comes last.
func doTwice(w *World, runners []*job.Runner) {
	w.T.Helper()
	for _, r := range runners {
		first := claimDue(w.T, r)
		w.Advance(w.T, time.Minute)
		for _, c := range append(claimDue(w.T, r), first...) {
			do(w.T, r, c)
		}
	}
}
