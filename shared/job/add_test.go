package job_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// A job exists exactly if the transaction that adds it commits.
func TestAddIsPartOfTheTransaction(t *testing.T) {
	t.Parallel()
	o, ctx := newOffice(t, writing), context.Background()
	broken := errors.New("broken")
	err := o.App.InOrg(ctx, o.org, func(tx pg.Tx) error {
		if _, err := job.Add(ctx, tx, o.org, writing, note{"rolled back"}, job.Options{}); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	added := add(o, writing, note{"kept"}, job.Options{By: "key_x"})
	if n := testkit.Value[int](t, o.Database, `SELECT count(*) FROM job WHERE id = $1 AND created_by = 'key_x'`, added); n != 1 {
		t.Errorf("the job was stored %d times", n)
	}
	o.drain()
	if got := o.noted(); !slices.Equal(got, []string{"kept"}) {
		t.Errorf("jobs wrote %q", got)
	}
	if s := o.state(added); s != "succeeded" {
		t.Errorf("the job is %s", s)
	}
}

// Adding costs no round trip: the insert is sent with the commit.
func TestAddCostsNoRoundTrip(t *testing.T) {
	t.Parallel()
	o, ctx := newOffice(t, writing), context.Background()
	wire := testkit.NewWire(t, o.URL("portico_app"))
	db, err := pg.Open(ctx, wire.URL)
	testkit.Must(t, err)
	defer db.Close()
	o.announce()
	db.Signals = o.App.Signals // telling the runners costs none, either
	trips := func(adds int) int {
		t.Helper()
		run := func() {
			testkit.Must(t, db.InOrg(ctx, o.org, func(tx pg.Tx) error {
				for range adds {
					if _, err := job.Add(ctx, tx, o.org, writing, note{"x"}, job.Options{}); err != nil {
						return err
					}
				}
				return write(ctx, tx, "x")
			}))
		}
		run() // prepares the statements
		wire.Trips()
		run()
		return wire.Trips()
	}
	if without, with := trips(0), trips(1); with != without {
		t.Errorf("%d round trips with a job, %d without", with, without)
	}
}

// A job may have 16 KiB of arguments, and not a byte more.
func TestLargeArguments(t *testing.T) {
	t.Parallel()
	o, ctx := newOffice(t, writing), context.Background()
	frame := len(`{"text":""}`)
	add(o, writing, note{strings.Repeat("x", job.MaxArgs-frame)}, job.Options{})
	err := o.App.InOrg(ctx, o.org, func(tx pg.Tx) error {
		_, err := job.Add(ctx, tx, o.org, writing, note{strings.Repeat("x", job.MaxArgs-frame+1)}, job.Options{})
		return err
	})
	if !errors.Is(err, job.ErrArgsTooLarge) {
		t.Errorf("one byte too many: %v", err)
	}
}

// A job is not done before its time. One that is due in more than a minute is
// outside its lane until then.
func TestDelays(t *testing.T) {
	t.Parallel()
	o := newOffice(t, writing)
	at := testkit.Value[time.Time](t, o.Database, `SELECT portico_now()`)
	short := add(o, writing, note{"short"}, job.Options{Delay: 50 * time.Second})
	long := add(o, writing, note{"long"}, job.Options{At: at.Add(48 * time.Hour)})
	if s, l := o.state(short), o.state(long); s != "pending" || l != "scheduled" {
		t.Errorf("after adding: %s and %s", s, l)
	}
	o.drain()
	o.Advance(t, 51*time.Second)
	o.drain()
	if got := o.noted(); !slices.Equal(got, []string{"short"}) {
		t.Errorf("after 51 s jobs wrote %q", got)
	}
	next, err := o.r.Next(context.Background())
	if err != nil || !next.At.Equal(at.Add(48*time.Hour)) || next.Due {
		t.Errorf("the next job is due at %+v (%v), want %s", next, err, at.Add(48*time.Hour))
	}
	o.Advance(t, 48*time.Hour)
	o.drain()
	if got := o.noted(); !slices.Equal(got, []string{"short", "long"}) {
		t.Errorf("after two days jobs wrote %q", got)
	}
}

// The platform's own jobs work across organizations; no request can add or see one.
func TestPlatformJobs(t *testing.T) {
	t.Parallel()
	platform := job.Kind[note]{Name: "test.platform", Queue: job.High, Platform: true, Work: job.InTx(
		func(ctx context.Context, tx pg.Tx, j job.Job, args note) error {
			if !j.Org.IsZero() {
				return errors.New("has an organization")
			}
			return write(ctx, tx, args.Text)
		})}
	o, ctx := newOffice(t, platform, writing), context.Background()
	addPlatform(o, platform, note{"all"})
	seen := 0
	o.InOrg(t, o.org, func(ctx context.Context, tx pg.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM job`).Scan(&seen)
	})
	if seen != 0 {
		t.Error("an organization sees a job of the platform")
	}
	if err := o.App.InOrg(ctx, id.Org{}, func(pg.Tx) error { return nil }); err == nil {
		t.Error("the zero organization was bound")
	}
	for name, try := range map[string]func(tx pg.Tx) error{
		"of the platform for an organization": func(tx pg.Tx) error {
			_, err := job.Add(ctx, tx, o.org, platform, note{}, job.Options{})
			return err
		},
		"of an organization for the platform": func(tx pg.Tx) error {
			_, err := job.Add(ctx, tx, id.Org{}, writing, note{}, job.Options{})
			return err
		},
	} {
		if err := o.App.InOrg(ctx, o.org, try); err == nil {
			t.Errorf("a kind %s was added", name)
		}
	}
	o.drain()
	if got := o.noted(); !slices.Equal(got, []string{"all"}) {
		t.Errorf("jobs wrote %q", got)
	}
}

// An organization sees only its own jobs, waiting and finished.
func TestJobsStandBehindTheWall(t *testing.T) {
	t.Parallel()
	o := newOffice(t, writing)
	add(o, writing, note{"done"}, job.Options{})
	o.drain()
	add(o, writing, note{"waits"}, job.Options{})
	for org, want := range map[id.Org]int{o.org: 2, o.NewOrg(t): 0} {
		n := 0
		o.InOrg(t, org, func(ctx context.Context, tx pg.Tx) error {
			return tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM job) + (SELECT count(*) FROM job_log)`).Scan(&n)
		})
		if n != want {
			t.Errorf("an organization sees %d jobs, want %d", n, want)
		}
	}
}

// Two transactions that add the same two keys in different orders do not deadlock:
// their locks are taken at the end and in one order.
func TestKeysAreLockedInOneOrder(t *testing.T) {
	t.Parallel()
	keyed := writing
	keyed.Unique = job.Waits
	o, ctx := newOffice(t, keyed), context.Background()
	ends := make(chan error, 40)
	for i := range cap(ends) {
		keys := []string{"a", "b", "c"}
		if i%2 == 1 {
			slices.Reverse(keys)
		}
		go func() {
			ends <- o.App.InOrg(ctx, o.org, func(tx pg.Tx) error {
				for _, key := range keys {
					if _, err := job.Add(ctx, tx, o.org, keyed, note{key}, job.Options{Key: key}); err != nil {
						return err
					}
				}
				return nil
			})
		}()
	}
	for range cap(ends) {
		if err := <-ends; err != nil {
			t.Error(err)
		}
	}
	if n := testkit.Value[int](t, o.Database, `SELECT count(*) FROM job`); n != 3 {
		t.Errorf("%d jobs wait, want 3", n)
	}
}
