package webhook

import (
	"context"
	"fmt"
	"strings"
	"time"

	"portico/shared/id"
	"portico/shared/pg"
	"portico/shared/webhook/sending"
)

const (
	// maxScan bounds how many deliveries ListDeliveries reads for a page, so that a page
	// takes about ten milliseconds at most, even if few deliveries match.
	maxScan = 10_000
	// maxTypeScan is the same with an event type, for which it reads the event of each
	// delivery that matches otherwise.
	maxTypeScan = 2_000
)

// DeliveryFilter narrows a list. A zero field is ignored.
type DeliveryFilter struct {
	EndpointID id.WebhookEndpoint
	EventID    id.Event
	Status     Status
	Answer     sending.Answer       // of the last try
	Type       string               // of the event, or a prefix such as `invoice.*`
	Among      []id.WebhookEndpoint // only those of these endpoints; nil: of all
	// Of the event's publication: from Since on, before Until.
	Since, Until time.Time
	// After is the last delivery of the previous page.
	After DeliveryPlace
}

// DeliveryPlace is a place in the list of an organization's deliveries.
type DeliveryPlace struct {
	Event    id.Event
	Endpoint id.WebhookEndpoint
}

// conditions is a WHERE clause with its arguments; the first one is the organization.
type conditions struct {
	sql  []string
	args []any
}

// add adds a condition in which %d is the number of each argument.
func (c *conditions) add(condition string, args ...any) {
	numbers := make([]any, len(args))
	for i, arg := range args {
		c.args = append(c.args, arg)
		numbers[i] = len(c.args)
	}
	c.sql = append(c.sql, fmt.Sprintf(condition, numbers...))
}

func (c *conditions) String() string { return strings.Join(c.sql, " AND ") }

// read adds the conditions that an index finds.
func (f DeliveryFilter) read(c *conditions) {
	if !f.EndpointID.IsZero() {
		c.add(`endpoint_id = $%d`, f.EndpointID)
	}
	if len(f.Among) == 1 && f.EndpointID.IsZero() {
		c.add(`endpoint_id = $%d`, f.Among[0])
	}
	if !f.EventID.IsZero() {
		c.add(`event_id = $%d`, f.EventID)
	}
	if !f.Since.IsZero() {
		c.add(`event_id >= $%d`, id.Floor[id.Event](f.Since))
	}
	if !f.Until.IsZero() {
		c.add(`event_id < $%d`, id.Floor[id.Event](f.Until))
	}
	if !f.After.Event.IsZero() {
		// The first condition is for the index by endpoint.
		c.add(`event_id <= $%d AND (event_id, endpoint_id) < ($%d, $%d)`, f.After.Event, f.After.Event, f.After.Endpoint)
	}
}

// match adds the conditions for which each delivery must be read. It returns how many
// may be read; 0: there are none of these conditions.
func (f DeliveryFilter) match(c *conditions) (scan int) {
	if f.Status != "" {
		c.add(`status = $%d`, f.Status)
	}
	switch f.Answer {
	case "":
	case sending.AnswerNone:
		c.add(`attempts = 0`)
	case sending.Answer2xx:
		c.add(`attempts > 0 AND answer IS NULL AND status <> 'failed'`)
	default:
		c.add(`answer = $%d`, f.Answer)
	}
	if f.Among != nil {
		c.add(`endpoint_id = ANY ($%d)`, f.Among)
	}
	if len(c.sql) > 0 {
		scan = maxScan
	}
	if f.Type == "" {
		return scan
	}
	// A subquery is evaluated after all other conditions.
	const typeOf = `(SELECT v.type FROM event v WHERE v.org_id = $1 AND v.id = delivery.event_id)`
	if prefix, ok := strings.CutSuffix(f.Type, "*"); ok {
		c.add(`starts_with(`+typeOf+`, $%d)`, prefix)
	} else {
		c.add(typeOf+` = $%d`, f.Type)
	}
	return maxTypeScan
}

// ListDeliveries returns up to limit deliveries, newest events first. To find those with
// a status, answer or type it reads a bounded number of deliveries. If there may be more
// of them, scanned is the last that it has read, otherwise zero.
func ListDeliveries(ctx context.Context, tx pg.Tx, org id.Org, f DeliveryFilter, limit int) (list []Delivery, scanned DeliveryPlace, err error) {
	read := conditions{sql: []string{`org_id = $1`}, args: []any{org}}
	f.read(&read)
	const newestFirst = ` ORDER BY event_id DESC, endpoint_id DESC `
	source := ` FROM webhook_delivery WHERE ` + read.String() + newestFirst
	readArgs := len(read.args)
	match := conditions{args: read.args}
	scan := f.match(&match)
	where := ``
	if scan > 0 {
		scan, where = max(scan, limit), ` WHERE `+match.String()
	}
	args := append(match.args, max(scan, limit), limit)
	list, err = pg.List[Delivery](ctx, tx, "webhook.ListDeliveries", withLastTry(
		deliveriesOf+`(SELECT *`+source+fmt.Sprintf(`LIMIT $%d)`, len(args)-1)+endDeliveries+where+newestFirst+fmt.Sprintf(`LIMIT $%d`, len(args))), args...)
	if err != nil || scan == 0 || len(list) == limit {
		return list, scanned, err
	}
	places, err := pg.List[DeliveryPlace](ctx, tx, "webhook.lastScanned", fmt.Sprintf(
		`SELECT event_id AS event, endpoint_id AS endpoint`+source+`OFFSET $%d LIMIT 1`, readArgs+1), append(args[:readArgs:readArgs], scan-1)...)
	if len(places) > 0 {
		scanned = places[0]
	}
	return list, scanned, err
}
