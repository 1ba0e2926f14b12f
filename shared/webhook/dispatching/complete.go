package dispatching

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"time"

	"portico/shared/claim"
	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook"
	"portico/shared/webhook/sending"
)

// Result is what became of a claim.
type Result struct {
	Claim
	sending.Outcome
	Status webhook.Status // Delivered, Failed, or Pending for another try
	Wait   time.Duration  // until the next try, when Pending
	// Expired: it has Failed because no try may be made any more.
	Expired bool
}

// Ended describes the result for the engine.
func (r Result) Ended() claim.Ended[webhook.Lane] {
	e := claim.Ended[webhook.Lane]{Lane: r.lane(), Again: r.Status == webhook.Pending, Wait: r.Wait, Consequences: r.hasConsequences()}
	if r.StatusCode != 0 {
		e.Took = r.Latency
	}
	return e
}

// Name names the delivery in a log line.
func (r Result) Name() slog.Attr { return slog.String("delivery", r.ID.String()) }

// completion holds results as columns, one array per field, for unnest.
type completion struct {
	orgs      []id.Org
	events    []id.Event
	endpoints []id.WebhookEndpoint
	leases    [][16]byte // pgx encodes a uuid.UUID by way of a text
	statuses  []webhook.Status
	waits     []time.Duration
	tried     []bool
	started   []time.Time
	latencies []int32
	codes     []*int16
	errors    []*string
	bodies    [][]byte
	answers   []*string // nil: success
	exchanges [][]byte
}

// complete records results in one statement: status, next try and attempt log are
// written together or not at all. It returns the results that it wrote. The
// others are discarded, because the delivery has another lease by now. It waits
// at most `lock` for each lock.
func complete(ctx context.Context, db pg.Querier, results []Result, lock time.Duration) (written []Result, err error) {
	// Two dispatchers lock rows in the same order, so they cannot deadlock.
	slices.SortFunc(results, func(a, b Result) int {
		if c := bytes.Compare(a.EventID.UUID[:], b.EventID.UUID[:]); c != 0 {
			return c
		}
		return bytes.Compare(a.EndpointID.UUID[:], b.EndpointID.UUID[:])
	})
	c := columns(results)
	positions, err := pg.Value[[]int](ctx, db, "webhook.complete", `
		WITH result AS MATERIALIZED (
			SELECT ($1::uuid[])[i] AS org_id, ($2::uuid[])[i] AS event_id, ($3::uuid[])[i] AS endpoint_id, ($4::uuid[])[i] AS lease,
				($5::text[])[i] AS status, ($6::interval[])[i] AS wait, ($7::boolean[])[i] AS tried, ($8::timestamptz[])[i] AS started_at,
				($9::integer[])[i] AS latency, ($10::smallint[])[i] AS status_code, ($11::text[])[i] AS error, ($12::bytea[])[i] AS response_body,
				($14::text[])[i] AS answer, ($15::bytea[])[i] AS exchange, i AS position
			FROM (SELECT set_config('lock_timeout', $13, true)) AS patient
			CROSS JOIN generate_series(1, array_length($1::uuid[], 1)) AS i
		), done AS (
			UPDATE webhook_delivery d SET
				status = CASE r.status WHEN 'expired' THEN 'failed' ELSE r.status END, expired = r.status = 'expired', lease = NULL, leased_until = NULL, attempts = d.attempts + r.tried::int,
				answer = CASE WHEN r.tried THEN r.answer ELSE d.answer END,
				next_retry_at = CASE WHEN r.status = 'pending' THEN (SELECT portico_now()) + r.wait END,
				completed_at = CASE WHEN r.status <> 'pending' THEN (SELECT portico_now()) END
			FROM result r
			WHERE d.org_id = ANY (ARRAY[r.org_id]) AND d.event_id = r.event_id AND d.endpoint_id = r.endpoint_id AND d.lease = r.lease
			RETURNING d.org_id, d.event_id, d.endpoint_id, d.attempts, r.tried, r.started_at, r.latency,
				r.status_code, r.error, r.response_body, r.answer, r.exchange, r.position
		), logged AS (
			INSERT INTO webhook_attempt (org_id, event_id, endpoint_id, number, started_at, latency, status_code, error, response_body, answer, exchange)
			SELECT org_id, event_id, endpoint_id, attempts, started_at, latency, status_code, error, response_body, answer, exchange
			FROM done WHERE tried
		)
		SELECT coalesce(array_agg(position), '{}') FROM done`,
		c.orgs, c.events, c.endpoints, c.leases, c.statuses, c.waits, c.tried, c.started, c.latencies, c.codes, c.errors, c.bodies, pg.LockTimeout(lock), c.answers, c.exchanges)
	if err != nil {
		return nil, err
	}
	for _, position := range positions {
		written = append(written, results[position-1])
	}
	return written, nil
}

// recorded is the status as complete writes it.
func (r Result) recorded() webhook.Status {
	if r.Expired {
		return "expired"
	}
	return r.Status
}

func columns(results []Result) completion {
	var c completion
	for _, r := range results {
		c.orgs, c.events = append(c.orgs, r.Org), append(c.events, r.EventID)
		c.endpoints, c.leases = append(c.endpoints, r.EndpointID), append(c.leases, r.Lease)
		c.statuses, c.waits = append(c.statuses, r.recorded()), append(c.waits, r.Wait)
		c.tried, c.started = append(c.tried, r.Tried), append(c.started, r.StartedAt)
		c.latencies = append(c.latencies, int32(min(r.Latency.Microseconds(), 1<<31-1)))
		c.codes, c.errors = append(c.codes, nonZero(int16(r.StatusCode))), append(c.errors, nonZero(r.Error))
		c.addLog(r)
	}
	return c
}

// addLog adds what only the log keeps.
func (c *completion) addLog(r Result) {
	body := r.Body
	if body == nil {
		body = []byte{} // a nil slice would be NULL
	}
	c.bodies = append(c.bodies, body)
	var answer *string
	var exchange []byte
	if r.Tried {
		exchange = r.Exchange
		if r.Answer != sending.Answer2xx {
			answer = new(string(r.Answer))
		}
	}
	c.answers, c.exchanges = append(c.answers, answer), append(c.exchanges, exchange)
}

// nonZero returns nil, which Postgres reads as NULL, for a zero value.
func nonZero[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
