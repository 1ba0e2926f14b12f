package streaming_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"portico/shared/audit"
	"portico/shared/audit/stream"
	"portico/shared/audit/streaming"
	"portico/shared/id"
	"portico/shared/job/jobtest"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// A replay sends a range again with the same ids, after what is new. It moves nothing
// else.
func TestReplayOfAWindow(t *testing.T) {
	t.Parallel()
	d, other := newDesk(t), newSIEM(t)
	d.many(2) // before the stream
	d.sequence()
	s := d.https(other.URL)
	d.many(3)
	d.work()
	d.Advance(t, time.Hour)
	since := d.Clock.Now()
	d.many(2)
	d.work()
	replay := func(r stream.Range, numbers ...int64) {
		t.Helper()
		other.accepted = nil
		d.InOrg(t, d.org, func(ctx context.Context, tx pg.Tx) error {
			_, err := stream.StartReplay(ctx, tx, d.org, s.ID, r, d.Clock.Now())
			return err
		})
		d.write("audit_stream.replay")
		d.work()
		var got []int64
		for _, e := range slices.Concat(other.accepted...) {
			got = append(got, e.Number)
		}
		now := d.get(s)
		want(t, "numbers", got, slices.Concat([]int64{now.Head}, numbers))
		want(t, "reached", now.Reached, now.Head)
		all := d.ids()
		for _, e := range slices.Concat(other.accepted...) {
			want(t, "id", e.ID, all[e.Number-1])
		}
	}
	replay(stream.Range{From: 1, To: 4}, 1, 2, 3, 4)
	replay(stream.Range{Since: &since, To: 7}, 6, 7)
	replay(stream.Range{From: 4, Until: &since}, 4, 5)
	if len(other.batches) != len(slices.Compact(slices.Sorted(slices.Values(other.batches)))) {
		t.Errorf("batches of different contents have the same id: %v", other.batches)
	}
}

// A test entry is sent also by a paused stream, and what became of it is shown. It moves
// nothing.
func TestTestEntry(t *testing.T) {
	t.Parallel()
	d, other := newDesk(t), newSIEM(t, http.StatusForbidden)
	s := d.https(other.URL)
	d.update(s, stream.Change{Status: new(stream.Paused)})
	for _, failure := range []string{"answered 403: access was denied", ""} {
		d.InOrg(t, d.org, func(ctx context.Context, tx pg.Tx) error {
			_, err := stream.Test(ctx, tx, d.org, s.ID, d.Clock.Now())
			return err
		})
		d.write("audit_stream.test")
		d.work()
		now := d.get(s)
		if got := now.TestError; now.TestedAt == nil || !now.TestID.IsZero() || (got == nil) != (failure == "") || got != nil && *got != failure {
			t.Errorf("the test said %v: %+v", got, now.Progress)
		}
		if now.Reached != 0 || now.Failures != 0 || now.LastError != nil || len(d.told) != 0 {
			t.Errorf("the stream is %+v", now.Progress)
		}
	}
	if e := other.accepted[0]; len(other.accepted) != 1 || len(e) != 1 || e[0].Action != "audit_stream.test" || e[0].Number != 0 {
		t.Errorf("accepted are %+v", other.accepted)
	}
}

// A paused stream sends nothing and loses nothing, and a change during a failure makes it
// try at once.
func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	d, other := newDesk(t), newSIEM(t)
	broken := testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	s := d.https(broken.URL)
	d.update(s, stream.Change{Status: new(stream.Paused)})
	d.many(3)
	d.work()
	want(t, "requests of a paused stream", len(broken.All()), 0)
	d.update(s, stream.Change{Status: new(stream.Enabled)})
	for range 10 {
		d.work()
		d.Advance(t, time.Minute)
	}
	if now := d.get(s); now.Failures < 3 {
		t.Fatalf("the stream is %+v", now.Progress)
	}
	d.update(s, stream.Change{Type: stream.HTTPS, Settings: func(to stream.Settings) stream.Settings { to.URL = other.URL; return to }})
	d.work()
	want(t, "entries", other.ids(), d.ids())
}

// What a request with old settings has failed with does not count.
func TestChangeDuringARequest(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var s stream.Stream
	other := newSIEM(t)
	rec := testkit.NewReceiver(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 1 {
			d.update(s, stream.Change{Name: new("other")})
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		other.take(r, http.StatusOK)
	})
	s = d.https(rec.URL)
	d.many(1)
	d.work()
	d.work()
	if now := d.get(s); now.Status != stream.Enabled || len(d.told) != 0 {
		t.Errorf("the stream is %s, told are %v", now.Status, d.told)
	}
	want(t, "entries", other.ids(), d.ids())
}

// A stream that is deleted while its job waits leaves nothing to do.
func TestDeleted(t *testing.T) {
	t.Parallel()
	d, other := newDesk(t), newSIEM(t)
	s := d.https(other.URL)
	d.many(1)
	d.sequence()
	d.InOrg(t, d.org, func(ctx context.Context, tx pg.Tx) error { _, err := stream.Delete(ctx, tx, d.org, s.ID); return err })
	d.Advance(t, time.Minute)
	jobtest.Drain(t, d.runner)
	want(t, "requests", len(other.All()), 0)
	want(t, "jobs that are left", testkit.Value[int](t, d.Database, `SELECT count(*) FROM job`), 0)
}

// Whatever people choose as a name, an entry is one line of plain text that looks like
// what it is.
func TestNastyNames(t *testing.T) {
	t.Parallel()
	nasty := "a\nb\r\u2028\u2029\u0085\u202e\u2066\u200f<script>&\x00\x1b[31m\t\"\\"
	text := streaming.Encode(stream.Entry{ID: id.New[id.AuditEntry](time.Now()), Actor: stream.Actor{Name: &nasty}, After: json.RawMessage(`{"name":"x\u202ey` + "\u202e\u2028" + `<b>"}`), Targets: []audit.Target{}})
	if i := bytes.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' || r == '<' || r == '>' }); i >= 0 {
		t.Errorf("the text has %q at %d: %s", text[i], i, text)
	}
	var back stream.Entry
	testkit.Must(t, json.Unmarshal(text, &back))
	if *back.Actor.Name != nasty {
		t.Errorf("it reads as %q", *back.Actor.Name)
	}
}
