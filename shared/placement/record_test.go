package placement_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// moves returns the moves in the platform's log, the oldest first, after they were chained.
func (p *pair) moves() string {
	p.t.Helper()
	for s := p.sequencer(pg.Home); ; {
		passes, err := s.Claim(context.Background(), nil)
		testkit.Must(p.t, err)
		if len(passes) == 0 {
			break
		}
		s.Do(context.Background(), passes[0])
	}
	if n := testkit.Value[int](p.t, p.at[acme], `SELECT count(*) FROM audit_entry WHERE action = 'organization.move'`); n != 0 {
		p.t.Errorf("%d entries are not in the home database", n)
	}
	return testkit.Value[string](p.t, p.at[pg.Home], `
		SELECT coalesce(string_agg((before ->> 'database') || ' ' || (after ->> 'database') || ' ' || actor_id, ', ' ORDER BY number), '')
		FROM audit_entry e JOIN audit_chain c ON c.org_id = e.org_id AND c.entry_id = e.id JOIN audit_target t ON t.org_id = e.org_id AND t.entry_id = e.id
		WHERE action = 'organization.move' AND e.org_id = $1 AND target_id = $2`, [16]byte{}, p.org.String())
}

// Each move is in the platform's log, in the home database, and so that its sweep looks
// there. If the mover dies, a move that was decided is there once, however often the
// command is repeated, and one out of the home database that was not decided is not.
func TestMoveIsRecorded(t *testing.T) {
	t.Parallel()
	p, ctx := newPair(t), context.Background()
	var lowered []string
	p.mover.Lower = func(context.Context, string) error { return errors.New("DynamoDB is away") }
	if _, err := p.mover.Move(ctx, p.org, acme); err == nil || p.moves() != "" {
		t.Errorf("it failed with %v, recorded %q", err, p.moves())
	}
	p.mover.Lower = func(_ context.Context, database string) error { lowered = append(lowered, database); return nil }
	dying, die := context.WithCancel(ctx)
	p.progress = func(said string) {
		if strings.Contains(said, "is decided") {
			die()
		}
	}
	if _, err := p.mover.Move(dying, p.org, acme); err == nil {
		t.Error("the move did not die")
	}
	if lowered = append(lowered, ""); !strings.Contains(strings.Join(lowered, " "), acme+" "+pg.Home) {
		t.Errorf("the due times of %q were lowered", lowered)
	}
	p.progress = func(string) {}
	for _, to := range []string{acme, acme, pg.Home} {
		_, err := p.mover.Move(ctx, p.org, to)
		testkit.Must(t, err)
		p.livesIn(to)
	}
	if got := p.moves(); got != "home acme move, acme home move" {
		t.Errorf("recorded %q", got)
	}
	p.at[pg.Home].Exec(t, `UPDATE organization SET deleted_at = '2026-01-01' WHERE id = $1`, p.org)
	if _, err := p.mover.Move(ctx, id.New[id.Org](p.at[pg.Home].Clock.Now()), acme); err == nil || strings.Count(p.moves(), "move") != 2 {
		t.Errorf("what was refused is recorded: %q, %v", p.moves(), err)
	}
}
