package archive_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5"

	"portico/shared/audit"
	"portico/shared/audit/anchor"
	"portico/shared/audit/archive"
	"portico/shared/audit/chain"
	"portico/shared/audit/record"
	"portico/shared/bucket"
	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/job/jobtest"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// fixture is a database with an organization whose log is archived.
type fixture struct {
	*testkit.Database
	t       *testing.T
	org     id.Org
	s3      *s3.Client
	name    string // of the bucket
	anchors anchor.Table
	due     *claim.Due
	log     bytes.Buffer
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	d := testkit.DB(t)
	f := &fixture{Database: d, t: t, org: d.NewOrg(t)}
	f.s3, f.name = testkit.S3(t, testkit.S3Endpoint(t))
	client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	f.anchors, f.due = anchor.NewTable(client, table), claim.NewDue(client, table, string(job.Bulk), pg.Home, d.Clock)
	return f
}

func (f *fixture) archiver() *archive.Archiver {
	return &archive.Archiver{
		DB: f.App, Bucket: bucket.New(testkit.AWS(testkit.S3Endpoint(f.t)), f.name), Anchors: f.anchors, Clock: f.Clock, Log: observe.NewLog(&f.log, "test"),
	}
}

func (f *fixture) runner(a *archive.Archiver) *job.Runner {
	kinds, err := job.NewRegistry(a.Kind(), a.PlatformKind(pg.Home), archive.WatchKind(pg.Home))
	testkit.Must(f.t, err)
	return &job.Runner{DB: f.App, Worker: f.Worker, Database: pg.Home, Queue: job.Bulk, Kinds: kinds, Clock: f.Clock, Log: observe.NewLog(io.Discard, "test"), Random: func() float64 { return 0 }}
}

// run does what is due a while later.
func (f *fixture) run(a *archive.Archiver) {
	f.t.Helper()
	f.Advance(f.t, 11*time.Minute)
	jobtest.Drain(f.t, f.runner(a))
}

// write writes entries, each in a transaction of its own.
func (f *fixture) write(n int, after audit.Fields) {
	f.t.Helper()
	for i := range n {
		f.InOrg(f.t, f.org, func(ctx context.Context, tx pg.Tx) error {
			return audit.Insert(ctx, tx, f.org, audit.Entry{
				Action: "role.update", Actor: audit.Actor{Type: audit.System, ID: "test", Name: "Ada Canary"},
				Targets: []audit.Target{{Type: "thing", ID: fmt.Sprint(i)}}, After: after, CreatedAt: f.Clock.Now(),
				Origin: audit.Origin{RequestID: "r", SourceIP: netip.MustParseAddr("203.0.113.77"), UserAgent: "canary/1.0"},
			})
		})
	}
}

// sequence chains all entries that wait.
func (f *fixture) sequence() {
	f.t.Helper()
	s := &chain.Sequencer{
		Archive:    archive.Starter{Database: pg.Home, Due: f.due, Clock: f.Clock, Log: observe.NewLog(io.Discard, "test")}.Begin,
		Dispatcher: claim.Dispatcher{DB: f.Worker, Log: observe.NewLog(io.Discard, "test")},
	}
	for passes, err := s.Claim(context.Background(), nil); len(passes) > 0 || err != nil; passes, err = s.Claim(context.Background(), nil) {
		testkit.Must(f.t, err)
		s.Do(context.Background(), passes[0])
	}
}

// end returns the anchor of the organization.
func (f *fixture) end() chain.Head {
	f.t.Helper()
	at, err := f.anchors.Read(context.Background(), anchor.Log{Org: f.org})
	testkit.Must(f.t, err)
	return at
}

// objects returns the text of all objects by key.
func (f *fixture) objects() map[string]string {
	f.t.Helper()
	list, err := f.s3.ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: &f.name})
	testkit.Must(f.t, err)
	all := map[string]string{}
	for _, o := range list.Contents {
		out, err := f.s3.GetObject(context.Background(), &s3.GetObjectInput{Bucket: &f.name, Key: o.Key})
		testkit.Must(f.t, err)
		zip, err := gzip.NewReader(out.Body)
		testkit.Must(f.t, err)
		text, err := io.ReadAll(zip)
		testkit.Must(f.t, err)
		all[*o.Key] = string(text)
	}
	return all
}

// whole checks that each number up to that is in exactly one object, the anchor and
// Postgres agree, and nothing waits.
func (f *fixture) whole(entries int64) {
	f.t.Helper()
	seen := map[int]int{}
	for key, text := range f.objects() {
		if !strings.HasPrefix(key, f.org.String()+"/") {
			continue
		}
		for line := range strings.Lines(text) {
			var n int
			if _, err := fmt.Sscanf(line, `{"number":%d,`, &n); err == nil {
				seen[n]++
			}
		}
	}
	for n := 1; n <= int(entries); n++ {
		if seen[n] != 1 {
			f.t.Fatalf("the entry %d is in %d objects; %d of %d are in the archive", n, seen[n], len(seen), entries)
		}
	}
	recorded := testkit.Value[int64](f.t, f.Database, `SELECT archived FROM audit_head WHERE org_id = $1 AND NOT archiving AND number = archived`, f.org)
	jobs := testkit.Value[int](f.t, f.Database, `SELECT count(*) FROM job WHERE kind = 'audit_log.archive'`)
	if at := f.end(); at.Number != entries || recorded != entries || len(seen) != int(entries) || jobs != 0 {
		f.t.Fatalf("anchor %d, recorded %d, %d in the archive, %d jobs, want %d entries", at.Number, recorded, len(seen), jobs, entries)
	}
	f.compare(nil)
}

// compare compares the chain with the anchor.
func (f *fixture) compare(want *record.Fault) {
	f.t.Helper()
	at := f.end()
	f.InOrg(f.t, f.org, func(ctx context.Context, tx pg.Tx) error {
		v, err := chain.Verify(ctx, tx, f.org, 1, 1<<60)
		testkit.Must(f.t, err)
		got, err := chain.Compare(ctx, tx, f.org, v.Head, at)
		if (got == nil) != (want == nil) || got != nil && *got != *want || want != nil && v.Fault != nil {
			f.t.Errorf("found %+v, in the chain %+v, want %+v", got, v.Fault, want)
		}
		return err
	})
}

// Entries are archived within the period, also few, and what comes meanwhile later.
// Nothing is written while nothing happens.
func TestArchive(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(3, nil)
	f.sequence()
	f.run(f.archiver())
	f.whole(3)
	f.run(f.archiver())
	if n := len(f.objects()); n != 1 {
		t.Errorf("%d objects", n)
	}
	f.write(2, audit.Fields{"name": "<&>\u2028"})
	f.sequence()
	f.write(2, nil)
	f.sequence()
	f.run(f.archiver())
	f.whole(7)
	if n := len(f.objects()); n != 2 {
		t.Errorf("%d objects", n)
	}
}

// No object has a personal field: the archive is locked, so it could not be erased.
func TestArchiveHasNoPersonalField(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(3, nil)
	f.sequence()
	f.write(1, nil)
	f.InOrg(t, f.org, func(ctx context.Context, tx pg.Tx) error { // erased between the chain and the archive, and before the chain
		var n int
		return tx.QueryRow(ctx, `SELECT forgotten FROM forget_actor('test', '00000000-0000-0000-0000-000000000000', uuid_floor(portico_now() + interval '1 day'), 2)`).Scan(&n)
	})
	f.sequence()
	f.run(f.archiver())
	f.whole(4)
	for key, text := range f.objects() {
		for _, canary := range []string{"Canary", "203.0.113.77", "canary", "salt"} {
			if strings.Contains(text, canary) || strings.Contains(key, canary) {
				t.Errorf("%s has %s", key, canary)
			}
		}
		if !strings.Contains(text, `"actor_id":"test"`) {
			t.Errorf("%s does not say who did it: %s", key, text)
		}
	}
}

// An archiver dies between any two writes. The next one goes on without a gap and
// without an object that disagrees.
func TestArchiverSurvivesKills(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	entries := int64(0)
	for kill := 1; ; kill++ {
		f.write(3, nil)
		f.sequence()
		entries += 3
		a, passed := f.archiver(), 0
		a.Crash = func(string) {
			if passed++; passed == kill {
				panic(job.Crashed{})
			}
		}
		func() {
			defer func() { _ = recover() }()
			f.run(a)
		}()
		f.write(1, nil) // the object that stands there has fewer entries than the next one would write
		f.sequence()
		entries++
		f.Advance(t, time.Hour)
		f.run(f.archiver())
		f.run(f.archiver())
		f.whole(entries)
		if passed < kill {
			if kill < 4 {
				t.Errorf("an archiver has only %d points", passed)
			}
			return
		}
	}
}

// Two archivers work on one log while entries are written.
func TestArchiversTogether(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var both sync.WaitGroup
	for round := range 10 {
		f.write(3, nil)
		f.sequence()
		var runners []*job.Runner
		for range 2 {
			a := f.archiver()
			a.Log = observe.NewLog(io.Discard, "test")
			runners = append(runners, f.runner(a))
		}
		f.Advance(t, 11*time.Minute)
		c := job.Claim{Lane: job.Lane{OrgID: f.org, Kind: "audit_log.archive"}, Args: []byte("{}")}
		for _, r := range runners { // without a lease: both believe that they have the job
			both.Go(func() { r.Do(context.Background(), c) })
		}
		both.Wait()
		f.run(f.archiver())
		f.whole(int64(3 * (round + 1)))
	}
}

// While S3 or DynamoDB is away nothing is lost, the age of the oldest entry is measured,
// and the job does not die however long it takes.
func TestArchiveWaits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(3, nil)
	f.sequence()
	var away atomic.Bool
	away.Store(true)
	through := f.archiver()
	through.Bucket = testkit.BucketThrough(t, f.name, func(*http.Request) int {
		if away.Load() {
			return http.StatusServiceUnavailable
		}
		return 0
	})
	client := testkit.DynamoDBThrough(t, testkit.DynamoDBEndpoint(t), func(string, string) bool { return true })
	without := f.archiver()
	without.Anchors = anchor.NewTable(client, "away")
	for range 15 {
		f.run(through)
		f.run(without)
	}
	if n := strings.Count(f.log.String(), "could not be archived"); n < 30 || !strings.Contains(f.log.String(), `"OldestUnarchivedAge":198`) {
		t.Errorf("%d lines: %.3000s", n, f.log.String())
	}
	if len(f.objects()) != 0 {
		t.Error("something was written")
	}
	away.Store(false)
	f.run(through)
	f.whole(3)
}

// A log with more than one object may have, and with entries that are large, is archived
// at once. Each object is bounded.
func TestManyAndLargeEntries(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Exec(t, `
		INSERT INTO audit_entry (org_id, id, action, actor_type, actor_id, targets, after, request_id, user_agent, created_at)
		SELECT $1, overlay(uuid_floor(date_trunc('quarter', portico_now(), 'UTC'))::text PLACING lpad(to_hex(n), 12, '0') FROM 25)::uuid, 'thing.update', 'system', 'test', '[]',
			CASE WHEN n <= 2 THEN json_build_object('large', repeat('x', 5000000)) END, 'r', 'u', portico_now() FROM generate_series(1, 6001) AS n`, f.org)
	f.sequence()
	f.run(f.archiver())
	f.whole(6001)
	if n := len(f.objects()); n != 3 { // the first entry, 5000 others, the rest
		t.Errorf("%d objects", n)
	}
}

// Somebody with every right on the database cuts the end of the chain, or makes a new
// chain. Comparing with the anchor finds both, and nothing is archived any more.
func TestForgedChainsAreFound(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		sql  string
		want record.Fault
	}{
		"the end is cut off": {`
			DELETE FROM audit_entry WHERE id IN (SELECT entry_id FROM audit_chain WHERE number > 4);
			DELETE FROM audit_target WHERE entry_id NOT IN (SELECT id FROM audit_entry);
			DELETE FROM audit_chain WHERE number > 4;
			UPDATE audit_head SET number = 4, hash = (SELECT hash FROM audit_chain WHERE number = 4), archived = 4`, record.Fault{Kind: record.Cut, Number: 5}},
		"a new chain": {`
			DELETE FROM audit_chain;
			UPDATE audit_entry SET action = 'role.delete';
			UPDATE audit_head SET number = 0, hash = decode(repeat('00', 32), 'hex'), archived = 0;
			INSERT INTO audit_unchained SELECT org_id, id FROM audit_entry`, record.Fault{Kind: record.Replaced, Number: 6}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.write(6, nil)
			f.sequence()
			f.run(f.archiver())
			f.whole(6)
			f.forge(tt.sql)
			f.sequence()
			f.compare(&tt.want)
			before := f.end()
			f.write(1, nil)
			f.sequence()
			f.run(f.archiver())
			if f.end() != before || len(f.objects()) != 1 || !strings.Contains(f.log.String(), "differs from the archive") {
				t.Errorf("the anchor is %+v, was %+v: %s", f.end(), before, f.log.String())
			}
		})
	}
}

// forge changes rows as portico_owner, without the triggers that protect them.
func (f *fixture) forge(sql string) {
	f.t.Helper()
	ctx := context.Background()
	testkit.Must(f.t, pgx.BeginFunc(ctx, f.Admin, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `SET LOCAL ROLE portico_owner; ALTER TABLE audit_entry DISABLE TRIGGER USER; ALTER TABLE audit_chain DISABLE TRIGGER USER; ALTER TABLE audit_target DISABLE TRIGGER USER`)
		testkit.Must(f.t, err)
		_, err = tx.Exec(ctx, `SELECT bind_organization($1, true)`, f.org)
		testkit.Must(f.t, err)
		if _, err = tx.Exec(ctx, sql); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `ALTER TABLE audit_entry ENABLE TRIGGER USER; ALTER TABLE audit_chain ENABLE TRIGGER USER; ALTER TABLE audit_target ENABLE TRIGGER USER`)
		return err
	}))
}

// Chains from before there was an archive, those whose job is dead, and the platform's
// get their job at night.
func TestMissingJobs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(3, nil)
	testkit.Must(t, f.App.PlatformIn(context.Background(), pg.Home, func(tx pg.Tx) error {
		return audit.Insert(context.Background(), tx, id.Org{}, audit.Entry{Action: "job_kind.pause", Actor: audit.Actor{Type: audit.StaffKey, ID: "staff_1"}, CreatedAt: f.Clock.Now()})
	}))
	f.sequence()
	f.Exec(t, `DELETE FROM job`)
	a := f.archiver()
	f.run(a)
	if len(f.objects()) != 0 {
		t.Fatal("archived without a job")
	}
	testkit.Must(t, pgx.BeginFunc(context.Background(), f.Worker, func(tx pgx.Tx) error {
		_, err := job.Add(context.Background(), tx, id.Org{}, archive.WatchKind(pg.Home), struct{}{}, job.Options{})
		return err
	}))
	f.run(a)
	f.run(a)
	f.whole(3)
	if at, err := f.anchors.Read(context.Background(), anchor.Log{Database: pg.Home}); err != nil || at.Number != 1 {
		t.Errorf("the platform's anchor is %+v, %v", at, err)
	}
}
