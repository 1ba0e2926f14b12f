package streaming_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"portico/shared/audit"
	"portico/shared/audit/stream"
	"portico/shared/audit/streaming"
	"portico/shared/job"
	"portico/shared/job/jobtest"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// Each kind of refusal is shown, costs no entry, and is tried again.
func TestRefusals(t *testing.T) {
	t.Parallel()
	cut := func(w http.ResponseWriter) {
		conn, _, err := w.(http.Hijacker).Hijack()
		testkit.Must(t, err)
		_ = conn.Close()
	}
	for _, tt := range []struct {
		name, want string
		answer     func(w http.ResponseWriter)
	}{
		{"202", "", func(w http.ResponseWriter) { w.WriteHeader(http.StatusAccepted) }},
		{"400", "answered 400, expected 2xx", func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadRequest) }},
		{"500", "answered 500, expected 2xx", func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) }},
		{"a redirect", "redirects are not followed: give the final URL", func(w http.ResponseWriter) {
			w.Header().Set("Location", "https://example.com/")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}},
		{"a cut connection", "the connection was closed before the response was complete", cut},
		{"an answer that ends early", "the connection was closed before the response was complete", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "10")
			w.WriteHeader(http.StatusOK)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, other := newDesk(t), &siem{}
			rec := testkit.NewReceiver(t, func(n int, w http.ResponseWriter, r *http.Request) {
				if n == 1 {
					tt.answer(w)
					return
				}
				other.take(r, http.StatusOK)
			})
			s := d.https(rec.URL)
			d.many(2)
			d.work()
			now := d.get(s)
			if tt.want == "" {
				want(t, "reached, requests", []any{now.Reached, len(rec.All())}, []any{2, 1})
				return
			}
			if now.Reached != 0 || now.LastError == nil || *now.LastError != tt.want || now.Status != stream.Enabled {
				t.Fatalf("the stream is %+v, its error %v", now.Progress, now.LastError)
			}
			d.Advance(t, time.Minute)
			jobtest.Drain(t, d.runner)
			want(t, "entries", other.ids(), d.ids())
		})
	}
}

// A server that does not answer is given up.
func TestSlow(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	done := make(chan struct{})
	rec := testkit.NewReceiver(t, func(int, http.ResponseWriter, *http.Request) { <-done })
	t.Cleanup(func() { close(done) })
	s := d.https(rec.URL)
	d.many(1)
	d.sequence()
	d.Advance(t, time.Minute)
	b := d.load(s)
	sender := streaming.New(testkit.Loopback(t), d.Clock, streaming.Vendors{}, aws.Config{})
	streaming.SetTimeout(sender, 50*time.Millisecond)
	if o := sender.Send(context.Background(), b); o.Error != "no complete response within 50ms" || o.Refused {
		t.Errorf("the outcome is %+v", o)
	}
}

func (d *desk) load(s stream.Stream) (b stream.Batch) {
	d.t.Helper()
	d.InOrg(d.t, d.org, func(ctx context.Context, tx pg.Tx) (err error) {
		b, err = stream.Load(ctx, tx, d.org, s.ID, testkit.Box(d.t))
		return err
	})
	return b
}

// Private addresses are not reached, and look like names that do not exist.
func TestPrivateAddress(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	s := d.https("https://10.0.0.1/")
	d.many(1)
	d.work()
	if now := d.get(s); now.LastError == nil || !strings.Contains(*now.LastError, "no public address") {
		t.Errorf("the stream is %+v", now)
	}
}

// Retry-After is honoured.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	d, other := newDesk(t), newSIEM(t, http.StatusTooManyRequests) // asks for ten minutes
	d.https(other.URL)
	d.many(1)
	d.work()
	d.many(1)
	d.sequence()
	d.Advance(t, 9*time.Minute)
	jobtest.Drain(t, d.runner)
	want(t, "requests within nine minutes", len(other.All()), 1)
	d.Advance(t, 2*time.Minute)
	jobtest.Drain(t, d.runner)
	want(t, "entries", other.ids(), d.ids())
}

// A batch that is too large is halved until it fits, and an entry that is too large by
// itself loses its fields and does not hold up the others.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	d, other := newDesk(t), &siem{}
	rec := testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 3000 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		other.take(r, http.StatusOK)
	})
	s := d.https(rec.URL)
	d.many(20)
	d.add(audit.Entry{Action: "role.update", Actor: audit.Actor{Type: audit.System, ID: "x"}, After: audit.Fields{"description": strings.Repeat("x", 4000)}})
	d.many(3)
	d.work()
	want(t, "entries", other.ids(), d.ids())
	for _, e := range slices.Concat(other.accepted...) {
		if e.Reduced != (e.Number == 21) || e.Reduced != (string(e.Before) == "null") {
			t.Errorf("entry %d: reduced is %v, before is %s", e.Number, e.Reduced, e.Before)
		}
	}
	if now := d.get(s); now.Failures != 0 || now.Reached != 24 {
		t.Errorf("the stream is %+v", now.Progress)
	}
}

// A runner dies between the request and its record, and another one does the work after
// its lease: the other side gets each entry with the id that it has, and a repeated batch
// has its id.
func TestKilled(t *testing.T) {
	t.Parallel()
	d, other := newDesk(t), newSIEM(t)
	d.https(other.URL)
	d.many(3)
	d.sequence()
	d.Advance(t, time.Minute)
	crashed := false
	d.runner.Crash = func(point string) {
		if len(other.accepted) == 1 && !crashed {
			crashed = true
			panic(job.Crashed{})
		}
	}
	jobtest.Drain(t, d.runner)
	d.Advance(t, time.Minute) // its lease ends
	second := d.newRunner()
	jobtest.Drain(t, second)
	want(t, "entries", other.ids(), slices.Concat(d.ids(), d.ids()))
	want(t, "batches", len(other.batches), 2)
	want(t, "the second batch", other.batches[1], other.batches[0])
	d.many(2)
	d.work()
	want(t, "entries after that", other.ids()[3:], d.ids())
}

// Entries are selected by category, action and outcome, and what is not selected is
// passed.
func TestFilter(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, tt := range []struct {
		filter stream.Filter
		want   string
	}{
		{stream.Filter{}, "[1 2 3 4 5]"},
		{stream.Filter{Categories: []string{"security"}}, "[1 2 5]"},
		{stream.Filter{Categories: []string{"security", "data"}}, "[1 2 3 5]"},
		{stream.Filter{Actions: []string{"role.*"}}, "[1 2]"},
		{stream.Filter{Actions: []string{"role.update", "limit.override"}}, "[2 4]"},
		{stream.Filter{Outcomes: []string{"failure"}}, "[5]"},
		{stream.Filter{Actions: []string{"role.*"}, Outcomes: []string{"failure"}}, "[]"},
	} {
		other := newSIEM(t)
		s := d.create(stream.New{Name: "SIEM", Type: stream.HTTPS, Settings: stream.Settings{URL: other.URL}, Secret: signingSecret, Filter: tt.filter})
		before := d.get(s).Head
		d.write("role.create", "role.update", "delivery.redeliver", "limit.override")
		d.add(audit.Entry{Action: "api_key.create", Actor: audit.Actor{Type: audit.APIKey, ID: "key_1"}, Outcome: audit.Failure})
		d.work()
		var numbers []int64
		for _, e := range slices.Concat(other.accepted...) {
			numbers = append(numbers, e.Number-before)
		}
		want(t, fmt.Sprintf("%+v", tt.filter), numbers, tt.want)
		if now := d.get(s); now.Reached != now.Head {
			t.Errorf("%+v: passed are %d of %d", tt.filter, now.Reached, now.Head)
		}
		d.InOrg(t, d.org, func(ctx context.Context, tx pg.Tx) error { _, err := stream.Delete(ctx, tx, d.org, s.ID); return err })
	}
}

// A long log is sent in batches of at most MaxEntries, also where few are selected.
func TestBatches(t *testing.T) {
	t.Parallel()
	d, other := newDesk(t), newSIEM(t)
	d.https(other.URL)
	d.Exec(t, `
		INSERT INTO audit_entry (org_id, id, action, actor_type, actor_id, targets, request_id, user_agent, created_at)
		SELECT $1, overlay(uuid_floor(portico_now())::text PLACING lpad(n::text, 12, '0') FROM 25)::uuid, 'role.update', 'system', 'test', '[]', '', '', portico_now()
		FROM generate_series(1, 1234) n`, d.org)
	d.work()
	var sizes []int
	for _, b := range other.accepted {
		sizes = append(sizes, len(b))
	}
	want(t, "batches", sizes, []int{500, 500, 234})
	want(t, "entries", other.ids(), d.ids())
}
