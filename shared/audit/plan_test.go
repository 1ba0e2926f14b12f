package audit_test

import (
	"context"
	"errors"
	"regexp"
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

// readsAll finds a sort or a sequential scan of ten rows or more. A quarter without
// entries is scanned.
var readsAll = regexp.MustCompile(`(Sort|Seq Scan on audit_\w+ \w+)  \(cost=\S+ rows=\d\d`)

// An actor of most entries, all of which are old, is found along the index, too: the
// newer entries of others are not read.
func TestListOfAnActorOfOldEntries(t *testing.T) {
	t.Parallel()
	d, ctx := testkit.DB(t), context.Background()
	org := d.NewOrg(t)
	d.Exec(t, `
		INSERT INTO audit_entry (org_id, id, action, actor_type, actor_id, category, targets, request_id, user_agent, created_at)
		SELECT $1, overlay(uuid_floor(portico_now())::text PLACING lpad(n::text, 12, '0') FROM 25)::uuid, 'role.update', 'api_key',
			CASE WHEN n <= 29500 THEN 'key_old' ELSE 'key_new' END, 'security', '[]', '', '', portico_now()
		FROM generate_series(1, 30000) AS n`, org)
	d.Exec(t, `ANALYZE audit_entry`)
	session := d.OneSession(t)
	before := d.RowsRead(t, session, "audit_entry")
	testkit.Must(t, d.App.InOrg(ctx, org, func(tx pg.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_stat_force_next_flush()`); err != nil {
			return err
		}
		page, _, err := audit.List(ctx, tx, org, audit.Filter{ActorID: "key_old"}, 21)
		if err == nil && (len(page) != 21 || page[0].Actor.ID != "key_old" || page[0].ID.String() < page[1].ID.String()) {
			t.Errorf("the page is %+v", page)
		}
		return err
	}))
	if read := d.RowsRead(t, session, "audit_entry") - before; read == 0 || read > 200 {
		t.Errorf("a page of 21 entries reads %d rows and index entries", read)
	}
}

// Behind the wall, with many entries, each filter has its index, which gives the
// newest entries first. So no page reads or sorts the whole log of an
// organization.
func TestListFollowsItsIndexes(t *testing.T) {
	t.Parallel()
	d, ctx := testkit.DB(t), context.Background()
	org := d.NewOrg(t)
	d.Exec(t, `SELECT make_partitions(portico_now() - interval '1 month')`)
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
		{"all", audit.Filter{}, `audit_entry_\d{4}_\d{2}_pkey`},
		{"a later page", audit.Filter{After: id.New[id.AuditEntry](d.Clock.Now().Add(-time.Hour))}, `audit_entry_\d{4}_\d{2}_pkey`},
		{"a time", audit.Filter{Since: d.Clock.Now().Add(-3 * time.Hour), Until: d.Clock.Now().Add(-2 * time.Hour)}, `audit_entry_\d{4}_\d{2}_pkey`},
		{"a noun", audit.Filter{Noun: "noun_7"}, `audit_entry_\d{4}_\d{2}_org_id_noun_id_idx`},
		{"an action", audit.Filter{Action: "noun_7.update"}, `audit_entry_\d{4}_\d{2}_org_id_action_id_idx`},
		{"a category", audit.Filter{Category: audit.Data}, `audit_entry_\d{4}_\d{2}_org_id_category_id_idx`},
		{"an outcome", audit.Filter{Outcome: audit.Failure}, `audit_entry_\d{4}_\d{2}_org_id_outcome_id_idx`},
		{"a request", audit.Filter{Request: "r7"}, `audit_entry_\d{4}_\d{2}_org_id_request_id_id_idx`},
		{"an actor", audit.Filter{ActorID: "key_7"}, `audit_entry_\d{4}_\d{2}_org_id_actor_id_id_idx`},
		{"a target", audit.Filter{TargetID: "we_key_7"}, `audit_target_\d{4}_\d{2}_pkey`},
	} {
		var plan string
		err := d.App.InOrg(ctx, org, func(tx pg.Tx) error {
			_, _, err := audit.List(ctx, explaining{tx, &plan}, org, tt.filter, 21)
			return err
		})
		if !errors.Is(err, errExplained) {
			t.Fatal(err)
		}
		if !regexp.MustCompile(tt.index).MatchString(plan) || readsAll.MatchString(plan) {
			t.Errorf("%s: the plan does not use %s:\n%s", tt.name, tt.index, plan)
		}
	}
}
