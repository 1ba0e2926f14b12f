package webhook

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook/sending"
)

// IsDropped is true for a delivery d that was dropped when its endpoint e was enabled,
// and not redelivered since then. greatest ignores NULL.
const IsDropped = `greatest(d.event_id, uuid_floor(d.redelivered_at)) < e.dropped_before`

// IsExpired is true for a pending delivery d that will not be tried because its time is
// over. A try in flight may end.
const IsExpired = `(d.expires_at <= (SELECT portico_now()) AND (d.leased_until IS NULL OR d.leased_until <= (SELECT portico_now())))`

// deliverySQL selects deliveries as customers see them. Disabling or deleting an
// endpoint, and dropping its held deliveries, change the endpoint's row only.
// This query derives the status to show from that row, and a claim derives what
// to do with the delivery.
const deliverySQL = deliveriesOf + `webhook_delivery` + endDeliveries

// deliveriesOf and endDeliveries enclose the table, or the rows of it, that deliverySQL
// selects from.
const deliveriesOf = `
	SELECT id, event_id, endpoint_id, status, attempts, completed_at, expired, expires_at, answer,
		CASE WHEN status = 'pending' AND next_retry_at < 'infinity' THEN greatest(next_retry_at, leased_until) END AS next_retry_at
	FROM (
		SELECT d.org_id, d.id, d.event_id, d.endpoint_id, d.attempts, d.completed_at, d.next_retry_at, d.leased_until, d.answer, d.expires_at,
			d.expired OR d.status = 'pending' AND ` + IsExpired + ` IS TRUE AS expired,
			CASE WHEN d.status <> 'pending' THEN d.status
				WHEN e.deleted_at IS NOT NULL OR ` + IsDropped + ` OR ` + IsExpired + ` THEN 'failed'
				WHEN e.status = 'disabled' THEN 'held'
				ELSE d.status END AS status
		FROM `

const endDeliveries = ` d JOIN webhook_endpoint e ON e.org_id = d.org_id AND e.id = d.endpoint_id
	) delivery `

// withLastTry adds the result of the last try to deliveries that a query selects.
// It reads the attempt log for those deliveries only, by primary key.
func withLastTry(deliveries string) string {
	return `
	SELECT p.id, p.event_id, p.endpoint_id, p.status, p.attempts, p.completed_at, p.next_retry_at, p.expires_at, a.status_code AS last_status_code,
		CASE WHEN p.expired AND p.expires_at IS NOT NULL THEN '` + TooLateError + `' WHEN p.expired THEN '` + ExpiredError + `' ELSE a.error END AS last_error,
		CASE WHEN p.attempts = 0 THEN 'none' WHEN a.error IS NULL THEN coalesce(p.answer, '2xx') ELSE p.answer END AS last_answer FROM (` + deliveries + `) AS p
	LEFT JOIN LATERAL (
		SELECT status_code, error FROM webhook_attempt t
		WHERE t.org_id = $1 AND t.event_id = p.event_id AND t.endpoint_id = p.endpoint_id AND t.number = p.attempts
		LIMIT 1
	) AS a ON true
	ORDER BY p.event_id DESC, p.endpoint_id DESC`
}

// NewDelivery is a delivery to be enqueued with its event.
type NewDelivery struct {
	EventID    id.Event
	EndpointID id.WebhookEndpoint
	// OrderingKey and Seq are nil unless the endpoint is ordered.
	OrderingKey *string
	Seq         *int64
	// ExpiresAt is from when on no try is made; nil: never.
	ExpiresAt *time.Time
}

// Enqueue adds the statements that write deliveries to the batch of the publish
// transaction. They are due at once, except those that wait behind others with
// their ordering key. The caller must have lowered the due time and locked the
// keys.
func Enqueue(batch *pgx.Batch, org id.Org, deliveries []NewDelivery) {
	var free, ordered []NewDelivery
	for _, d := range deliveries {
		if d.OrderingKey == nil {
			free = append(free, d)
		} else {
			ordered = append(ordered, d)
		}
	}
	enqueue(batch, org, free, `(SELECT portico_now())`)
	// No EXISTS here: Postgres would plan it as a hash of all pending deliveries.
	enqueue(batch, org, ordered, `
		CASE WHEN row_number() OVER (PARTITION BY d.endpoint_id, d.ordering_key ORDER BY d.seq) > 1
			OR (SELECT true FROM webhook_delivery w WHERE w.org_id = $1 AND w.endpoint_id = d.endpoint_id
				AND w.ordering_key = d.ordering_key AND w.status = 'pending' LIMIT 1)
			OR (SELECT true FROM webhook_paused_key p WHERE p.org_id = $1 AND p.endpoint_id = d.endpoint_id
				AND p.ordering_key = d.ordering_key LIMIT 1)
		THEN 'infinity' ELSE (SELECT portico_now()) END`)
}

// enqueue adds the statement for deliveries whose first try is at the time of an
// SQL expression.
func enqueue(batch *pgx.Batch, org id.Org, deliveries []NewDelivery, at string) {
	n := len(deliveries)
	if n == 0 {
		return
	}
	ids, events, endpoints := make([]id.Delivery, n), make([]id.Event, n), make([]id.WebhookEndpoint, n)
	keys, seqs := make([]*string, n), make([]*int64, n)
	expiries, expires := make([]*time.Time, n), false
	for i, d := range deliveries {
		// The id gets the event's millisecond: GetDelivery searches by it.
		ids[i] = id.New[id.Delivery](d.EventID.Time())
		events[i], endpoints[i], keys[i], seqs[i] = d.EventID, d.EndpointID, d.OrderingKey, d.Seq
		expiries[i], expires = d.ExpiresAt, expires || d.ExpiresAt != nil
	}
	if n == 1 && keys[0] == nil && !expires { // without unnest a publish costs Postgres about a fifth less, see ADR 19
		batch.Queue(`
			INSERT INTO webhook_delivery (org_id, id, event_id, endpoint_id, next_retry_at) VALUES ($1, $2, $3, $4, portico_now())`,
			org, ids[0], events[0], endpoints[0])
		return
	}
	if expires {
		batch.Queue(`
			INSERT INTO webhook_delivery (org_id, id, event_id, endpoint_id, ordering_key, seq, expires_at, next_retry_at)
			SELECT $1, d.*, `+at+`
			FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::timestamptz[])
				AS d (id, event_id, endpoint_id, ordering_key, seq, expires_at)`,
			org, ids, events, endpoints, keys, seqs, expiries)
		return
	}
	batch.Queue(`
		INSERT INTO webhook_delivery (org_id, id, event_id, endpoint_id, ordering_key, seq, next_retry_at)
		SELECT $1, d.*, `+at+`
		FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::bigint[])
			AS d (id, event_id, endpoint_id, ordering_key, seq)`,
		org, ids, events, endpoints, keys, seqs)
}

// GetDelivery returns the organization's delivery or ErrDeliveryNotFound. The
// id holds its event's millisecond, which bounds the search to a few rows of
// one partition.
func GetDelivery(ctx context.Context, tx pg.Tx, org id.Org, delivery id.Delivery) (Delivery, error) {
	lo, hi := delivery.Bounds()
	return pg.One[Delivery](ctx, tx, "webhook.GetDelivery", ErrDeliveryNotFound, withLastTry(deliverySQL+`
		WHERE org_id = $1 AND event_id BETWEEN $2 AND $3 AND id = $4`), org, lo, hi, delivery)
}

// ListAttempts returns every try of a delivery, in order.
func ListAttempts(ctx context.Context, tx pg.Tx, org id.Org, d Delivery) ([]Attempt, error) {
	return pg.List[Attempt](ctx, tx, "webhook.ListAttempts", `
		SELECT number, started_at, latency, status_code, error, response_body, CASE WHEN error IS NULL THEN '2xx' ELSE answer END, exchange
		FROM webhook_attempt
		WHERE org_id = $1 AND event_id = $2 AND endpoint_id = $3 ORDER BY number`, org, d.EventID, d.EndpointID)
}

// ScanRow reads what ListAttempts selects.
func (a *Attempt) ScanRow(row pgx.Rows) error {
	var micros int32
	var exchange []byte
	if err := row.Scan(&a.Number, &a.StartedAt, &micros, &a.StatusCode, &a.Error, &a.ResponseBody, &a.Answer, &exchange); err != nil {
		return err
	}
	a.Latency = time.Duration(micros) * time.Microsecond
	// During a deployment a newer version may have written what this one cannot read.
	if decoded, err := sending.DecodeExchange(exchange, a.StartedAt); err == nil {
		a.Exchange = &decoded
	}
	return nil
}
