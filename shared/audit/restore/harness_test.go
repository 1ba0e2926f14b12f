package restore_test

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5"

	"portico/shared/audit"
	"portico/shared/audit/anchor"
	"portico/shared/audit/archive"
	"portico/shared/audit/chain"
	"portico/shared/audit/restore"
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
	quiet   *observe.Log
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	d := testkit.DB(t)
	f := &fixture{Database: d, t: t, org: d.NewOrg(t), quiet: observe.NewLog(io.Discard, "test")}
	f.s3, f.name = testkit.S3(t, testkit.S3Endpoint(t))
	client, table := testkit.Table(t, testkit.DynamoDBEndpoint(t), "id")
	f.anchors, f.due = anchor.NewTable(client, table), claim.NewDue(client, table, string(job.Bulk), pg.Home, d.Clock)
	return f
}

func (f *fixture) bucket() *bucket.Bucket {
	return bucket.New(testkit.AWS(testkit.S3Endpoint(f.t)), f.name)
}

func (f *fixture) restorer() *restore.Restorer {
	config, err := pgx.ParseConfig(f.URL("portico_master"))
	testkit.Must(f.t, err)
	return &restore.Restorer{
		Owners: map[string]*pg.Owner{pg.Home: pg.NewOwner(pg.Home, config)}, Bucket: f.bucket(), Anchors: f.anchors, Keep: 1095 * 24 * time.Hour,
		Lower: func(context.Context, string) error { return nil }, Wake: func(context.Context, string) {}, Progress: f.t.Logf,
	}
}

// restore restores the log of the organization, and checks that nothing is wrong with it.
func (f *fixture) restore() restore.Restored {
	f.t.Helper()
	done, err := f.restorer().Log(context.Background(), anchor.Log{Org: f.org}, 0)
	testkit.Must(f.t, err)
	if done.Fault != nil || done.Archive != "matches" {
		f.t.Fatalf("%+v, %+v", done, done.Fault)
	}
	return done
}

// entry is what write writes, and what it is after it was restored.
func (f *fixture) entry(i int) audit.Entry {
	return audit.Entry{
		Action: "role.update", Actor: audit.Actor{Type: audit.System, ID: "test", Name: "Ada"},
		Targets: []audit.Target{{Type: "role", ID: fmt.Sprint(i)}, {Type: "role", ID: "all"}}, After: audit.Fields{"name": "<&>\u2028"}, CreatedAt: f.Clock.Now(),
		Origin: audit.Origin{RequestID: "r", SourceIP: netip.MustParseAddr("203.0.113.77"), UserAgent: "canary/1.0"},
	}
}

// write writes entries and chains them.
func (f *fixture) write(n int) {
	f.t.Helper()
	for i := range n {
		f.InOrg(f.t, f.org, func(ctx context.Context, tx pg.Tx) error { return audit.Insert(ctx, tx, f.org, f.entry(i)) })
	}
	f.sequence()
}

// fill writes many entries at once, and chains them. The ids begin with n.
func (f *fixture) fill(n, count int) {
	f.t.Helper()
	f.Exec(f.t, `
		INSERT INTO audit_entry (org_id, id, action, actor_type, actor_id, actor_name, targets, request_id, user_agent, created_at)
		SELECT $1, overlay(uuid_floor(date_trunc('quarter', portico_now(), 'UTC'))::text PLACING lpad(to_hex($2 * 100000 + n), 12, '0') FROM 25)::uuid,
			'role.update', 'system', 'test', 'Ada', '[]', 'r', 'u', portico_now() FROM generate_series(1, $3) AS n`, f.org, n, count)
	f.sequence()
}

// sequence does as many passes as there may be work for, but not for ever.
func (f *fixture) sequence() {
	f.t.Helper()
	s := &chain.Sequencer{
		Archive:    archive.Starter{Database: pg.Home, Due: f.due, Clock: f.Clock, Log: f.quiet}.Begin,
		Dispatcher: claim.Dispatcher{DB: f.Worker, Log: f.quiet},
	}
	for range 10 {
		passes, err := s.Claim(context.Background(), nil)
		testkit.Must(f.t, err)
		for _, p := range passes {
			s.Do(context.Background(), p)
		}
	}
}

// archive archives all that is chained.
func (f *fixture) archive() {
	f.t.Helper()
	f.archiveWith(f.archiver())
}

func (f *fixture) archiver() *archive.Archiver {
	return &archive.Archiver{DB: f.App, Bucket: f.bucket(), Anchors: f.anchors, Clock: f.Clock, Log: f.quiet}
}

func (f *fixture) archiveWith(a *archive.Archiver) {
	f.t.Helper()
	kinds, err := job.NewRegistry(a.Kind(), a.PlatformKind(pg.Home), archive.WatchKind(pg.Home))
	testkit.Must(f.t, err)
	f.Advance(f.t, 11*time.Minute)
	jobtest.Drain(f.t, &job.Runner{DB: f.App, Worker: f.Worker, Database: pg.Home, Queue: job.Bulk, Kinds: kinds, Clock: f.Clock, Log: f.quiet, Random: func() float64 { return 0 }})
}

// archived checks where the archive ends.
func (f *fixture) archived(number int64) {
	f.t.Helper()
	if at, err := f.anchors.Read(context.Background(), anchor.Log{Org: f.org}); err != nil || at.Number != number {
		f.t.Fatalf("the archive ends at %d, want %d (%v)", at.Number, number, err)
	}
}

// damage changes rows as somebody with every right on the database, without the triggers.
func (f *fixture) damage(sql string) {
	f.t.Helper()
	ctx := context.Background()
	testkit.Must(f.t, pgx.BeginFunc(ctx, f.Admin, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `SET LOCAL session_replication_role = 'replica'`)
		if err == nil {
			_, err = tx.Exec(ctx, sql)
		}
		return err
	}))
}

// setBack leaves the first entries of the log and some other ones, which wait.
func (f *fixture) setBack(number, archived int, others string) {
	f.t.Helper()
	f.damage(fmt.Sprintf(`
		CREATE TEMP TABLE gone ON COMMIT DROP AS SELECT * FROM audit_chain WHERE org_id = '%[1]s' AND number > %[2]d;
		DELETE FROM audit_entry WHERE id IN (SELECT entry_id FROM gone WHERE number NOT IN (%[4]s));
		DELETE FROM audit_target WHERE entry_id IN (SELECT entry_id FROM gone WHERE number NOT IN (%[4]s));
		DELETE FROM audit_chain WHERE entry_id IN (SELECT entry_id FROM gone);
		DELETE FROM audit_unchained;
		INSERT INTO audit_unchained SELECT org_id, entry_id FROM gone WHERE number IN (%[4]s);
		UPDATE audit_head SET number = %[2]d, hash = (SELECT hash FROM audit_chain WHERE org_id = '%[1]s' AND number = %[2]d), archived = %[3]d WHERE org_id = '%[1]s'`,
		f.org.UUID, number, archived, others))
}

// content returns the rows of all tables of the log.
func (f *fixture) content() string {
	f.t.Helper()
	return testkit.Value[string](f.t, f.Database, `
		SELECT (SELECT string_agg(e::text, E'\n' ORDER BY e.id) FROM audit_entry e WHERE org_id = $1) || (SELECT string_agg(c::text, E'\n' ORDER BY c.number) FROM audit_chain c WHERE org_id = $1)
			|| (SELECT string_agg(t::text, E'\n' ORDER BY t.entry_id, target_id) FROM audit_target t WHERE org_id = $1) || (SELECT h::text FROM audit_head h WHERE org_id = $1)
			|| (SELECT count(*) FROM audit_unchained WHERE org_id = $1) || (SELECT count(*) FROM audit_entry)`, f.org)
}

// whole checks that the log has this many valid entries, and all that is chained.
func (f *fixture) whole(entries, erased int64) {
	f.t.Helper()
	f.InOrg(f.t, f.org, func(ctx context.Context, tx pg.Tx) error {
		var verified, without int64
		for from := int64(1); ; {
			v, err := chain.Verify(ctx, tx, f.org, from, 1<<60)
			testkit.Must(f.t, err)
			if verified, without = verified+v.Verified, without+v.Erased; v.Fault != nil {
				f.t.Fatalf("%+v", v.Fault)
			}
			if from = v.To + 1; v.To >= v.End {
				break
			}
		}
		if verified != entries || without != erased {
			f.t.Fatalf("%d entries are verified, %d of them erased; want %d and %d", verified, without, entries, erased)
		}
		return nil
	})
}
