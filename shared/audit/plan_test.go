package audit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// explaining asks for the plan of a query instead of its rows.
type explaining struct {
	pg.Tx
	plan *string
}

var errExplained = errors.New("explained")

func (e explaining) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, err := e.Tx.Query(ctx, "EXPLAIN "+sql, args...)
	if err != nil {
		return nil, err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	*e.plan = strings.Join(lines, "\n")
	return nil, errExplained
}

// Behind the wall, with many entries, each filter has its index, which gives the
// newest entries first. So no page reads or sorts the whole log of an
// organization.
func TestListFollowsItsIndexes(t *testing.T) {
	t.Parallel()
	d, ctx := testkit.DB(t), context.Background()
	org := d.NewOrg(t)
	d.Exec(t, `
		WITH entry AS (
			INSERT INTO audit_entry (org_id, id, action, actor_type, actor_id, category, outcome, targets, request_id, user_agent, created_at)
			SELECT $1, overlay(gen_random_uuid()::text placing left(uuid_floor(portico_now() - n * interval '1 minute')::text, 13) from 1)::uuid,
				'noun_' || n % 50 || '.update', 'api_key', 'key_' || n % 50, CASE n % 50 WHEN 7 THEN 'data' ELSE 'security' END, CASE n % 50 WHEN 7 THEN 'failure' ELSE 'success' END, '[]', 'r' || n, '', portico_now() - n * interval '1 minute'
			FROM generate_series(1, 30000) AS n
			RETURNING id, actor_id
		)
		INSERT INTO audit_target (org_id, target_id, entry_id) SELECT $1, 'we_' || actor_id, id FROM entry`, org)
	d.Exec(t, `ANALYZE audit_entry, audit_target`)
	for _, tt := range []struct {
		name   string
		filter audit.Filter
		index  string
	}{
		{"all", audit.Filter{}, "audit_entry_pkey"},
		{"a later page", audit.Filter{After: id.New[id.AuditEntry](d.Clock.Now().Add(-time.Hour))}, "audit_entry_pkey"},
		{"a time", audit.Filter{Since: d.Clock.Now().Add(-3 * time.Hour), Until: d.Clock.Now().Add(-2 * time.Hour)}, "audit_entry_pkey"},
		{"a noun", audit.Filter{Noun: "noun_7"}, "audit_entry_noun"},
		{"an action", audit.Filter{Action: "noun_7.update"}, "audit_entry_action"},
		{"a category", audit.Filter{Category: audit.Data}, "audit_entry_category"},
		{"an outcome", audit.Filter{Outcome: audit.Failure}, "audit_entry_outcome"},
		{"a request", audit.Filter{Request: "r7"}, "audit_entry_request"},
		{"an actor", audit.Filter{ActorID: "key_7"}, "audit_entry_actor"},
		{"a target", audit.Filter{TargetID: "we_key_7"}, "audit_target_pkey"},
	} {
		var plan string
		err := d.App.InOrg(ctx, org, func(tx pg.Tx) error {
			_, _, err := audit.List(ctx, explaining{tx, &plan}, org, tt.filter, 21)
			return err
		})
		if !errors.Is(err, errExplained) {
			t.Fatal(err)
		}
		if !strings.Contains(plan, tt.index) || strings.Contains(plan, "Sort") || strings.Contains(plan, "Seq Scan on audit") {
			t.Errorf("%s: the plan does not use %s:\n%s", tt.name, tt.index, plan)
		}
	}
}
