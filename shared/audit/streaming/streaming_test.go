package streaming_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"portico/shared/audit"
	"portico/shared/audit/stream"
	"portico/shared/auth"
	"portico/shared/job/jobtest"
	"portico/shared/testkit"
)

// New entries arrive in order, each once, with their numbers and hashes. The official
// library of Standard Webhooks verifies each request.
func TestEntriesArrive(t *testing.T) {
	t.Parallel()
	d, other := newDesk(t), newSIEM(t)
	d.write("role.create") // before the stream exists
	d.sequence()
	s := d.https(other.URL)
	d.write("role.update", "api_key.create")
	d.work()
	d.many(3)
	d.work()
	d.work()
	want(t, "entries", other.ids(), d.ids()[1:])
	want(t, "batches", len(other.accepted), 2)
	first := other.accepted[0][0]
	if first.Number != 2 || len(first.Hash) != 64 || first.Action != "role.update" || string(first.Before) != `{"name":"a"}` || first.Actor.Name != "Ada" {
		t.Errorf("an entry is %+v", first)
	}
	verifier, err := standard.NewWebhook(signingSecret)
	testkit.Must(t, err)
	for _, r := range other.All() {
		testkit.Must(t, verifier.VerifyIgnoringTimestamp(r.Body, r.Header))
	}
	now := d.get(s)
	if now.Reached != 6 || now.Head != 6 || now.WaitingSince != nil || now.LastDeliveredAt == nil || now.LastError != nil {
		t.Errorf("the stream is %+v", now)
	}
}

// An entry of an app that acted for a member names both.
func TestOnBehalfOfArrives(t *testing.T) {
	t.Parallel()
	d, other := newDesk(t), newSIEM(t)
	d.https(other.URL)
	d.add(audit.Entry{
		Action: "role.update", Actor: audit.Actor{Type: auth.OAuthClient, ID: "app_1"}, For: audit.Actor{Type: auth.Member, ID: "mem_1"},
		Targets: []audit.Target{{Type: "role", ID: "role_1"}},
	})
	d.work()
	want(t, "requests", len(other.All()), 1)
	if text := string(other.All()[0].Body); !strings.Contains(text, `"on_behalf_of":{"type":"member","id":"mem_1"},"targets":[{"type":"role","id":"role_1"}]`) {
		t.Errorf("it sends %s", text)
	}
}

// While the other side is down for an hour nothing is lost, and what is repeated has the
// same ids. The tries become rarer.
func TestDownForAnHour(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	down := true
	other := newSIEM(t)
	rec := testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		other.take(r, http.StatusOK)
	})
	s := d.https(rec.URL)
	for range 60 {
		d.many(1)
		d.sequence()
		d.Advance(t, time.Minute)
		jobtest.Drain(t, d.runner)
	}
	tries := len(rec.All())
	if now := d.get(s); tries < 10 || tries > 25 || now.Failures != tries || now.Reached != 0 || *now.LastError != "answered 503, expected 2xx" || now.FailingSince == nil {
		t.Errorf("after an hour and %d tries: %+v", tries, now)
	}
	down = false
	d.Advance(t, 6*time.Minute)
	jobtest.Drain(t, d.runner)
	want(t, "entries", other.ids(), d.ids())
	if now := d.get(s); now.Failures != 0 || now.FailingSince != nil || now.NextTryAt != nil || now.Reached != 60 {
		t.Errorf("after the outage: %+v", now)
	}
	want(t, "jobs that are left", testkit.Value[int](t, d.Database, `SELECT count(*) FROM job`), 0)
}

// A stream whose access is denied is paused, and its owner is told once. When it is
// resumed, it goes on where it stopped.
func TestDenied(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		d, other := newDesk(t), newSIEM(t, status)
		s := d.https(other.URL)
		d.many(2)
		d.work()
		d.many(1)
		d.work()
		now := d.get(s)
		if now.Status != stream.Paused || *now.PauseReason != stream.Refused || now.LastError == nil || now.Reached != 0 {
			t.Errorf("the stream is %+v", now)
		}
		want(t, "requests", len(other.All()), 1)
		want(t, "told", d.told, []string{"SIEM"})
		d.update(s, stream.Change{Status: new(stream.Enabled)})
		d.work()
		want(t, "entries", other.ids(), d.ids())
		want(t, "entries about the pause", testkit.Value[int](t, d.Database, `SELECT count(*) FROM audit_entry WHERE action = 'audit_stream.pause' AND actor_type = 'system'`), 1)
	}
}
