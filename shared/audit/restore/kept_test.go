package restore_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/shared/audit/anchor"
	"portico/shared/audit/chain"
	"portico/shared/job"
	"portico/shared/pg"
	"portico/shared/testkit"
)

const year = 365 * 24 * time.Hour

// Entries that were too old to be kept do not come back: neither those before the first
// one that the database keeps nor, if it does not know that any more, those of quarters
// that retention has dropped. Whoever keeps them for longer gets them, in quarters that
// are made.
func TestRetentionIsKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(3)
	f.archive()
	f.Advance(t, year+100*24*time.Hour)
	f.Exec(t, `SELECT make_partitions()`)
	f.write(2)
	f.archive()
	f.archived(5)
	ctx := context.Background()
	quarters, err := chain.ListExpired(ctx, f.Worker, year)
	testkit.Must(t, err)
	for _, q := range quarters {
		dropped, err := chain.DropQuarter(ctx, f.Worker, q, year)
		if testkit.Must(t, err); !dropped {
			t.Fatalf("%s is not dropped", q)
		}
	}
	f.whole(2, 0)
	r := f.restorer()
	r.Keep = year
	for _, damage := range []string{`DELETE FROM audit_target; DELETE FROM audit_entry; DELETE FROM audit_chain; UPDATE audit_head SET number = 3`, empty} {
		f.damage(damage)
		done, err := r.Log(ctx, anchor.Log{Org: f.org}, 0)
		if err != nil || done.Last != 5 || done.Verified != 2 || done.Fault != nil {
			t.Errorf("%+v, %v", done, err)
		}
		if first := testkit.Value[int64](t, f.Database, `SELECT first FROM audit_head WHERE org_id = $1`, f.org); first != 4 {
			t.Errorf("the chain begins at %d", first)
		}
	}
	f.damage(empty)
	if done := f.restore(); done.First != 1 || done.Last != 5 || done.Verified != 5 {
		t.Errorf("%+v", done)
	}
}

// The function may not list the bucket: of an object that is not there, S3 says that
// access is denied.
func TestWithoutListing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(3)
	f.archive()
	f.setBack(2, 0, "0")
	deny := true
	r := f.restorer()
	r.Bucket = testkit.BucketThrough(t, f.name, func(in *http.Request) int {
		if deny || !strings.Contains(in.URL.Path, f.key(1)) {
			return http.StatusForbidden
		}
		return 0
	})
	if _, err := r.Log(context.Background(), anchor.Log{Org: f.org}, 0); err == nil || !strings.Contains(err.Error(), "it is not there, or may not be read") {
		t.Error(err)
	}
	deny = false
	if done, err := r.Log(context.Background(), anchor.Log{Org: f.org}, 0); err != nil || done.Last != 3 || done.Verified != 3 {
		t.Errorf("%+v, %v", done, err)
	}
}

// An archiver died behind its object. The restore puts back that object, too, because the
// next archiver will find it there.
func TestObjectBehindTheAnchor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(3)
	f.archive()
	f.write(3)
	a := f.archiver()
	a.Crash = func(point string) {
		if point == "put" {
			panic(job.Crashed{})
		}
	}
	func() {
		defer func() { _ = recover() }()
		f.archiveWith(a)
	}()
	f.archived(3)
	f.setBack(2, 0, "0")
	f.write(2)
	if done := f.restore(); done.First != 3 || done.Last != 6 || done.Waiting != 2 {
		t.Errorf("%+v", done)
	}
	f.sequence()
	f.archive()
	f.archive()
	f.archived(8)
	f.whole(8, 4)
}

// While a log is restored no organization moves, and nobody else restores.
func TestOneAtATime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(1)
	f.archive()
	conn := f.Session(t, "portico_master")
	testkit.Exec(t, conn, `SELECT pg_advisory_lock(7046029254386353132)`)
	if _, err := f.restorer().Log(context.Background(), anchor.Log{Org: f.org}, 0); err == nil || !strings.Contains(err.Error(), "wait until that has ended") {
		t.Error(err)
	}
	testkit.Exec(t, conn, `SELECT pg_advisory_unlock(7046029254386353132)`)
	f.Exec(t, `INSERT INTO placement (org_id, state, database, until) VALUES ($1, 'leaving', 'acme', portico_now() + interval '1 minute')`, f.org)
	if _, err := f.restorer().Log(context.Background(), anchor.Log{Org: f.org}, 0); err == nil || !strings.Contains(err.Error(), "is being moved from the database "+pg.Home) {
		t.Error(err)
	}
}
