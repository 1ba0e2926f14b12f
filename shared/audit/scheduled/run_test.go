package scheduled_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"portico/shared/audit"
	"portico/shared/audit/chain"
	"portico/shared/audit/export"
	"portico/shared/audit/scheduled"
	"portico/shared/audit/stream"
	"portico/shared/audit/streaming"
	"portico/shared/bucket"
	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/job/jobtest"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// world is an organization with a stream to a bucket of its own.
type world struct {
	*testkit.Database
	t      *testing.T
	org    id.Org
	runner *job.Runner
	log    testkit.Log

	client *s3.Client // of the customer's bucket
	bucket string
	stream stream.Stream
	refuse func(*http.Request) int // by the customer's AWS; nil: nothing
	told   []string
	mails  []string
	silent string // why no mail can be sent
}

const canary = "s3cret-canary"

func newWorld(t *testing.T) *world {
	t.Helper()
	d := testkit.DB(t)
	w := &world{Database: d, t: t, org: d.NewOrg(t)}
	w.client, w.bucket = testkit.S3(t, testkit.S3Endpoint(t))
	runner := scheduled.Runner{
		Exports: testkit.Bucket(t), Streams: streaming.New(testkit.Loopback(t), d.Clock, streaming.Vendors{}, w.cloud()),
		Announce: func(_ context.Context, _ pg.Tx, _ id.Org, s scheduled.Schedule, e export.Export) (string, error) {
			if w.silent == "" {
				w.mails = append(w.mails, fmt.Sprintf("%s %d", s.Next, e.Entries))
			}
			return w.silent, nil
		},
		Told: func(_ context.Context, _ pg.Tx, _ id.Org, s scheduled.Schedule) error {
			w.told = append(w.told, *s.LastError)
			return nil
		},
	}
	kinds, err := job.NewRegistry(runner.Kind(), scheduled.WatchKind(), export.Kind(runner.Exports))
	testkit.Must(t, err)
	w.runner = &job.Runner{
		DB: d.App, Worker: d.Worker, Database: pg.Home, Queue: job.Bulk, Kinds: kinds, Clock: d.Clock, Log: observe.NewLog(&w.log, "test"),
		Random: func() float64 { return 0 },
	}
	w.InOrg(t, w.org, func(ctx context.Context, tx pg.Tx) (err error) {
		w.stream, err = stream.Insert(ctx, tx, w.org, stream.New{Name: "S3", Type: stream.S3, Settings: stream.Settings{
			Bucket: w.bucket, Region: "us-east-1", Prefix: "log/", RoleARN: "arn:aws:iam::123456789012:role/r", ExternalID: w.org.String(),
		}}, d.Clock.Now(), testkit.Box(t))
		return err
	})
	w.Advance(t, w.Clock.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1).Add(9*time.Hour).Sub(w.Clock.Now())) // tomorrow at nine
	return w
}

// cloud is the customer's AWS: S3 with an STS that asks for the external id. What it
// refuses, it refuses with a secret in its text.
func (w *world) cloud() aws.Config {
	to, err := url.Parse(testkit.S3Endpoint(w.t))
	testkit.Must(w.t, err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		sts := r.URL.Path == "/" && r.Method == http.MethodPost
		if sts {
			_ = r.ParseForm()
		}
		status := 0
		if w.refuse != nil {
			status = w.refuse(r)
		}
		switch {
		case status != 0 || sts && r.Form.Get("ExternalId") != w.org.String():
			out.WriteHeader(max(status, http.StatusForbidden))
			_, _ = out.Write([]byte(`<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>` + canary + `</Message></Error></ErrorResponse>`))
		case sts:
			_, _ = out.Write([]byte(`<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>` + canary + `</SecretAccessKey>` +
				`<SessionToken>t</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`))
		default:
			proxy.ServeHTTP(out, r)
		}
	}))
	w.t.Cleanup(server.Close)
	return testkit.AWS(server.URL)
}

func (w *world) create(n scheduled.New) (s scheduled.Schedule) {
	w.t.Helper()
	if n.To == (scheduled.Destination{}) {
		n.To.Stream = w.stream.ID
	}
	n.Format = "ndjson"
	w.InOrg(w.t, w.org, func(ctx context.Context, tx pg.Tx) (err error) {
		s, err = scheduled.Insert(ctx, tx, w.org, n, w.Clock.Now())
		return err
	})
	return s
}

func (w *world) get(s scheduled.Schedule) (now scheduled.Schedule) {
	w.t.Helper()
	w.InOrg(w.t, w.org, func(ctx context.Context, tx pg.Tx) (err error) {
		now, err = scheduled.Get(ctx, tx, w.org, s.ID)
		return err
	})
	return now
}

// write writes an entry.
func (w *world) write(name string) {
	w.t.Helper()
	w.InOrg(w.t, w.org, func(ctx context.Context, tx pg.Tx) error {
		return audit.Insert(ctx, tx, w.org, audit.Entry{
			Action: "role.update", Actor: audit.Actor{Type: audit.System, ID: name}, CreatedAt: w.Clock.Now().Truncate(time.Microsecond),
		})
	})
}

func (w *world) sequence() {
	w.t.Helper()
	s := &chain.Sequencer{Dispatcher: claim.Dispatcher{DB: w.Worker, Log: observe.NewLog(&w.log, "test")}}
	for {
		passes, err := s.Claim(context.Background(), nil)
		testkit.Must(w.t, err)
		if len(passes) == 0 {
			return
		}
		s.Do(context.Background(), passes[0])
	}
}

// night adds the daily job, and does all jobs that are due within half a minute.
func (w *world) night() {
	w.t.Helper()
	testkit.Must(w.t, w.App.PlatformIn(context.Background(), pg.Home, func(tx pg.Tx) error {
		_, err := job.AddEncoded(context.Background(), tx, id.Org{}, job.Bulk, scheduled.WatchName, json.RawMessage(`{}`), job.Options{})
		return err
	}))
	w.work(10)
}

func (w *world) work(times int) {
	w.t.Helper()
	for range times {
		w.sequence()
		jobtest.Drain(w.t, w.runner)
		w.Advance(w.t, 3*time.Second)
	}
}

// files returns the objects in the customer's bucket, and the entries of those who wrote
// them, except Portico's own: name → actors.
func (w *world) files() map[string]string {
	w.t.Helper()
	all, b := map[string]string{}, bucket.New(testkit.AWS(testkit.S3Endpoint(w.t)), w.bucket)
	list, err := w.client.ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: &w.bucket})
	testkit.Must(w.t, err)
	for _, o := range list.Contents {
		text, err := b.Get(context.Background(), *o.Key, 1<<30)
		testkit.Must(w.t, err)
		if bytes.Contains(text, []byte(canary)) {
			w.t.Error("a secret is in a file")
		}
		actors := []string{}
		for line := range bytes.Lines(text) {
			var l struct{ Actor *struct{ ID string } }
			testkit.Must(w.t, json.Unmarshal(line, &l))
			if l.Actor != nil && l.Actor.ID != "audit_export_schedule" {
				actors = append(actors, l.Actor.ID)
			}
		}
		all[*o.Key] = strings.Join(actors, " ")
	}
	return all
}

// hidesCanary checks that what AWS said is nowhere.
func (w *world) hidesCanary() {
	w.t.Helper()
	for _, table := range []string{"audit_export_schedule", "audit_export", "audit_entry", "job", "job_log"} {
		if n := testkit.Value[int](w.t, w.Database, `SELECT count(*) FROM `+table+` r WHERE position('canary' IN r::text) > 0`); n != 0 {
			w.t.Errorf("a secret is in %d rows of %s", n, table)
		}
	}
	if strings.Contains(w.log.String(), "canary") {
		w.t.Error("a secret is in the log")
	}
}

func (w *world) wantFiles(when string, want map[string]string) {
	w.t.Helper()
	if got := w.files(); fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("%s: the bucket has %q, want %q", when, got, want)
	}
}

// Each day is written once, under its name, without gaps and overlaps, also if nothing
// could be done for days. An entry at midnight belongs to the day that begins.
func TestDays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.create(scheduled.New{Every: scheduled.Day})
	first := s.Next.Since
	want, name := map[string]string{}, func(n int) string {
		return "log/exports/" + s.ID.String() + "/" + first.AddDate(0, 0, n).Format(time.DateOnly) + ".ndjson"
	}
	w.write("a")
	w.night()
	w.wantFiles("before the day has ended", want)
	w.Advance(t, first.AddDate(0, 0, 1).Add(-time.Minute).Sub(w.Clock.Now()))
	w.write("late")
	w.Advance(t, first.AddDate(0, 0, 1).Sub(w.Clock.Now()))
	w.write("midnight")
	w.Advance(t, 4*time.Hour)
	w.night()
	want[name(0)] = "a late"
	w.wantFiles("the next night", want)
	w.night()
	w.wantFiles("again", want)
	w.Advance(t, 48*time.Hour)
	w.write("d")
	w.Advance(t, 24*time.Hour)
	w.night()
	want[name(1)], want[name(2)], want[name(3)] = "midnight", "", "d"
	w.wantFiles("after an outage", want)
	now := w.get(s)
	if last := now.Last(); last == nil || !last.Until.Equal(now.Next.Since) || !now.Next.Since.Equal(first.AddDate(0, 0, 4)) || now.Failures != 0 {
		t.Errorf("%+v", now)
	}
	if got := testkit.Value[string](t, w.Database, `
		SELECT string_agg(n || ' ' || action, ', ' ORDER BY action) FROM (SELECT action, count(*) AS n FROM audit_entry WHERE noun = 'audit_export' GROUP BY action) a`); got != "4 audit_export.create, 4 audit_export.deliver" {
		t.Errorf("the log has %s", got)
	}
	w.hidesCanary()
}

// A week is one file, and conditions select its entries.
func TestWeeks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.create(scheduled.New{Every: scheduled.Week, Filter: audit.Filter{ActorID: "b"}})
	w.write("a")
	w.write("b")
	w.Advance(t, s.Next.Until.Sub(w.Clock.Now()))
	w.write("b")
	w.Advance(t, 4*time.Hour)
	w.night()
	w.wantFiles("the next week", map[string]string{"log/exports/" + s.ID.String() + "/" + s.Next.String() + ".ndjson": "b"})
	if !strings.Contains(s.Next.String(), "-W") {
		t.Error(s.Next)
	}
}

// A destination that does not work is tried again, ever less often. Members are told once,
// and when it works again, nothing is missing.
func TestFailingDestination(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.create(scheduled.New{Every: scheduled.Day})
	w.write("a")
	w.Advance(t, 24*time.Hour)
	w.refuse = func(*http.Request) int { return http.StatusForbidden }
	w.night()
	for _, wait := range []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour} {
		w.Advance(t, wait)
		w.work(1)
	}
	now := w.get(s)
	const denied = "the role cannot be assumed: access was denied"
	if now.LastError == nil || *now.LastError != denied || now.Problem() == nil || now.NextTryAt == nil || now.FailingSince == nil || !slices.Equal(w.told, []string{denied}) {
		t.Errorf("%+v, told %q", now, w.told)
	}
	w.Advance(t, 3*24*time.Hour) // the file is gone by now
	w.refuse = nil
	w.night()
	if n := len(w.files()); n != 4 {
		t.Errorf("%q, want the files of four days", w.files())
	}
	if now = w.get(s); now.Problem() != nil || now.LastError != nil || now.Failures != 0 || len(w.told) != 1 {
		t.Errorf("%+v, told %q", now, w.told)
	}
	w.InOrg(t, w.org, func(ctx context.Context, tx pg.Tx) error {
		_, err := stream.Delete(ctx, tx, w.org, w.stream.ID)
		return err
	})
	w.Advance(t, 24*time.Hour)
	w.night()
	if now = w.get(s); now.LastError == nil || !strings.HasPrefix(*now.LastError, "the stream was deleted") {
		t.Errorf("%+v", now)
	}
	w.hidesCanary()
}

// A file of several parts is written as a whole, whichever request fails.
func TestLargeFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.create(scheduled.New{Every: scheduled.Day})
	for range 120 {
		w.InOrg(t, w.org, func(ctx context.Context, tx pg.Tx) error {
			return audit.Insert(ctx, tx, w.org, audit.Entry{
				Action: "role.update", Actor: audit.Actor{Type: audit.System, ID: "a"}, CreatedAt: w.Clock.Now(), After: audit.Fields{"name": strings.Repeat("x", 100<<10)},
			})
		})
	}
	failed := map[string]bool{}
	w.refuse = func(r *http.Request) int {
		call := r.Method + " " + r.URL.Query().Get("partNumber")
		if r.URL.Path == "/" || failed[call] {
			return 0
		}
		failed[call] = true
		return http.StatusServiceUnavailable
	}
	w.Advance(t, 24*time.Hour)
	w.night()
	for range 5 {
		w.Advance(t, time.Hour)
		w.night()
	}
	if want := map[string]string{"log/exports/" + s.ID.String() + "/" + s.Next.String() + ".ndjson": strings.TrimSpace(strings.Repeat("a ", 120))}; fmt.Sprint(w.files()) != fmt.Sprint(want) {
		t.Errorf("%d files, %+v", len(w.files()), w.get(s))
	}
	if len(failed) < 3 {
		t.Errorf("only %v has failed", failed)
	}
}

// A member is told of each file once, and what keeps the mail back is shown.
func TestMailedExports(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	member := id.New[id.Member](w.Clock.Now())
	s := w.create(scheduled.New{Every: scheduled.Day})
	w.Exec(t, `UPDATE audit_export_schedule SET stream_id = NULL, member_id = $1`, member)
	w.write("a")
	w.Advance(t, 24*time.Hour)
	w.silent = "the member's address gets no mail (bounce)"
	w.night()
	if now := w.get(s); now.LastError == nil || *now.LastError != w.silent || len(w.mails) != 0 {
		t.Errorf("%+v, mails %q", now, w.mails)
	}
	w.silent = ""
	w.Advance(t, time.Hour)
	w.night()
	w.night()
	if want := []string{s.Next.String() + " 1"}; !slices.Equal(w.mails, want) || w.get(s).LastError != nil {
		t.Errorf("mails %q, want %q; %+v", w.mails, want, w.get(s))
	}
}
