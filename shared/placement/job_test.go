package placement_test

import (
	"context"
	"io"
	"testing"
	"time"

	"portico/shared/claim"
	"portico/shared/job"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// A job that runs while its organization moves is done again in the new database
// when its lease ends there, as often as that happens: the old runner has not
// crashed. What the old runner writes under its lease counts for nothing then.
func TestMoveIsNoCrash(t *testing.T) {
	t.Parallel()
	p, ctx := newPair(t), context.Background()
	type nothing struct{}
	release, began := make(chan struct{}), make(chan string)
	runner := func(database string, hangs bool) *job.Runner {
		kind := job.Kind[nothing]{Name: "test.long", Queue: job.High, Work: job.Call(
			func(ctx context.Context, _ job.Job, _ nothing) (nothing, error) {
				if hangs {
					began <- database
					<-release
				}
				return nothing{}, nil
			},
			func(_ context.Context, tx pg.Tx, j job.Job, _ nothing, _ nothing) error {
				return pg.Exec(context.Background(), tx, "test", `UPDATE organization SET name = name || '.' WHERE id = $1`, j.Org)
			})}
		kinds, err := job.NewRegistry(kind)
		testkit.Must(t, err)
		d := p.at[database]
		return &job.Runner{DB: p.db, Worker: d.Worker, Database: database, Queue: job.High, Kinds: kinds, Clock: d.Clock, Log: observe.NewLog(io.Discard, "test")}
	}
	take := func(r *job.Runner) job.Claim {
		t.Helper()
		claims, err := r.Claim(ctx, []claim.Turn[job.Lane]{{Lane: job.Lane{OrgID: p.org, Kind: "test.long"}, Room: 1}})
		testkit.Must(t, err)
		if len(claims) != 1 {
			t.Fatalf("%d jobs are claimed in %s, want 1", len(claims), r.Database)
		}
		return claims[0]
	}
	p.at[pg.Home].Insert(t, "job", testkit.Row{"org_id": p.org, "id": p.org, "queue": "high", "kind": "test.long", "args": "{}", "due_at": p.at[pg.Home].Clock.Now()})
	old := make(chan job.Result, 3)
	for _, leg := range []struct{ from, to string }{{pg.Home, acme}, {acme, pg.Home}, {pg.Home, acme}} {
		r := runner(leg.from, true)
		c := take(r)
		if c.Crashes != 0 {
			t.Errorf("%d crashes are counted in %s", c.Crashes, leg.from)
		}
		go func() { old <- r.Do(ctx, c) }()
		<-began
		_, err := p.mover.Move(ctx, p.org, leg.to)
		testkit.Must(t, err)
		for _, d := range p.at {
			d.Advance(t, job.LeaseFor+time.Second)
		}
	}
	r := runner(acme, false)
	c := take(r)
	if c.Crashes != 0 {
		t.Errorf("%d crashes are counted after three moves", c.Crashes)
	}
	result := r.Do(ctx, c)
	_, err := r.Record(ctx, []job.Result{result}, claim.Limits{Lock: time.Second})
	testkit.Must(t, err)
	close(release)
	for range 3 {
		<-old
	}
	name := testkit.Value[string](t, p.at[acme], `SELECT name FROM organization WHERE id = $1`, p.org)
	if left := testkit.Value[int](t, p.at[acme], `SELECT count(*) FROM job`); left != 0 || name[len(name)-1] != '.' || name[len(name)-2] == '.' {
		t.Errorf("%d jobs are left; the work was done %q", left, name)
	}
}
