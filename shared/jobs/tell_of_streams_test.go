package jobs_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"portico/shared/audit"
	"portico/shared/audit/chain"
	"portico/shared/audit/stream"
	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/job/jobtest"
	"portico/shared/observe"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// siem gets the entries of the streams of several worlds.
type siem struct {
	*testkit.Receiver
	worlds sync.Map // from the stream's id to what its world has outside
}

func newSIEM(t *testing.T) *siem {
	t.Helper()
	s := &siem{}
	s.Receiver = testkit.NewReceiver(t, func(_ int, _ http.ResponseWriter, r *http.Request) {
		var body struct {
			Data struct {
				StreamID string `json:"stream_id"`
				Entries  []struct {
					Number int
					Action string
				}
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		outside, _ := s.worlds.Load(body.Data.StreamID)
		for _, e := range body.Data.Entries {
			outside.(map[string]string)[strconv.Itoa(e.Number)] = e.Action
		}
	})
	return s
}

// streaming makes a stream that has two entries to send.
func (s *siem) streaming(ctx context.Context, w *jobtest.World) error {
	made := newStream(w.T, w.Database, w.Org, s.URL)
	s.worlds.Store(made.ID.String(), w.Outside)
	return chained(ctx, w.Database, w.Org)
}

func newStream(t testing.TB, db *testkit.Database, org id.Org, url string) (made stream.Stream) {
	t.Helper()
	db.InOrg(t, org, func(ctx context.Context, tx pg.Tx) (err error) {
		made, err = stream.Insert(ctx, tx, org, stream.New{
			Name: "SIEM", Type: stream.HTTPS, Settings: stream.Settings{URL: url}, Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		}, db.Clock.Now(), testkit.Box(t))
		return err
	})
	return made
}

// chained writes two entries, which wake the streams.
func chained(ctx context.Context, db *testkit.Database, org id.Org) error {
	for range 2 {
		err := db.App.InOrg(ctx, org, func(tx pg.Tx) error {
			return audit.Insert(ctx, tx, org, audit.Entry{Action: "role.update", Actor: audit.Actor{Type: audit.System, ID: "test"}, CreatedAt: db.Clock.Now()})
		})
		if err != nil {
			return err
		}
	}
	s := &chain.Sequencer{Dispatcher: claim.Dispatcher{DB: db.Worker, Log: observe.NewLog(io.Discard, "test")}, WakeStreams: stream.Wake}
	passes, err := s.Claim(ctx, nil)
	if err == nil {
		s.Do(ctx, passes[0])
	}
	return err
}

// Those who may change streams are told once that one was paused, because access was
// denied.
func TestMembersAreToldOfPausedStreams(t *testing.T) {
	t.Parallel()
	db := testkit.DB(t)
	org := db.NewOrg(t)
	deleter, _ := newDeleter(t, db)
	s, seen := newShift(t, db, deleter), map[string]bool{}
	addPeople(t, db, org)
	rec := testkit.NewReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	newStream(t, db, org, rec.URL)
	for range 2 {
		testkit.Must(t, chained(context.Background(), db, org))
		s.Advance(t, 2*stream.Gather)
		s.rest()
	}
	wantMails(t, "denied", s.mails(seen), "audit_stream_paused owner@example.com fr")
	if data := s.data("owner@example.com"); len(rec.All()) != 1 || !json.Valid([]byte(data)) {
		t.Errorf("after %d requests the mail says %s", len(rec.All()), data)
	}
}
