package streaming_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/uuid"

	"portico/shared/audit"
	"portico/shared/audit/chain"
	"portico/shared/audit/stream"
	"portico/shared/audit/streaming"
	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/job"
	"portico/shared/job/jobtest"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// desk is a database with an organization, a sequencer and a runner of streams.
type desk struct {
	*testkit.Database
	t      testing.TB
	org    id.Org
	runner *job.Runner
	// The addresses of Datadog and AWS.
	vendors streaming.Vendors
	aws     aws.Config
	log     bytes.Buffer
	told    []string // names of streams whose owners were told
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	db := testkit.DB(t)
	d := &desk{Database: db, t: t, org: db.NewOrg(t)}
	d.runner = d.newRunner()
	return d
}

// newRunner returns another runner, as another process has.
func (d *desk) newRunner() *job.Runner {
	d.t.Helper()
	log := observe.NewLog(&d.log, "test")
	kinds, err := job.NewRegistry(streaming.Deliverer{
		DB: d.App, Box: testkit.Box(d.t), Sender: streaming.New(testkit.Loopback(d.t), d.Clock, d.vendors, d.aws),
		Told: func(_ context.Context, _ pg.Tx, _ id.Org, s stream.Stream) error {
			d.told = append(d.told, s.Name)
			return nil
		},
	}.Kind(), stream.Watch)
	testkit.Must(d.t, err)
	return &job.Runner{DB: d.App, Worker: d.Worker, Database: pg.Home, Queue: job.Bulk, Kinds: kinds, Clock: d.Clock, Log: log, Random: func() float64 { return 0 }}
}

// create makes a stream.
func (d *desk) create(n stream.New) (made stream.Stream) {
	d.t.Helper()
	d.InOrg(d.t, d.org, func(ctx context.Context, tx pg.Tx) (err error) {
		made, err = stream.Insert(ctx, tx, d.org, n, d.Clock.Now(), testkit.Box(d.t))
		return err
	})
	return made
}

const signingSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func (d *desk) https(url string) stream.Stream {
	d.t.Helper()
	return d.create(stream.New{Name: "SIEM", Type: stream.HTTPS, Settings: stream.Settings{URL: url}, Secret: signingSecret})
}

// update changes a stream as a customer does, with its audit entry.
func (d *desk) update(s stream.Stream, c stream.Change) {
	d.t.Helper()
	d.InOrg(d.t, d.org, func(ctx context.Context, tx pg.Tx) error {
		_, _, err := stream.Update(ctx, tx, d.org, s.ID, c, d.Clock.Now(), testkit.Box(d.t))
		return err
	})
	d.write("audit_stream.update")
}

// get returns a stream as it is now.
func (d *desk) get(s stream.Stream) (now stream.Stream) {
	d.t.Helper()
	d.InOrg(d.t, d.org, func(ctx context.Context, tx pg.Tx) (err error) {
		now, err = stream.Get(ctx, tx, d.org, s.ID)
		return err
	})
	return now
}

// write writes an entry for each action, each in a transaction of its own.
func (d *desk) write(actions ...string) {
	d.t.Helper()
	for _, action := range actions {
		d.add(audit.Entry{
			Action: action, Actor: audit.Actor{Type: audit.APIKey, ID: "key_1", Name: "Ada"}, Targets: []audit.Target{{Type: "role", ID: "role_1"}},
			Before: audit.Fields{"name": "a"}, After: audit.Fields{"name": "b"},
			Origin: audit.Origin{RequestID: "r", SourceIP: netip.MustParseAddr("203.0.113.7"), UserAgent: "curl"},
		})
	}
}

func (d *desk) add(e audit.Entry) {
	d.t.Helper()
	e.CreatedAt = d.Clock.Now()
	d.InOrg(d.t, d.org, func(ctx context.Context, tx pg.Tx) error { return audit.Insert(ctx, tx, d.org, e) })
}

// many writes entries with the action role.update.
func (d *desk) many(n int) {
	d.t.Helper()
	for range n {
		d.write("role.update")
	}
}

// sequence chains what waits, and adds the jobs of the streams.
func (d *desk) sequence() {
	d.t.Helper()
	s := &chain.Sequencer{Dispatcher: claim.Dispatcher{DB: d.Worker, Log: observe.NewLog(io.Discard, "test")}, WakeStreams: stream.Wake}
	for {
		passes, err := s.Claim(context.Background(), nil)
		testkit.Must(d.t, err)
		if len(passes) == 0 {
			return
		}
		s.Do(context.Background(), passes[0])
	}
}

// work chains what waits, and does the jobs that are due soon.
func (d *desk) work() {
	d.t.Helper()
	d.sequence()
	d.Advance(d.t, 3*time.Second)
	jobtest.Drain(d.t, d.runner)
}

// numbers are those of all entries that the log has.
func (d *desk) ids() []string {
	d.t.Helper()
	raw := testkit.Value[[]uuid.UUID](d.t, d.Database, `SELECT coalesce(array_agg(entry_id ORDER BY number), '{}') FROM audit_chain WHERE org_id = $1`, d.org)
	list := make([]string, len(raw))
	for i, u := range raw {
		list[i] = id.AuditEntry{UUID: u}.String()
	}
	return list
}

// siem is the other side. It keeps what it has accepted.
type siem struct {
	*testkit.Receiver
	accepted [][]entry // batch by batch
	batches  []string  // the ids of all requests
}

// entry is what a SIEM reads of an entry.
type entry struct {
	Number  int64
	Hash    string
	ID      string
	Action  string
	Reduced bool
	Before  json.RawMessage
	Actor   struct{ Name string }
}

// newSIEM starts one that answers the statuses in turn, and then 200.
func newSIEM(t testing.TB, statuses ...int) *siem {
	t.Helper()
	s := &siem{}
	s.Receiver = testkit.NewReceiver(t, func(n int, w http.ResponseWriter, r *http.Request) {
		status := http.StatusOK
		if n <= len(statuses) {
			status = statuses[n-1]
		}
		s.take(r, status)
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "600")
		}
		w.WriteHeader(status)
	})
	return s
}

func (s *siem) take(r *http.Request, status int) {
	var body struct{ Data struct{ Entries []entry } }
	_ = json.NewDecoder(r.Body).Decode(&body)
	s.batches = append(s.batches, r.Header.Get("Webhook-Id"))
	if status/100 == 2 {
		s.accepted = append(s.accepted, body.Data.Entries)
	}
}

// ids are those of all accepted entries, in order.
func (s *siem) ids() (list []string) {
	for _, e := range slices.Concat(s.accepted...) {
		list = append(list, e.ID)
	}
	return list
}

func want(t testing.TB, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
