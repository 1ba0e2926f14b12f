package idempotency_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"portico/shared/idempotency"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/testkit"
)

// fixture is a database with one organization and a scope in it.
type fixture struct {
	*testing.T
	*testkit.Database
	box   *secret.Box
	scope idempotency.Scope
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	d := testkit.DB(t)
	return &fixture{T: t, Database: d, box: testkit.Box(t), scope: idempotency.Scope{
		Org: d.NewOrg(t), Caller: "key_1", Operation: "publishEvent", Key: "k",
	}}
}

var errWork = errors.New("the work failed")

// request runs one request: claim, work, store, commit. It returns the reply and
// whether the work was done for it.
func (f *fixture) request(s idempotency.Scope, body string, work error) (reply string, worked bool, err error) {
	ctx := context.Background()
	err = f.App.InOrg(ctx, s.Org, func(tx pg.Tx) error {
		stored, err := idempotency.Claim(ctx, tx, s, []byte(body), f.box)
		if err != nil || stored != nil {
			reply = string(stored)
			return err
		}
		worked, reply = true, "reply to "+body
		return errors.Join(work, idempotency.Store(ctx, tx, s, []byte(reply), f.box))
	})
	return reply, worked, err
}

// works checks that a request does its work; replays checks that it gets a stored
// reply.
func (f *fixture) works(what string, s idempotency.Scope, body string) {
	f.Helper()
	if reply, worked, err := f.request(s, body, nil); err != nil || !worked || reply != "reply to "+body {
		f.Errorf("%s: worked %v, %q, %v; want the work done", what, worked, reply, err)
	}
}

func (f *fixture) replays(what string, s idempotency.Scope, body, want string) {
	f.Helper()
	if reply, worked, err := f.request(s, body, nil); err != nil || worked || reply != want {
		f.Errorf("%s: worked %v, %q, %v; want %q replayed", what, worked, reply, err, want)
	}
}

// A request that is sent twice does its work once and gets the same reply both
// times. Another request with the same key is refused.
func TestReplay(t *testing.T) {
	f := newFixture(t)
	f.works("the first time", f.scope, "a")
	f.replays("the second time", f.scope, "a", "reply to a")
	f.replays("the third time", f.scope, "a", "reply to a")
	if _, worked, err := f.request(f.scope, "b", nil); !errors.Is(err, idempotency.ErrReused) || worked {
		t.Errorf("another request: worked %v, %v; want ErrReused", worked, err)
	}
	f.replays("after the refusal", f.scope, "a", "reply to a")
}

// Work that fails leaves nothing: the next try, with any body, is a first one.
func TestFailedWorkLeavesNothing(t *testing.T) {
	f := newFixture(t)
	if _, worked, err := f.request(f.scope, "a", errWork); !worked || !errors.Is(err, errWork) {
		t.Fatalf("worked %v, %v", worked, err)
	}
	if n := testkit.Value[int](t, f.Database, `SELECT count(*) FROM idempotency_key`); n != 0 {
		t.Errorf("%d keys were left", n)
	}
	f.works("the second try", f.scope, "b")
}

// A key is valid for one organization, caller and operation.
func TestScope(t *testing.T) {
	f := newFixture(t)
	f.works("the first", f.scope, "a")
	for what, change := range map[string]func(*idempotency.Scope){
		"another key":          func(s *idempotency.Scope) { s.Key = "l" },
		"another caller":       func(s *idempotency.Scope) { s.Caller = "key_2" },
		"another operation":    func(s *idempotency.Scope) { s.Operation = "publishEventBatch" },
		"another organization": func(s *idempotency.Scope) { s.Org = f.NewOrg(t) },
	} {
		s := f.scope
		change(&s)
		f.works(what, s, "of "+what)
		f.replays(what, s, "of "+what, "reply to of "+what)
	}
	f.replays("the first", f.scope, "a", "reply to a")
}

// While the first request works, the second waits. It then gets the first one's
// reply, or does the work itself if the first one failed.
func TestSecondWaits(t *testing.T) {
	for what, work := range map[string]error{"the first succeeds": nil, "the first fails": errWork} {
		t.Run(what, func(t *testing.T) {
			f, ctx := newFixture(t), context.Background()
			type outcome struct {
				reply  string
				worked bool
				err    error
			}
			second := make(chan outcome, 1)
			err := f.App.InOrg(ctx, f.scope.Org, func(tx pg.Tx) error {
				if _, err := idempotency.Claim(ctx, tx, f.scope, []byte("a"), f.box); err != nil {
					return err
				}
				go func() {
					reply, worked, err := f.request(f.scope, "a", nil)
					second <- outcome{reply, worked, err}
				}()
				f.awaitBlocked()
				return errors.Join(work, idempotency.Store(ctx, tx, f.scope, []byte("reply to a"), f.box))
			})
			if !errors.Is(err, work) {
				t.Fatal(err)
			}
			if got, want := <-second, (outcome{"reply to a", work != nil, nil}); got != want {
				t.Errorf("the second got %+v, want %+v", got, want)
			}
		})
	}
}

// awaitBlocked returns once a session of this database waits for a lock.
func (f *fixture) awaitBlocked() {
	f.Helper()
	testkit.Await(f.T, "a session to wait", func() bool {
		return testkit.Value[bool](f.T, f.Database, `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0)`)
	})
}

// The wait is limited: a second request is not delayed by a first one that hangs.
// Later waits of its own transaction keep their time limit.
func TestWaitIsBounded(t *testing.T) {
	f, ctx := newFixture(t), context.Background()
	err := f.App.InOrg(ctx, f.scope.Org, func(tx pg.Tx) error {
		if _, err := idempotency.Claim(ctx, tx, f.scope, []byte("a"), f.box); err != nil {
			return err
		}
		start := time.Now()
		_, worked, err := f.request(f.scope, "a", nil)
		took := time.Since(start)
		if !errors.Is(err, idempotency.ErrInUse) || worked {
			t.Errorf("worked %v, %v; want ErrInUse", worked, err)
		}
		if took < 1500*time.Millisecond || took > 6*time.Second {
			t.Errorf("it waited %s, want about 2 s", took)
		}
		var timeout string
		if err := tx.QueryRow(ctx, `SHOW lock_timeout`).Scan(&timeout); err != nil || timeout != "0" {
			t.Errorf("lock_timeout is %s after the claim (%v), want 0", timeout, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A key is free again after 24 hours, and not before.
func TestExpiry(t *testing.T) {
	f := newFixture(t)
	f.works("the first", f.scope, "a")
	f.Advance(t, idempotency.Keep-time.Minute)
	f.replays("a minute before 24 hours", f.scope, "a", "reply to a")
	f.Advance(t, time.Minute)
	f.works("after 24 hours, another request", f.scope, "b")
	f.replays("its repetition", f.scope, "b", "reply to b")
	f.Advance(t, idempotency.Keep-time.Minute)
	f.replays("the new key lives 24 hours as well", f.scope, "b", "reply to b")
}

// The table does not show a reply, and a stored reply can be opened only under
// its own key.
func TestRepliesAreSealed(t *testing.T) {
	f := newFixture(t)
	f.works("the first", f.scope, "whsec_hush")
	if sealed := testkit.Value[[]byte](t, f.Database, `SELECT reply FROM idempotency_key`); bytes.Contains(sealed, []byte("hush")) || len(sealed) == 0 {
		t.Errorf("the table holds %q", sealed)
	}
	f.Exec(t, `UPDATE idempotency_key SET key = 'stolen'`)
	stolen := f.scope
	stolen.Key = "stolen"
	if reply, worked, err := f.request(stolen, "whsec_hush", nil); err == nil || worked || reply != "" {
		t.Errorf("a reply moved to another key: worked %v, %q, %v; want an error", worked, reply, err)
	}
}

// If another environment stored a reply after the sealing keys were rotated, an
// environment that started before replays it.
func TestReplayAfterRotationOfSealingKeys(t *testing.T) {
	f := newFixture(t)
	first, second := rand.Text()+rand.Text(), rand.Text()+rand.Text()
	stored := fmt.Sprintf(`{"current":"1","1":%q}`, first)
	box := func() *secret.Box {
		box, err := secret.New(func() ([]byte, error) { return []byte(stored), nil })
		if err != nil {
			t.Fatal(err)
		}
		return box
	}
	warm := box()
	stored = fmt.Sprintf(`{"current":"2","1":%q,"2":%q}`, first, second)
	f.box = box()
	f.works("the first", f.scope, "body")
	f.box = warm
	f.replays("at the warm environment", f.scope, "body", "reply to body")
}

// Sweep removes only expired keys, in batches of the given size.
func TestSweep(t *testing.T) {
	f, ctx := newFixture(t), context.Background()
	add := func(keys ...string) {
		for _, key := range keys {
			s := f.scope
			s.Key = key
			f.works(key, s, key)
		}
	}
	sweep := func(limit int, want int64) {
		t.Helper()
		if n, err := idempotency.Sweep(ctx, f.Worker, limit); err != nil || n != want {
			t.Errorf("%d removed (%v), want %d", n, err, want)
		}
	}
	add("old 1", "old 2", "old 3")
	sweep(10, 0)
	f.Advance(t, 12*time.Hour)
	add("young")
	f.Advance(t, 12*time.Hour)
	sweep(2, 2)
	sweep(2, 1)
	sweep(2, 0)
	if left := testkit.Value[string](t, f.Database, `SELECT string_agg(key, ',') FROM idempotency_key`); left != "young" {
		t.Errorf("left: %s", left)
	}
}

// If a request claims an expired key again while Sweep runs, the key stays, and a
// repetition gets that request's reply.
func TestSweepLeavesWhatIsClaimedAnew(t *testing.T) {
	f, ctx := newFixture(t), context.Background()
	f.works("the first", f.scope, "a")
	f.Advance(t, idempotency.Keep)
	swept := make(chan error, 1)
	err := f.App.InOrg(ctx, f.scope.Org, func(tx pg.Tx) error {
		if _, err := idempotency.Claim(ctx, tx, f.scope, []byte("b"), f.box); err != nil {
			return err
		}
		go func() {
			_, err := idempotency.Sweep(ctx, f.Worker, 10)
			swept <- err
		}()
		f.awaitBlocked()
		return idempotency.Store(ctx, tx, f.scope, []byte("reply to b"), f.box)
	})
	if err := errors.Join(err, <-swept); err != nil {
		t.Fatal(err)
	}
	f.replays("the repetition", f.scope, "b", "reply to b")
}

// A key of another organization cannot even be claimed from here.
func TestClaimStaysInItsOrganization(t *testing.T) {
	f, ctx := newFixture(t), context.Background()
	foreign := f.scope
	foreign.Org = f.NewOrg(t)
	err := f.App.InOrg(ctx, f.scope.Org, func(tx pg.Tx) error {
		_, err := idempotency.Claim(ctx, tx, foreign, []byte("a"), f.box)
		return err
	})
	if err == nil {
		t.Error("it was claimed")
	}
}
