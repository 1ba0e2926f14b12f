package stream_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"portico/shared/audit/stream"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/testkit"
)

// explained keeps the plan of each query, and then runs it.
type explained struct {
	pg.Tx
	plans *[]string
}

func (e explained) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if !strings.HasPrefix(strings.TrimSpace(sql), "INSERT") {
		rows, err := e.Tx.Query(ctx, "EXPLAIN "+sql, args...)
		if err != nil {
			return nil, err
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return nil, err
		}
		*e.plans = append(*e.plans, strings.Join(lines, "\n"))
	}
	return e.Tx.Query(ctx, sql, args...)
}

// scansAll finds a sequential scan that expects ten rows or more.
var scansAll = regexp.MustCompile(`Seq Scan on audit_\w+( \w+)?  \(cost=\S+ rows=\d\d`)

// With a long log and streams of many organizations, a batch is read along the numbers of
// its range, and waking looks only at the streams of the organizations that it names.
func TestStreamsFollowTheirIndexes(t *testing.T) {
	t.Parallel()
	d, ctx := testkit.DB(t), context.Background()
	org := d.NewOrg(t)
	box := testkit.Box(t)
	var made stream.Stream
	d.InOrg(t, org, func(ctx context.Context, tx pg.Tx) (err error) {
		made, err = stream.Insert(ctx, tx, org, stream.New{Name: "SIEM", Type: stream.HTTPS, Settings: stream.Settings{URL: "https://example.com"}, Secret: "whsec_x"}, d.Clock.Now(), box)
		return err
	})
	d.Exec(t, `INSERT INTO audit_head (org_id, number, hash) VALUES ($1, 30000, decode(repeat('00', 32), 'hex'))`, org)
	d.Exec(t, `
		WITH entry AS (
			INSERT INTO audit_entry (org_id, id, action, category, actor_type, actor_id, targets, request_id, user_agent, created_at)
			SELECT $1, overlay(uuid_floor(portico_now())::text PLACING lpad(n::text, 12, '0') FROM 25)::uuid, 'role.update', 'security', 'system', 'test', '[]', '', '', portico_now()
			FROM generate_series(1, 30000) n RETURNING id
		)
		INSERT INTO audit_chain (org_id, number, entry_id, personal_hash, hash)
		SELECT $1, row_number() OVER (ORDER BY id), id, decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex') FROM entry`, org)
	d.Exec(t, `UPDATE audit_stream SET reached = 15000`)
	d.Exec(t, `WITH o AS (INSERT INTO organization (id, name, created_at) SELECT gen_random_uuid(), 'other', portico_now() FROM generate_series(1, 2000) RETURNING id)
		INSERT INTO audit_stream (org_id, id, name, type, settings, categories, actions, outcomes, reached)
		SELECT o.id, gen_random_uuid(), 'SIEM', 'https', '{}', '{}', '{}', '{}', 0 FROM o`)
	d.Exec(t, `ANALYZE`)

	var plans []string
	d.InOrg(t, org, func(ctx context.Context, tx pg.Tx) error {
		b, err := stream.Load(ctx, explained{tx, &plans}, org, made.ID, box)
		if err == nil && (len(b.Entries) != stream.MaxEntries || b.From != 15000) {
			t.Errorf("%d entries after %d", len(b.Entries), b.From)
		}
		return err
	})
	testkit.Must(t, d.App.InAll(ctx, d.Worker, pg.Home, func(tx pg.Tx) error {
		return stream.Wake(ctx, explained{tx, &plans}, []id.Org{org})
	}))
	if jobs := testkit.Value[int](t, d, `SELECT count(*) FROM job`); jobs != 1 {
		t.Errorf("%d jobs were added", jobs)
	}
	all := strings.Join(plans, "\n\n")
	for _, index := range []string{`audit_chain\w*_pkey`, `audit_entry_\d{4}_\d{2}_pkey`, `audit_stream_pkey`} {
		if !regexp.MustCompile(index).MatchString(all) {
			t.Errorf("%s is not used", index)
		}
	}
	if len(plans) < 4 || scansAll.MatchString(all) {
		t.Errorf("%d plans:\n%s", len(plans), all)
	}
}
