package export_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/shared/audit"
	"portico/shared/audit/chain"
	"portico/shared/audit/export"
	"portico/shared/audit/record"
	"portico/shared/bucket"
	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/job/jobtest"
	"portico/shared/jsontext"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// world is an organization with an audit log, and the runner of its jobs.
type world struct {
	*testkit.Database
	t      *testing.T
	org    id.Org
	bucket *bucket.Bucket
	runner *job.Runner

	answer func(*http.Request) int // of S3; nil: all requests reach it
}

func newWorld(t *testing.T) *world {
	t.Helper()
	d := testkit.DB(t)
	w := &world{Database: d, t: t, org: d.NewOrg(t)}
	_, name := testkit.S3(t, testkit.S3Endpoint(t))
	w.bucket = bucket.New(testkit.AWS(testkit.S3Endpoint(t)), name)
	kinds, err := job.NewRegistry(export.Kind(testkit.BucketThrough(t, name, func(r *http.Request) int {
		if w.answer == nil {
			return 0
		}
		return w.answer(r)
	})))
	testkit.Must(t, err)
	w.runner = &job.Runner{
		DB: d.App, Worker: d.Worker, Database: pg.Home, Queue: job.Bulk, Kinds: kinds, Clock: d.Clock, Log: observe.NewLog(io.Discard, "test"),
		Random: func() float64 { return 0 },
	}
	return w
}

// write writes entries, each a second after the one before.
func (w *world) write(n int, with audit.Entry) {
	w.t.Helper()
	for range n {
		w.Advance(w.t, time.Second)
		e := with
		e.Action, e.CreatedAt = "role.update", w.Clock.Now().Truncate(time.Microsecond)
		e.Actor = audit.Actor{Type: audit.System, ID: "test", Name: "Ada"}
		w.InOrg(w.t, w.org, func(ctx context.Context, tx pg.Tx) error { return audit.Insert(ctx, tx, w.org, e) })
	}
}

// sequence chains all entries that wait.
func (w *world) sequence() {
	w.t.Helper()
	s := &chain.Sequencer{Dispatcher: claim.Dispatcher{DB: w.Worker, Log: observe.NewLog(io.Discard, "test")}}
	for {
		passes, err := s.Claim(context.Background(), nil)
		testkit.Must(w.t, err)
		if len(passes) == 0 {
			return
		}
		s.Do(context.Background(), passes[0])
	}
}

func (w *world) start(n export.New) (e export.Export) {
	w.t.Helper()
	w.InOrg(w.t, w.org, func(ctx context.Context, tx pg.Tx) (err error) {
		e, err = export.Start(ctx, tx, w.org, n)
		return err
	})
	return e
}

func (w *world) get(e export.Export) export.Export {
	w.t.Helper()
	w.InOrg(w.t, w.org, func(ctx context.Context, tx pg.Tx) (err error) {
		e, err = export.Get(ctx, tx, w.org, e.ID)
		return err
	})
	return e
}

// finish runs an export to its end and returns it with its file.
func (w *world) finish(e export.Export) (export.Export, []byte) {
	w.t.Helper()
	for range 20 {
		w.sequence()
		jobtest.Drain(w.t, w.runner)
		if e = w.get(e); e.Status != export.Running {
			break
		}
		w.Advance(w.t, time.Minute)
	}
	if e.Status != export.Succeeded {
		w.t.Fatalf("the export has not ended: %+v", e)
	}
	file, err := w.bucket.Get(context.Background(), w.org.String()+"/"+e.ID.String()+"."+e.Format, 1<<30)
	testkit.Must(w.t, err)
	if int64(len(file)) != e.Size || *e.Total() != e.Examined() {
		w.t.Errorf("%d bytes of %+v", len(file), e)
	}
	return e, file
}

// listed returns the ids of the list with a filter, oldest first.
func (w *world) listed(f audit.Filter) (ids []string) {
	w.t.Helper()
	for {
		var page []audit.Entry
		var scanned id.AuditEntry
		w.InOrg(w.t, w.org, func(ctx context.Context, tx pg.Tx) (err error) {
			page, scanned, err = audit.List(ctx, tx, w.org, f, 100)
			return err
		})
		for _, e := range page {
			ids = append(ids, e.ID.String())
		}
		switch {
		case len(page) == 100:
			f.After = page[99].ID
		case !scanned.IsZero():
			f.After = scanned
		default:
			slices.Sort(ids)
			return ids
		}
	}
}

// exported returns the ids of the entries in a file.
func exported(t *testing.T, file []byte) (ids []string) {
	t.Helper()
	for line := range bytes.Lines(file) {
		var l struct{ ID string }
		testkit.Must(t, json.Unmarshal(line, &l))
		if l.ID != "" {
			ids = append(ids, l.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func verify(t *testing.T, file []byte, o record.Options) {
	t.Helper()
	if r, err := record.Verify(bytes.NewReader(file), o); err != nil || r.Fault != nil {
		t.Errorf("%+v, %+v, %v", r, r.Fault, err)
	}
}

func headOf(e export.Export) *record.Head {
	return &record.Head{Number: *e.LastNumber, Hash: record.Hash(e.LastHash)}
}

// The file has exactly the entries of the list when the export was asked for, although
// others are written meanwhile, and it verifies offline against its head.
func TestExportEqualsList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(40, audit.Entry{})
	want := w.listed(audit.Filter{})
	e := w.start(export.New{Format: export.NDJSON})
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				w.InOrg(t, w.org, func(ctx context.Context, tx pg.Tx) error {
					return audit.Insert(ctx, tx, w.org, audit.Entry{Action: "role.update", Actor: audit.Actor{Type: audit.System, ID: "other"}, CreatedAt: w.Clock.Now().Add(time.Hour)})
				})
			}
		}
	})
	e, file := w.finish(e)
	close(stop)
	writer.Wait()
	// Entries that are chained before the job begins may be in it, too.
	got := exported(t, file)
	if !slices.Equal(got[:min(len(want), len(got))], want) || int64(len(got)) != e.Entries || e.Entries != *e.LastNumber {
		t.Errorf("%d entries are in the file, %d in the list, up to number %d", len(got), len(want), *e.LastNumber)
	}
	verify(t, file, record.Options{From: 1, Head: headOf(e)})
}

// With conditions it has what the list has with them. With a time only, the numbers have
// no gaps.
func TestConditions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(300, audit.Entry{})
	w.write(100, audit.Entry{Targets: []audit.Target{{Type: "role", ID: "r1"}}, After: audit.Fields{"name": "Lovelace"}})
	w.write(300, audit.Entry{Outcome: audit.Failure})
	middle := w.Clock.Now().Add(-350 * time.Second)
	for name, f := range map[string]audit.Filter{
		"since":            {Since: middle},
		"until":            {Until: middle},
		"both":             {Since: middle.Add(-time.Minute), Until: middle},
		"in no time":       {Since: middle, Until: middle},
		"before all":       {Until: middle.Add(-time.Hour)},
		"after all":        {Since: middle.Add(time.Hour)},
		"a target":         {TargetID: "r1"},
		"words":            {Words: []string{"lovelace", "ada"}},
		"failures of then": {Outcome: audit.Failure, Since: middle, Until: middle.Add(time.Hour)},
		"a noun":           {Noun: "role", Category: audit.Security, ActorID: "test"},
	} {
		e, file := w.finish(w.start(export.New{Format: export.NDJSON, Filter: f}))
		if want, got := w.listed(f), exported(t, file); !slices.Equal(want, got) || e.Entries != int64(len(got)) {
			t.Errorf("%s: %d entries are in the file, %d in the list", name, len(got), len(want))
		}
		o := record.Options{From: e.FirstNumber, Filtered: f.IsPartial()}
		if !o.Filtered && len(file) > 0 {
			o.Head = headOf(e)
		}
		verify(t, file, o)
	}
}

// Of a log whose first entries are not kept any more, the file begins with the first one
// that is, and verifies.
func TestTrimmedLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(20, audit.Entry{})
	w.sequence()
	w.Advance(t, 72*time.Hour)
	w.Exec(t, `UPDATE audit_head SET archived = 8 WHERE org_id = $1`, w.org)
	w.write(20, audit.Entry{})
	if n := testkit.Value[int](t, w.Database, `SELECT trim_audit($1, '48 hours', 1000)`, w.org); n != 8 {
		t.Fatalf("%d entries are gone", n)
	}
	for _, f := range []audit.Filter{{}, {Until: w.Clock.Now().Add(-time.Hour)}, {Since: w.Clock.Now().Add(-time.Hour)}} {
		e, file := w.finish(w.start(export.New{Format: export.NDJSON, Filter: f}))
		if want, got := w.listed(f), exported(t, file); !slices.Equal(want, got) || e.FirstNumber < 9 {
			t.Errorf("%d entries are in the file, %d in the list, from %d on", len(got), len(want), e.FirstNumber)
		}
		verify(t, file, record.Options{From: e.FirstNumber, Head: headOf(e)})
	}
}

// If entries are removed because of their age while an export of them runs, the file has
// no gap: it begins with the first entry that is kept, and says so.
func TestTrimmedMeanwhile(t *testing.T) {
	t.Parallel()
	for _, old := range []int{105, 120} { // of 120
		w := newWorld(t)
		w.write(old, audit.Entry{After: audit.Fields{"name": strings.Repeat("x", 100<<10)}})
		w.sequence()
		w.Advance(t, 72*time.Hour)
		w.write(120-old, audit.Entry{After: audit.Fields{"name": strings.Repeat("x", 100<<10)}})
		w.sequence()
		w.Exec(t, `UPDATE audit_head SET archived = number WHERE org_id = $1`, w.org)
		trimmed := -1
		w.answer = func(r *http.Request) int {
			if r.Method == http.MethodPut && trimmed < 0 { // the first part
				trimmed = testkit.Value[int](t, w.Database, `SELECT trim_audit($1, '48 hours', 1000)`, w.org)
			}
			return 0
		}
		e, file := w.finish(w.start(export.New{Format: export.NDJSON}))
		if want, got := w.listed(audit.Filter{}), exported(t, file); trimmed != old || !slices.Equal(want, got) || e.FirstNumber != int64(old+1) || e.Entries != int64(120-old) {
			t.Errorf("%d entries were removed, %d are in the file, %d in the list; the export is %+v", trimmed, len(got), len(want), e)
		}
		if len(file) > 0 {
			verify(t, file, record.Options{From: e.FirstNumber, Head: headOf(e)})
		}
	}
}

// A large file is written in parts. Whatever request to S3 fails, and when S3 has lost
// the upload, the job tries again, says meanwhile that it fails, and the file is whole.
func TestLargeExportBearsFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(220, audit.Entry{After: audit.Fields{"name": strings.Repeat("x", 100<<10)}})
	for name, status := range map[string]int{"S3 fails": http.StatusServiceUnavailable, "the upload is lost": http.StatusNotFound, "a part is another": http.StatusBadRequest} {
		failed, failing := map[string]int{}, 0
		w.answer = func(r *http.Request) int {
			call := r.Method + strings.Join(slices.Sorted(func(yield func(string) bool) {
				for n := range r.URL.Query() {
					if !yield(n) {
						return
					}
				}
			}), " ")
			if failed[call]++; failed[call] == 1 || call == "PUT partNumber uploadId x-id" && failed[call] == 3 {
				return status
			}
			return 0
		}
		e := w.start(export.New{Format: export.NDJSON})
		w.sequence()
		jobtest.Drain(t, w.runner)
		if w.get(e).Failing {
			failing++
		}
		e, file := w.finish(e)
		if e.Failing || len(failed) < 3 || e.Size < 20<<20 || e.Entries != *e.LastNumber {
			t.Errorf("%s: %+v after %v", name, e, failed)
		}
		if failing == 0 {
			t.Errorf("%s: the export does not show that it fails", name)
		}
		verify(t, file, record.Options{From: 1, Head: headOf(e)})
	}
}

// CSV has one record for each entry, on one line, and no cell that is a formula.
func TestCSV(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hostile := []string{"=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "a\r\nb,\"c\u202e\x1b[31m\u2028<script>"}
	for _, text := range hostile {
		w.write(1, audit.Entry{Origin: audit.Origin{UserAgent: text, RequestID: text}, Targets: []audit.Target{{Type: "role", ID: text}}, After: audit.Fields{"name": text}})
	}
	e, file := w.finish(w.start(export.New{Format: export.CSV}))
	rows, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil || int64(len(rows)) != e.Entries+1 || bytes.Count(file, []byte("\n")) != len(rows) {
		t.Fatalf("%d rows for %d entries, %v:\n%s", len(rows), e.Entries, err, file)
	}
	for _, row := range rows {
		for _, cell := range row {
			if strings.ContainsFunc(cell, jsontext.IsHidden) || strings.IndexAny(cell, "=+-@\t\r") == 0 {
				t.Errorf("%q is not safe", cell)
			}
		}
	}
	if got := rows[len(rows)-1][14]; got != `a\u000d\u000ab,"c\u202e\u001b[31m\u2028<script>` {
		t.Errorf("%q", got)
	}
}

// An export that is cancelled writes no file, and only a few run at a time.
func TestCancelAndLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.start(export.New{Format: export.CSV})
	for range 4 {
		w.start(export.New{Format: export.CSV})
	}
	err := w.App.InOrg(context.Background(), w.org, func(tx pg.Tx) error {
		_, err := export.Start(context.Background(), tx, w.org, export.New{Format: export.CSV})
		return err
	})
	if err != export.ErrTooMany {
		t.Error(err)
	}
	w.InOrg(t, w.org, func(ctx context.Context, tx pg.Tx) error {
		_, err := export.Cancel(ctx, tx, w.org, first.ID)
		return err
	})
	w.start(export.New{Format: export.CSV})
	w.sequence()
	jobtest.Drain(t, w.runner)
	if e := w.get(first); e.Status != export.Cancelled || e.FinishedAt == nil {
		t.Errorf("%+v", e)
	}
	if _, err := w.bucket.Get(context.Background(), w.org.String()+"/"+first.ID.String()+".csv", 1); err != bucket.ErrAbsent {
		t.Errorf("the file of a cancelled export: %v", err)
	}
}
