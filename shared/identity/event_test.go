package identity_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/identity"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// The history is read in pages, the newest first, and shows each event as it was recorded.
// Of what a browser says of itself only a part that can be stored is kept.
func TestEvents(t *testing.T) {
	s := newStore(t)
	user := s.begin("ann@example.com").User
	now := s.Clock.Now().Truncate(time.Microsecond)
	var want []identity.Event
	for i := range 5 {
		at := now.Add(time.Duration(i) * time.Second)
		e := identity.Event{ID: id.New[id.UserEvent](at), Action: "session.refuse", Method: "password", Detail: fmt.Sprint(i), Origin: by, CreatedAt: at}
		want = append([]identity.Event{e}, want...)
		s.as(user, func(ctx context.Context, tx pg.Tx) error { return identity.Record(ctx, tx, user, e) })
	}
	var got []identity.Event
	for after := (id.UserEvent{}); ; after = got[len(got)-1].ID {
		var page []identity.Event
		s.as(user, func(ctx context.Context, tx pg.Tx) (err error) {
			page, err = identity.Events(ctx, tx, user, after, 2)
			return err
		})
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(by.SourceIP)); diff != "" {
		t.Error(diff)
	}
	odd := identity.Event{ID: id.New[id.UserEvent](now.Add(time.Hour)), Action: "session.start", CreatedAt: now, Origin: audit.Origin{UserAgent: "\xff\x00" + strings.Repeat("ü", 600)}}
	s.as(user, func(ctx context.Context, tx pg.Tx) error { return identity.Record(ctx, tx, user, odd) })
	s.as(user, func(ctx context.Context, tx pg.Tx) error {
		page, err := identity.Events(ctx, tx, user, id.UserEvent{}, 1)
		if err == nil && (!strings.HasPrefix(page[0].Origin.UserAgent, "\uFFFD\uFFFDü") || len(page[0].Origin.UserAgent) > 500 || page[0].Origin.SourceIP.IsValid()) {
			t.Errorf("stored %+v", page[0].Origin)
		}
		return err
	})
}

// No statement changes the history, not even a superuser's, as long as the login exists.
func TestHistoryIsKept(t *testing.T) {
	s := newStore(t)
	s.signUp("ann@example.com")
	for _, sql := range []string{`UPDATE user_event SET detail = 'x'`, `DELETE FROM user_event`, `TRUNCATE user_event`} {
		if _, err := s.Admin.Exec(context.Background(), sql); err == nil || !strings.Contains(err.Error(), "can only be inserted") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if n := testkit.Value[int](t, s.Database, `SELECT count(*) FROM user_event`); n != 2 {
		t.Errorf("%d events are left, want 2", n)
	}
}

// The upkeep forgets what is older than a year, and logins that nobody completed within a
// week; nothing else.
func TestForgetting(t *testing.T) {
	s := newStore(t)
	ctx, worker := t.Context(), s.OneSession(t)
	ann, bob, eve := s.signUp("ann@example.com").User, s.signUp("bob@example.com").User, s.signUp("eve@example.com").User
	s.Exec(t, `UPDATE user_login SET email_verified_at = NULL, created_at = portico_now() - interval '8 days' WHERE user_id = $1`, bob)
	s.Exec(t, `UPDATE user_login SET email_verified_at = NULL, created_at = portico_now() - interval '6 days' WHERE user_id = $1`, eve)
	s.Exec(t, `INSERT INTO user_event (user_id, id, action, created_at) VALUES ($1, gen_random_uuid(), 'old.one', portico_now() - interval '366 days'),
		($1, gen_random_uuid(), 'old.two', portico_now() - interval '367 days'), ($1, gen_random_uuid(), 'young.one', portico_now() - interval '360 days')`, ann)
	for _, want := range []int64{1, 1, 0} {
		if n, err := identity.ForgetHistory(ctx, worker, 1); err != nil || n != want {
			t.Errorf("%d events forgotten, want %d (%v)", n, want, err)
		}
	}
	for _, want := range []int64{1, 0} {
		if n, err := identity.ForgetUnproven(ctx, worker, 10); err != nil || n != want {
			t.Errorf("%d logins forgotten, want %d (%v)", n, want, err)
		}
	}
	if left := testkit.Value[string](t, s.Database, `SELECT string_agg(u.email, ' ' ORDER BY u.email) FROM user_account u`); left != "ann@example.com eve@example.com" {
		t.Errorf("left: %s", left)
	}
	if n := testkit.Value[int](t, s.Database, `SELECT count(*) FROM user_event WHERE action LIKE 'old.%'`); n != 0 {
		t.Errorf("%d old events are left", n)
	}
	if n := testkit.Value[int](t, s.Database, `SELECT count(*) FROM user_event WHERE user_id = $1`, ann); n != 3 {
		t.Errorf("%d events are left, want 3", n)
	}
}

// Who is refused with an address has it in the history; for an address of nobody the same
// statement writes nothing.
func TestRefuse(t *testing.T) {
	s := newStore(t)
	ann := s.signUp("ann@example.com").User
	for _, email := range []string{"ANN@example.com", "nobody@example.com"} {
		testkit.Must(t, identity.Refuse(t.Context(), s.Identity, email, "password", audit.Origin{UserAgent: "a browser"}, s.Clock.Now()))
	}
	if got := testkit.Value[string](t, s.Database, `SELECT string_agg(user_id || ' ' || method || ' ' || user_agent, ',') FROM user_event WHERE action = 'session.refuse'`); got != ann.UUID.String()+" password a browser" {
		t.Errorf("recorded: %s", got)
	}
}

// A session with every factor there is can be recorded.
func TestAllFactors(t *testing.T) {
	s := newStore(t)
	ann := s.signUp("ann@example.com").User
	s.as(ann, func(ctx context.Context, tx pg.Tx) error {
		return identity.SignedIn(ctx, tx, ann, "link,passkey,password,provider,recovery_code,sso,totp", audit.Origin{}, s.Clock.Now())
	})
}
