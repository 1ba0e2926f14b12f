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
