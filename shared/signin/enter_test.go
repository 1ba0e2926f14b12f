package signin_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portico/shared/audit"
	"portico/shared/dynamo"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/pg"
	"portico/shared/secret"
	"portico/shared/session"
	"portico/shared/signin"
	"portico/shared/testkit"
)

const life = 12 * time.Hour

var by = audit.Origin{SourceIP: netip.MustParseAddr("203.0.113.7"), UserAgent: "a browser"}

// home is a bed whose user has a login in Postgres.
type home struct {
	*bed
	*signin.Entrance
	db      *testkit.Database
	version int64
}

func newHome(t *testing.T) *home {
	t.Helper()
	db := testkit.DB(t)
	h := &home{bed: newBed(t, testkit.DynamoDBEndpoint(t), db.Clock), db: db}
	h.Entrance = h.entrance(h.client, db.Identity)
	begun, err := identity.Begin(t.Context(), db.App, db.Identity, "ann@example.com", "Ann", db.Clock.Now())
	testkit.Must(t, err)
	h.user = begun.User
	h.asUser(func(ctx context.Context, tx pg.Tx) error {
		login, err := identity.Lock(ctx, tx, h.user)
		if err == nil {
			_, err = identity.Verify(ctx, tx, login, 0, by, db.Clock.Now())
		}
		return err
	})
	h.changePassword()
	return h
}

func (h *home) asUser(fn func(ctx context.Context, tx pg.Tx) error) {
	h.t.Helper()
	ctx := h.t.Context()
	testkit.Must(h.t, h.db.Identity.AsUser(ctx, h.user, func(tx pg.Tx) error { return fn(ctx, tx) }))
}

func (h *home) changePassword() {
	h.t.Helper()
	h.asUser(func(ctx context.Context, tx pg.Tx) error {
		return identity.SetPassword(ctx, tx, h.user, identity.Password{PHC: "x", PepperVersion: 1}, by, h.clock.Now())
	})
	login, err := identity.Find(h.t.Context(), h.db.Identity, "ann@example.com")
	testkit.Must(h.t, err)
	h.version = login.CredentialVersion
}

// entrance returns an entrance as another process has it.
func (h *home) entrance(client *dynamodb.Client, people *pg.Identity) *signin.Entrance {
	sessions := session.NewStore(dynamo.NewSorted(client, h.table, "pk", "sk"), 2*time.Hour, h.clock)
	return &signin.Entrance{Attempts: h.over(client), Sessions: sessions, People: people, Clock: h.clock}
}

// proved returns an attempt in which methods were proved; the second because it was
// demanded.
func (h *home) proved(methods ...signin.Method) signin.Flow {
	h.t.Helper()
	ctx := h.t.Context()
	f, _ := h.begin()
	for i, m := range methods {
		var err error
		if i == 1 {
			f, err = h.Demand(ctx, f, signin.Second)
			testkit.Must(h.t, err)
		}
		f, err = h.Prove(ctx, f, signin.Proof{User: h.user, Version: h.version, Method: m})
		testkit.Must(h.t, err)
	}
	return f
}

func (h *home) entry(f signin.Flow) signin.Entry { return signin.Entry{Flow: f, Life: life, By: by} }

// live returns the person's live sessions.
func (h *home) live() []session.Session {
	h.t.Helper()
	list, err := h.entrance(h.client, h.db.Identity).Sessions.List(h.t.Context(), h.user)
	testkit.Must(h.t, err)
	return list
}

func (h *home) events(action string) int {
	return testkit.Value[int](h.t, h.db, `SELECT count(*) FROM user_event WHERE action = $1`, action)
}

// An attempt in which enough was proved becomes a session with what was proved, once, and
// the browser's session before it ends. The history says so.
func TestEnter(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	ctx, org := t.Context(), id.New[id.Org](time.Now())
	previous, _, err := h.Enter(ctx, h.entry(h.proved(signin.Password)))
	testkit.Must(t, err)
	in := h.entry(h.proved(signin.Password, signin.TOTP))
	in.Org, in.Previous, in.NeedsSecond, in.Device = org, previous, true, "Firefox"
	begun, c, err := h.Enter(ctx, in)
	testkit.Must(t, err)
	got, err := h.Sessions.Get(ctx, c, host)
	testkit.Must(t, err)
	if got.ID != begun.ID || got.User != h.user || got.Org != org || len(got.Factors) != 2 || got.Device != "Firefox" || got.IP != "203.0.113.7" ||
		!got.ProvedAt.Equal(in.Flow.ProvedAt) || got.EndsAt.Sub(got.SignedInAt) != life {
		t.Errorf("entered: %+v", got)
	}
	if list := h.live(); len(list) != 1 || list[0].ID != begun.ID {
		t.Errorf("live: %+v", list)
	}
	if _, _, err := h.Enter(ctx, in); !errors.Is(err, signin.ErrOver) {
		t.Errorf("a second time: %v", err)
	}
	if n := h.events("session.start"); n != 2 {
		t.Errorf("%d events", n)
	}
	if method := testkit.Value[string](t, h.db, `SELECT method FROM user_event ORDER BY id DESC LIMIT 1`); method != "password,totp" {
		t.Errorf("method: %s", method)
	}
}

// Nobody enters with too little proof, with credentials that have changed since, or when
// suspended or unverified; nothing is left of that. The cookie of an attempt is none of a
// session.
func TestEnterRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		want error
		make func(h *home) signin.Entry
	}{
		"nothing proved": {signin.ErrStep, func(h *home) signin.Entry { f, _ := h.begin(); return h.entry(f) }},
		"nobody":         {signin.ErrStep, func(h *home) signin.Entry { return h.entry(h.in(signin.Started)) }},
		"dead": {signin.ErrOver, func(h *home) signin.Entry {
			f := h.proved(signin.Password)
			testkit.Must(h.t, h.Kill(h.t.Context(), f))
			return h.entry(f)
		}},
		"too late": {signin.ErrOver, func(h *home) signin.Entry {
			f := h.proved(signin.Password)
			h.clock.Advance(10 * time.Minute)
			return h.entry(f)
		}},
		"second demanded": {signin.ErrFactors, func(h *home) signin.Entry {
			f, err := h.Demand(h.t.Context(), h.proved(signin.Link), signin.Second)
			testkit.Must(h.t, err)
			return h.entry(f)
		}},
		"to be set up": {signin.ErrFactors, func(h *home) signin.Entry {
			f, err := h.Demand(h.t.Context(), h.proved(signin.Link), signin.Enrol)
			testkit.Must(h.t, err)
			return h.entry(f)
		}},
		"second needed":    {signin.ErrFactors, func(h *home) signin.Entry { in := h.entry(h.proved(signin.Password)); in.NeedsSecond = true; return in }},
		"same class twice": {signin.ErrFactors, func(h *home) signin.Entry { return h.entry(h.proved(signin.Password, signin.Link)) }},
		"password changed": {signin.ErrChanged, func(h *home) signin.Entry { f := h.proved(signin.Password); h.changePassword(); return h.entry(f) }},
		"left everywhere": {signin.ErrChanged, func(h *home) signin.Entry {
			f := h.proved(signin.Password)
			_, err := h.LeaveAll(h.t.Context(), h.user, id.Session{}, session.Revoked, by)
			testkit.Must(h.t, err)
			return h.entry(f)
		}},
		"suspended": {signin.ErrSuspended, func(h *home) signin.Entry {
			h.db.Exec(h.t, `UPDATE user_login SET suspended_at = now()`)
			return h.entry(h.proved(signin.Password))
		}},
		"unverified": {signin.ErrUnverified, func(h *home) signin.Entry {
			h.db.Exec(h.t, `UPDATE user_login SET email_verified_at = NULL`)
			return h.entry(h.proved(signin.Password))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			if _, cookie, err := h.Enter(t.Context(), c.make(h)); !errors.Is(err, c.want) || cookie != (session.Cookie{}) {
				t.Errorf("%v", err)
			}
			if list := h.live(); len(list) != 0 || h.events("session.start") != 0 {
				t.Errorf("live: %+v, events: %d", list, h.events("session.start"))
			}
		})
	}
	if _, err := session.Parse(secret.NewToken().Text()); !errors.Is(err, session.ErrMalformed) {
		t.Errorf("the cookie of an attempt as that of a session: %v", err)
	}
}

// A new password ends all sessions, also in another process that has just used one,
// within ten seconds; the browser that has set it keeps its own. If it cannot be set, no
// session ends. Without a login there are no sessions.
func TestChange(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	ctx, other := t.Context(), h.entrance(h.client, h.db.Identity)
	kept, keptCookie, err := h.Enter(ctx, h.entry(h.proved(signin.Password)))
	testkit.Must(t, err)
	_, endedCookie, err := h.Enter(ctx, h.entry(h.proved(signin.Password)))
	testkit.Must(t, err)
	_, err = other.Sessions.Get(ctx, endedCookie, host)
	testkit.Must(t, err)
	refused := errors.New("refused")
	if err := h.Change(ctx, h.user, kept.ID, session.Revoked, func(pg.Tx) error { return refused }); !errors.Is(err, refused) || len(h.live()) != 2 {
		t.Errorf("%v; live: %+v", err, h.live())
	}
	testkit.Must(t, h.Change(ctx, h.user, kept.ID, session.Revoked, func(tx pg.Tx) error {
		return identity.SetPassword(ctx, tx, h.user, identity.Password{PHC: "y", PepperVersion: 1}, by, h.clock.Now())
	}))
	h.clock.Advance(9 * time.Second)
	var ended session.Ended
	if _, err := other.Sessions.Get(ctx, endedCookie, host); !errors.As(err, &ended) || ended.Why != session.Revoked {
		t.Errorf("in another process: %v", err)
	}
	_, err = other.Sessions.Get(ctx, keptCookie, host)
	testkit.Must(t, err)
	f := h.proved(signin.Password)
	testkit.Must(t, h.Change(ctx, h.user, id.Session{}, session.Revoked, func(tx pg.Tx) error { return identity.Delete(ctx, tx, h.user) }))
	if _, _, err := h.Enter(ctx, h.entry(f)); !errors.Is(err, identity.ErrNoLogin) || len(h.live()) != 0 {
		t.Errorf("after the login was deleted: %v; live: %+v", err, h.live())
	}
}

// The last proof may come with the entry: a password costs three writes, a query and a
// transaction. If it is not enough, nothing has happened.
func TestEnterWithProof(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	ctx := t.Context()
	var mu sync.Mutex
	var calls []string
	counted := h.entrance(testkit.DynamoDBThrough(t, h.endpoint, func(call, _ string) bool {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, call)
		return false
	}), h.db.Identity)
	f, _ := h.begin()
	f, err := counted.Attempts.Try(ctx, f)
	testkit.Must(t, err)
	in := h.entry(f)
	in.Proof, in.NeedsSecond = signin.Proof{User: h.user, Version: h.version, Method: signin.Password}, true
	if _, _, err := counted.Enter(ctx, in); !errors.Is(err, signin.ErrFactors) {
		t.Errorf("a password alone: %v", err)
	}
	in.NeedsSecond = false
	begun, _, err := counted.Enter(ctx, in)
	if testkit.Must(t, err); fmt.Sprint(begun.Factors) != "[password]" || begun.ProvedAt.Before(begun.CreatedAt.Add(-time.Minute)) {
		t.Errorf("entered: %+v", begun)
	}
	if got := fmt.Sprint(calls); got != "[UpdateItem UpdateItem Query PutItem]" {
		t.Errorf("calls: %s", got)
	}
	if _, _, err := h.Enter(ctx, in); !errors.Is(err, signin.ErrOver) {
		t.Errorf("a second time: %v", err)
	}
	second, err := h.Demand(ctx, h.proved(signin.Password), signin.Second)
	testkit.Must(t, err)
	in = h.entry(second)
	for want, proof := range map[error]signin.Proof{
		signin.ErrStep:    {User: id.New[id.User](time.Now()), Version: h.version, Method: signin.TOTP},
		signin.ErrChanged: {User: h.user, Version: h.version + 1, Method: signin.TOTP},
		signin.ErrFactors: {User: h.user, Version: h.version, Method: signin.Link},
	} {
		in.Proof = proof
		if _, _, err := h.Enter(ctx, in); !errors.Is(err, want) {
			t.Errorf("%+v: %v", proof, err)
		}
	}
	in.Proof.Version, in.Proof.User, in.Proof.Method = h.version, h.user, signin.TOTP
	if n := winners(20, func() error { _, _, err := h.Enter(ctx, in); return err }); n != 1 || len(h.live()) != 2 {
		t.Errorf("%d entered, %d sessions", n, len(h.live()))
	}
}

// Of fifty requests at once that enter with one attempt, one does.
func TestEnterOnce(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	in := h.entry(h.proved(signin.Password))
	if n := winners(50, func() error { _, _, err := h.Enter(t.Context(), in); return err }); n != 1 || len(h.live()) != 1 {
		t.Errorf("%d entered, %d sessions", n, len(h.live()))
	}
}

// Of fifty attempts that enter while the person leaves everywhere none leaves a session,
// also not one whose session is on its way to DynamoDB just then.
func TestLeaveAllAgainstEnters(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	var flows []signin.Flow
	for range 50 {
		flows = append(flows, h.proved(signin.Password))
	}
	var puts atomic.Int32
	begun, left := make(chan struct{}), make(chan struct{})
	slow := testkit.DynamoDBThrough(t, h.endpoint, func(call, _ string) bool {
		if call == "PutItem" && puts.Add(1) == 5 {
			close(begun)
			testkit.Await(t, "the person to leave", func() bool {
				select {
				case <-left:
					return true
				default:
					return testkit.Value[bool](t, h.db, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
						AND wait_event_type = 'Lock' AND query LIKE 'UPDATE user_login SET credential_version%')`)
				}
			})
		}
		return false
	})
	var entered, changed atomic.Int32
	var all sync.WaitGroup
	for n := range 2 { // processes; the role has few connections on the server
		people, err := pg.OpenIdentity(t.Context(), h.db.URL("portico_app"))
		testkit.Must(t, err)
		t.Cleanup(people.Close)
		process := h.entrance(slow, people)
		for _, f := range flows[n*25 : n*25+25] {
			all.Go(func() {
				switch _, _, err := process.Enter(t.Context(), h.entry(f)); {
				case err == nil:
					entered.Add(1)
				case errors.Is(err, signin.ErrChanged):
					changed.Add(1)
				default:
					t.Error(err)
				}
			})
		}
	}
	testkit.Await(t, "the fifth session", func() bool {
		select {
		case <-begun:
			return true
		default:
			return false
		}
	})
	_, err := h.LeaveAll(t.Context(), h.user, id.Session{}, session.Revoked, by)
	close(left)
	all.Wait()
	testkit.Must(t, err)
	if entered.Load() < 5 || changed.Load() == 0 || entered.Load()+changed.Load() != 50 {
		t.Errorf("%d entered, %d were refused", entered.Load(), changed.Load())
	}
	if list := h.live(); len(list) != 0 {
		t.Errorf("%d sessions are left", len(list))
	}
}

// If a process dies between any two calls of DynamoDB, if one fails, or if the commit
// fails, the person has no session of it that anybody could use, and can begin again.
func TestKillsOfEnter(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	for done, dies := range []bool{true, false} {
		for last := int32(1); ; last++ {
			var made atomic.Int32
			broken := h.entrance(testkit.DynamoDBThrough(t, h.endpoint, func(string, string) bool {
				n := made.Add(1)
				return n == last || dies && n > last
			}), h.db.Identity)
			_, _, err := broken.Enter(t.Context(), h.entry(h.proved(signin.Password)))
			if made.Load() < last {
				testkit.Must(t, err)
				break
			}
			if err == nil || len(h.live()) != 0 || h.events("session.start") != done {
				t.Errorf("call %d failed: %v; live: %+v", last, err, h.live())
			}
		}
		_, err := h.LeaveAll(t.Context(), h.user, id.Session{}, session.Revoked, by)
		testkit.Must(t, err)
		h.changePassword()
	}
	h.db.Exec(t, `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the commit fails'; END $$`)
	h.db.Exec(t, `CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON user_event DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()`)
	if _, _, err := h.Enter(t.Context(), h.entry(h.proved(signin.Password))); err == nil || len(h.live()) != 0 {
		t.Errorf("the commit failed: %v; live: %+v", err, h.live())
	}
	h.db.Exec(t, `DROP TRIGGER fail ON user_event`)
	_, _, err := h.Enter(t.Context(), h.entry(h.proved(signin.Password)))
	if testkit.Must(t, err); len(h.live()) != 1 {
		t.Errorf("afterwards: %s", fmt.Sprint(h.live()))
	}
}
