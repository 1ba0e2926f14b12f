package audit

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/infra/bench/budget"
)

// lists are searches of the log, with those among them that find little.
var lists = []struct {
	what, query string
	hour        bool // of one hour in the middle of the filled time
}{
	{"the newest", "", false},
	{"an action", "action=webhook_endpoint.update", false},
	{"an action without entries", "action=role.delete", false},
	{"a category", "category=configuration", false},
	{"an actor", "actor_id=bench", false},
	{"a target", "target_id=ep_7", false},
	{"refused attempts", "outcome=failure", false},
	{"a request without entries", "request_id=none", false},
	{"an hour in the middle", "", true},
	{"an actor and a target", "actor_id=bench&target_id=ep_7", false},
	{"an action in that hour", "action=webhook_endpoint.update", true},
}

// measureLists compares searches in a short log with those in a long one.
func (b *bed) measureLists(ctx context.Context) error {
	n, repeated := 10_000_000, 50
	if b.Short {
		n, repeated = 200_000, 10
	}
	short, err := b.search(ctx, repeated)
	if err != nil {
		return err
	}
	if err := b.fill(ctx, n); err != nil {
		return err
	}
	long, err := b.search(ctx, repeated)
	if err != nil {
		return err
	}
	for i, l := range lists {
		b.Add("list: "+l.what, "", budget.None, "%s; in the short log %s", budget.Percentiles(long[i]), budget.Percentiles(short[i]))
	}
	return nil
}

// search reads the first page of each list several times.
func (b *bed) search(ctx context.Context, repeated int) ([][]time.Duration, error) {
	middle := time.Now().Add(-filledDays * 12 * time.Hour).UTC()
	hour := fmt.Sprintf("&since=%s&until=%s", middle.Format(time.RFC3339), middle.Add(time.Hour).Format(time.RFC3339))
	took := make([][]time.Duration, len(lists))
	for range repeated {
		for i, l := range lists {
			path := "/v1/audit-log?limit=50&" + l.query
			if l.hour {
				path += hour
			}
			begin := time.Now()
			if err := b.call(ctx, http.MethodGet, path, ""); err != nil {
				return nil, err
			}
			took[i] = append(took[i], time.Since(begin))
		}
	}
	return took, nil
}

// filledDays is over how many days fill spreads its entries.
const filledDays = 80

// fill adds entries of the last days, half of them of the measured organization. They
// have no place in the chain.
func (b *bed) fill(ctx context.Context, n int) error {
	const chunk = 250_000
	begin := time.Now()
	if _, err := b.DB.Exec(ctx, `SELECT make_partitions(now() - $1::interval)`, filledDays*24*time.Hour); err != nil {
		return err
	}
	for first := 0; first < n; first += chunk {
		if _, err := b.DB.Exec(ctx, `SET session_replication_role = replica; `+fmt.Sprintf(`
			WITH made AS (
				SELECT CASE WHEN n %% 2 = 0 THEN '%[1]s'::uuid ELSE gen_random_uuid() END AS org_id,
					(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid AS id, at, n
				FROM generate_series(%[2]d, %[3]d) n CROSS JOIN LATERAL (SELECT now() - interval '%[4]d days' * (1 - n::float8 / %[5]d) AS at) t
			), entry AS (
				INSERT INTO audit_entry (org_id, id, action, category, actor_type, actor_id, actor_name, targets, before, after, request_id, user_agent, created_at)
				SELECT org_id, id, (ARRAY['webhook_endpoint.update', 'api_key.create', 'member.update'])[1 + n %% 3],
					(ARRAY['configuration', 'security', 'security'])[1 + n %% 3], 'system', 'bench', 'Ada Lovelace',
					'[{"type":"webhook_endpoint","id":"ep_7"}]', '{"description":"orders"}', '{"description":"returns"}', 'request-' || n, 'curl/8.14.1', at
				FROM made
			)
			INSERT INTO audit_target (org_id, target_id, entry_id) SELECT org_id, 'ep_' || n %% 1000, id FROM made`,
			b.org.UUID, first, min(first+chunk, n)-1, filledDays, n)+`; RESET session_replication_role`, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
		b.Progress("%d of %d entries after %s", min(first+chunk, n), n, time.Since(begin).Round(time.Second))
	}
	_, err := b.DB.Exec(ctx, `VACUUM (ANALYZE) audit_entry, audit_target`)
	return err
}
