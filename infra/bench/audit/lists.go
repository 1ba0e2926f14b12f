package audit

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/infra/bench/budget"
	"portico/shared/audit"
)

// lists are searches of the log, with those among them that find little.
var lists = []struct {
	what   string
	filter audit.Filter
	hour   bool // of one hour in the middle of the filled time
}{
	{"the newest", audit.Filter{}, false},
	{"an action", audit.Filter{Action: "webhook_endpoint.update"}, false},
	{"an action without entries", audit.Filter{Action: "role.delete"}, false},
	{"a category", audit.Filter{Category: audit.Configuration}, false},
	{"an actor", audit.Filter{ActorID: "bench"}, false},
	{"a target", audit.Filter{TargetID: "ep_7"}, false},
	{"refused attempts", audit.Filter{Outcome: audit.Failure}, false},
	{"a request without entries", audit.Filter{Request: "none"}, false},
	{"an hour in the middle", audit.Filter{}, true},
	{"an actor and a target", audit.Filter{ActorID: "bench", TargetID: "ep_7"}, false},
	{"an action in that hour", audit.Filter{Action: "webhook_endpoint.update"}, true},
	{"words that nothing has", audit.Filter{Words: []string{"nobody@example.com"}}, false},
}

// queryOf is a filter as the API takes it.
func queryOf(f audit.Filter) string {
	q := url.Values{"limit": {"50"}}
	for name, value := range map[string]string{
		"action": f.Action, "category": string(f.Category), "actor_id": f.ActorID, "target_id": f.TargetID, "outcome": f.Outcome,
		"request_id": f.Request, "q": strings.Join(f.Words, " "),
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if !f.Since.IsZero() {
		q.Set("since", f.Since.Format(time.RFC3339))
		q.Set("until", f.Until.Format(time.RFC3339))
	}
	return q.Encode()
}

// middleHour is an hour in the middle of the filled time.
func middleHour() (since, until time.Time) {
	middle := time.Now().Add(-filledDays * 12 * time.Hour).UTC()
	return middle, middle.Add(time.Hour)
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
	return b.writePlans(ctx)
}

// search reads the first page of each list several times.
func (b *bed) search(ctx context.Context, repeated int) ([][]time.Duration, error) {
	took := make([][]time.Duration, len(lists))
	for range repeated {
		for i, l := range lists {
			if l.hour {
				l.filter.Since, l.filter.Until = middleHour()
			}
			begin := time.Now()
			if err := b.call(ctx, http.MethodGet, "/v1/audit-log?"+queryOf(l.filter), ""); err != nil {
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
